/*
 * The key store, the host keys and the banner, as the configuration names them.  Called by
 * keeper/snapshot.c and cli/check.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/identity.h"
#include "access/route_files.h"
#include "base/access_hint.h"
#include "base/fd.h"
#include "base/match.h"
#include "formats/pubkey.h"

/* An RSA key of 16384 bits has a blob of 2 KiB. */
#define BLOB_MAX 16384

/* Add an error at the line of a key of the configuration. */
static int
identity_error(const struct conf *conf, struct conf_errors *errors, const char *kind,
    const char *key, const char *text)
{
	unsigned int line;
	const char *file = conf_where(conf, kind, key, &line);

	conf_error(errors, file, line, "%s", text);
	return ERR_CONFIG;
}

int
identity_new(struct keystore *ks, struct identity **out)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return ERR_NOMEM;
	(*out)->refs = 1;
	(*out)->keystore = ks != NULL ? keystore_ref(ks) : NULL;
	return 0;
}

static void
identity_key_free(struct host_key *key)
{
	free(key->name);
	buf_free(&key->blob);
	buf_free(&key->sealed);
}

/* May the key join those before it?  0, or an ERR_* with why. */
static int
identity_key_fits(const struct identity *id, const struct host_key *key, struct reason *why)
{
	size_t i, size = key->blob.len;

	for (i = 0; i < id->n_host_keys; i++) {
		size += id->host_keys[i].blob.len;
		if (!bytes_equal(buf_bytes(&id->host_keys[i].blob), buf_bytes(&key->blob)))
			continue;
		reason_set(why, "the same key as %s", id->host_keys[i].name);
		return ERR_EXISTS;
	}
	if (size <= IDENTITY_BLOBS_MAX)
		return 0;
	reason_set(why, "the host keys are larger than %d KiB together", IDENTITY_BLOBS_MAX / 1024);
	return ERR_TOOBIG;
}

int
identity_add_key(struct identity *id, const char *name, struct reason *why)
{
	struct host_key *key = &id->host_keys[id->n_host_keys];
	int r;

	if (id->n_host_keys == IDENTITY_KEYS_MAX) {
		reason_set(why, "one too many; a gateway has at most %d host keys",
		    IDENTITY_KEYS_MAX);
		return ERR_TOOBIG;
	}
	buf_init(&key->blob, BLOB_MAX);
	buf_init(&key->sealed, KEYSTORE_FILE_MAX);
	key->name = strdup(name);
	r = key->name == NULL ? ERR_NOMEM : keystore_take(id->keystore, name, &key->sealed, why);
	if (key->name == NULL)
		reason_set(why, "%s", err_str(r));
	if (r == 0)
		r = keystore_public(id->keystore, name, &key->blob, key->type, why);
	if (r == 0)
		r = identity_key_fits(id, key, why);
	if (r == 0)
		id->n_host_keys++;
	else
		identity_key_free(key);
	return r;
}

/* Can the store be unlocked only once?  A passphrase is asked for at the start alone, and
 * systemd's credentials can be read by root alone, which the keeper is no longer. */
static int
identity_unlocks_once(const char *unlock)
{
	return strcmp(unlock, "passphrase") == 0 || strncmp(unlock, "credential:", 11) == 0;
}

int
identity_check_way(const struct conf *conf, const char *path, struct reason *why)
{
	struct safe_path_rule rule = conf->file_rule;
	struct stat st;
	int fd, r;

	/* a keeper that stays root accepts a directory of any owner */
	if (rule.user == 0 && stat(path, &st) == 0)
		rule.user = st.st_uid;
	/* secret_dir_open() has a stricter rule for the mode of the directory itself */
	r = safe_path_open(&rule, path, O_PATH | O_DIRECTORY, 0, &fd, why);
	fd_close(&fd);
	return r;
}

static int
identity_open_store(struct identity *id, const struct conf *conf, const struct conf *old_conf,
    const struct identity *old, struct conf_errors *errors)
{
	const struct conf_keystore *now = &conf->keystore, *before;
	struct reason why;

	if (old != NULL && identity_unlocks_once(now->unlock)) {
		before = &old_conf->keystore;
		if (strcmp(before->unlock, now->unlock) != 0 ||
		    strcmp(before->path, now->path) != 0)
			return identity_error(conf, errors, "keystore", "Unlock",
			    "a passphrase or credential takes effect only at a restart");
		id->keystore = keystore_ref(old->keystore);
		return 0;
	}
	if (keystore_open(now->path, now->unlock, 0, &id->keystore, &why) != 0 ||
	    identity_check_way(conf, conf->keystore.path, &why) != 0)
		return identity_error(conf, errors, "keystore", "Path", why.text);
	return 0;
}

static int
identity_load_keys(struct identity *id, const struct conf *conf, struct conf_errors *errors)
{
	const struct strlist *names = &conf->gateway.host_keys;
	struct reason why, text;
	size_t i;
	int r = 0;

	for (i = 0; i < names->n; i++) {
		if (identity_add_key(id, names->v[i], &why) == 0)
			continue;
		reason_set(&text, "HostKey %s: %s", names->v[i], why.text);
		r = identity_error(conf, errors, "gateway", "HostKey", text.text);
	}
	return r;
}

static int
identity_load_certificates(struct identity *id, const struct conf *conf, struct conf_errors *errors)
{
	const struct strlist *paths = &conf->gateway.host_certificates;
	struct reason why, text;
	size_t i;
	int r = 0;

	for (i = 0; i < paths->n; i++) {
		if (identity_add_certificate(id, conf, paths->v[i], &why) == 0)
			continue;
		reason_set(&text, "HostCertificate: %s", why.text);
		r = identity_error(conf, errors, "gateway", "HostCertificate", text.text);
	}
	return r;
}

int
identity_check_algorithms(const struct identity *id, const struct conf *conf,
    struct conf_errors *errors)
{
	const char *list = conf->gateway.host_key_algorithms;
	struct bytes rest, name;
	char alg[64];
	int negated;

	if (list == NULL || id->n_host_keys == 0)
		return 0;
	rest = (struct bytes){ (const uint8_t *)list, strlen(list) };
	while (match_list_next(&rest, &name, &negated)) {
		snprintf(alg, sizeof(alg), "%.*s", (int)name.len, (const char *)name.p);
		if (identity_host_key(id, alg) != NULL)
			return 0;
	}
	return identity_error(conf, errors, "gateway", "HostKeyAlgorithms",
	    "HostKeyAlgorithms: no HostKey is of a type that it names");
}

static int
identity_load_parts(const struct conf *conf, const struct conf *old_conf,
    const struct identity *old, int with_keys, struct identity **out, struct conf_errors *errors)
{
	int r;

	if (identity_new(NULL, out) != 0) {
		conf_error(errors, conf->dir, 0, "out of memory");
		return ERR_CONFIG;
	}
	r = identity_open_store(*out, conf, old_conf, old, errors);
	if (r == 0 && with_keys)
		r = identity_load_keys(*out, conf, errors);
	if (r == 0 && with_keys)
		r = identity_load_certificates(*out, conf, errors);
	if (r == 0 && with_keys)
		r = identity_check_algorithms(*out, conf, errors);
	if (r != 0)
		identity_unref(out);
	return r;
}

int
identity_load(const struct conf *conf, const struct conf *old_conf, const struct identity *old,
    struct identity **out, struct conf_errors *errors)
{
	return identity_load_parts(conf, old_conf, old, 1, out, errors);
}

int
identity_load_store(const struct conf *conf, struct identity **out, struct conf_errors *errors)
{
	return identity_load_parts(conf, NULL, NULL, 0, out, errors);
}

int
identity_banner(const struct conf *conf, char **text, struct reason *why)
{
	const char *path = conf->gateway.banner;
	struct reason hint;
	struct buf b;
	int r;

	*text = NULL;
	buf_init(&b, ROUTE_BANNER_MAX);
	r = safe_path_read(&conf->file_rule, path, &b, why);
	if (r == ERR_SYS && errno == EACCES) {
		(void)access_hint(path, R_OK, &hint);
		reason_set(why, "%.400s: %s", path, hint.text);
	} else if (r == 0 && buf_cstr(&b) == NULL) {
		r = ERR_FORMAT;
		reason_set(why, "%.400s: holds a NUL", path);
	} else if (r == 0 && (*text = strdup((const char *)b.data)) == NULL) {
		r = ERR_NOMEM;
		reason_set(why, "%.400s: %s", path, err_str(r));
	}
	buf_free(&b);
	return r;
}

struct identity *
identity_ref(struct identity *id)
{
	id->refs++;
	return id;
}

void
identity_unref(struct identity **id)
{
	struct identity *old = *id;
	size_t i;

	*id = NULL;
	if (old == NULL || --old->refs > 0)
		return;
	for (i = 0; i < old->n_host_keys; i++)
		identity_key_free(&old->host_keys[i]);
	identity_certificates_free(old);
	keystore_free(&old->keystore);
	free(old);
}

const struct host_key *
identity_host_key(const struct identity *id, const char *alg)
{
	size_t i;

	for (i = 0; i < id->n_host_keys; i++)
		if (pubkey_algorithm_ok(id->host_keys[i].type, alg))
			return &id->host_keys[i];
	return NULL;
}
