#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/pubkey.h"
#include "base/access_hint.h"
#include "base/fd.h"
#include "keeper/snapshot.h"
#include "keeper/ksession.h"

#define BANNER_MAX (16 * 1024)
#define BLOB_MAX 16384

/* An error where the key stands that is to blame. */
static int
blame(const struct conf *conf, struct conf_errors *errors, const char *kind, const char *key,
    const char *whose, const char *what)
{
	unsigned int line;
	const char *file = conf_where(conf, kind, key, &line);

	conf_error(errors, file, line, "%s%s%s", whose, whose[0] == '\0' ? "" : ": ", what);
	return ERR_CONFIG;
}

const char *
host_key_kind(const char *type)
{
	if (strncmp(type, "ecdsa-", 6) == 0)
		return "ecdsa";
	return strcmp(type, "ssh-rsa") == 0 ? "rsa" : "ed25519";
}

static int
load_host_key(struct identity *id, const struct conf *conf, const char *name,
    struct conf_errors *errors)
{
	struct host_key *key = &id->host_keys[id->n_host_keys++];
	struct reason why = { "out of memory" };
	char text[128];
	size_t i;

	buf_init(&key->blob, BLOB_MAX);
	buf_init(&key->sealed, KEYSTORE_FILE_MAX);
	key->name = strdup(name);
	if (key->name != NULL && keystore_take(id->keystore, name, &key->sealed, &why) == 0 &&
	    keystore_public(id->keystore, name, &key->blob, key->type, &why) == 0) {
		for (i = 0; i + 1 < id->n_host_keys; i++)
			if (strcmp(host_key_kind(id->host_keys[i].type),
				host_key_kind(key->type)) == 0)
				break;
		if (i + 1 == id->n_host_keys)
			return 0;
		reason_set(&why, "a second %s key, beside %s; a gateway has one of each kind",
		    host_key_kind(key->type), id->host_keys[i].name);
	}
	snprintf(text, sizeof(text), "HostKey %s", name);
	return blame(conf, errors, "gateway", "HostKey", text, why.text);
}

/* What can be unlocked but once: nobody is asked again, and systemd's credentials are
 * root's to read, whom the keeper has ceased to be. */
static int
unlocks_once(const char *unlock)
{
	return strcmp(unlock, "passphrase") == 0 || strncmp(unlock, "credential:", 11) == 0;
}

int
snapshot_keystore_way(const struct conf *conf, struct reason *why)
{
	struct safe_path_rule rule = conf->file_rule;
	struct stat st;
	int fd, r;

	/* a keeper that stays root takes a store of anybody's */
	if (rule.user == 0 && stat(conf->keystore.path, &st) == 0)
		rule.user = st.st_uid;
	/* who may write to it is a matter of the key store's own, stricter rule */
	r = safe_path_open(&rule, conf->keystore.path, O_PATH | O_DIRECTORY, 0, &fd, why);
	fd_close(&fd);
	return r;
}

static int
open_keystore(struct identity *id, const struct conf *conf, const struct snapshot *old,
    struct conf_errors *errors)
{
	const struct conf_keystore *now = &conf->keystore, *before;
	struct reason why;

	if (old != NULL && unlocks_once(now->unlock)) {
		before = &old->conf->keystore;
		if (strcmp(before->unlock, now->unlock) != 0 ||
		    strcmp(before->path, now->path) != 0)
			return blame(conf, errors, "keystore", "Unlock", "",
			    "a passphrase or credential counts only at a restart");
		id->keystore = keystore_ref(old->identity->keystore);
		return 0;
	}
	if (keystore_open(now->path, now->unlock, 0, &id->keystore, &why) != 0)
		return blame(conf, errors, "keystore", "Path", "", why.text);
	if (snapshot_keystore_way(conf, &why) != 0)
		return blame(conf, errors, "keystore", "Path", "", why.text);
	return 0;
}

static int
load_identity(struct snapshot *g, const struct snapshot *old, struct conf_errors *errors)
{
	const struct strlist *names = &g->conf->gateway.host_keys;
	struct identity *id = calloc(1, sizeof(*id));
	size_t i;
	int r;

	if (id == NULL) {
		conf_error(errors, g->conf->dir, 0, "out of memory");
		return ERR_CONFIG;
	}
	id->refs = 1;
	g->identity = id;
	r = open_keystore(id, g->conf, old, errors);
	if (r != 0)
		return r;
	if (names->n > KEEPER_HOST_KEYS_MAX)
		return blame(g->conf, errors, "gateway", "HostKey", "HostKey",
		    "at most one each of ed25519, ecdsa and rsa");
	for (i = 0; i < names->n; i++)
		if (load_host_key(id, g->conf, names->v[i], errors) != 0)
			r = ERR_CONFIG;
	return r;
}

int
snapshot_banner(const struct conf *conf, char **text, struct reason *why)
{
	const char *path = conf->gateway.banner;
	struct reason closed;
	struct buf b;
	int r;

	*text = NULL;
	buf_init(&b, BANNER_MAX);
	r = safe_path_read(&conf->file_rule, path, &b, why);
	if (r == ERR_SYS && errno == EACCES) {
		(void)access_hint(path, R_OK, &closed);
		reason_set(why, "%.400s: %s", path, closed.text);
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

static int
load_banner(struct snapshot *g, struct conf_errors *errors)
{
	struct reason why;

	if (g->conf->gateway.banner == NULL || snapshot_banner(g->conf, &g->banner, &why) == 0)
		return 0;
	return blame(g->conf, errors, "gateway", "Banner", "Banner", why.text);
}

/* Is this key of [lookup exec] as it was?  Else the error is added. */
static int
same_of_exec(const struct conf *old, const struct conf *new, const char *key,
    struct conf_errors *errors)
{
	const struct conf_entry *a = conf_lookup_entry(old, "exec", key);
	const struct conf_entry *b = conf_lookup_entry(new, "exec", key);

	if (a == NULL && b == NULL)
		return 1;
	if (a != NULL && b != NULL && strcmp(a->value, b->value) == 0)
		return 1;
	conf_error(errors, b != NULL ? b->file : new->dir, b != NULL ? b->line : 0,
	    "%s of [lookup exec] changes at a restart only%s", key,
	    strcmp(key, "RunAs") == 0 ? "" : ", as there is RunAs");
	return 0;
}

/* Who starts programs as another user was told at the start as whom, and which. */
static void
check_programs(const struct snapshot *old, const struct conf *conf, struct conf_errors *errors)
{
	if (old != NULL && same_of_exec(old->conf, conf, "RunAs", errors) &&
	    conf_lookup_entry(conf, "exec", "RunAs") != NULL)
		(void)same_of_exec(old->conf, conf, "Command", errors);
}

int
snapshot_load(const char *dir, const struct snapshot *old, struct snapshot **out,
    struct conf_errors *errors)
{
	size_t before = errors->n;
	struct snapshot *g;

	*out = NULL;
	g = calloc(1, sizeof(*g));
	if (g == NULL) {
		conf_error(errors, dir != NULL ? dir : "conf.d", 0, "out of memory");
		return ERR_CONFIG;
	}
	g->refs = 1;
	/* one mistake does not hide the others, where they can be told apart */
	(void)!conf_read(dir, CONF_ALL, &g->conf, errors);
	if (g->conf != NULL && lookup_new(g->conf, errors, &g->lookup) == ERR_NOMEM)
		conf_error(errors, g->conf->dir, 0, "out of memory");
	if (g->conf != NULL)
		check_programs(old, g->conf, errors);
	if (g->conf != NULL && errors->n == before) {
		(void)!load_identity(g, old, errors);
		(void)!load_banner(g, errors);
	}
	if (errors->n == before) {
		*out = g;
		return 0;
	}
	snapshot_unref(&g);
	return ERR_CONFIG;
}

int
snapshot_unlock(const char *dir, struct snapshot **out, struct conf_errors *errors)
{
	struct snapshot *g = calloc(1, sizeof(*g));
	int r = ERR_CONFIG;

	*out = NULL;
	if (g == NULL || (g->identity = calloc(1, sizeof(*g->identity))) == NULL) {
		conf_error(errors, dir != NULL ? dir : "conf.d", 0, "out of memory");
		goto out;
	}
	g->refs = g->identity->refs = 1;
	r = conf_load(dir, CONF_GATEWAY, &g->conf, errors);
	if (r == 0 && strncmp(g->conf->keystore.unlock, "credential:", 11) == 0) {
		r = open_keystore(g->identity, g->conf, NULL, errors);
		if (r == 0) {
			*out = g;
			return 0;
		}
	}
out:
	snapshot_unref(&g);
	return r;
}

struct snapshot *
snapshot_ref(struct snapshot *g)
{
	g->refs++;
	return g;
}

void
snapshot_unref(struct snapshot **g)
{
	struct snapshot *old = *g;

	*g = NULL;
	if (old == NULL || --old->refs > 0)
		return;
	lookup_free(&old->lookup);
	conf_free(&old->conf); /* after the lookup, which points into it */
	free(old->banner);
	identity_unref(&old->identity);
	free(old);
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
	for (i = 0; i < old->n_host_keys; i++) {
		free(old->host_keys[i].name);
		buf_free(&old->host_keys[i].blob);
		buf_free(&old->host_keys[i].sealed);
	}
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
