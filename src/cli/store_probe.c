/*
 * The key store as the keeper finds it: for check and route.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/access_hint.h"
#include "base/fd.h"
#include "base/names.h"
#include "base/log.h"
#include "cli/store_probe.h"
#include "formats/pubkey.h"

#define PUBLIC_MAX 65536 /* of a file with a public key */

struct store_probe_tried {
	enum keystore_kind kind;
	char *name;
	int err;
	char *why;
};

/* 0, or ERR_NOTFOUND with why; other errors are the store's, which have been reported. */
static int
store_probe_stat(const char *dir, const char *name, struct reason *why)
{
	char *path;
	int r = 0;

	if (asprintf(&path, "%s/%s", dir, name) == -1)
		fatal("out of memory");
	if (access(path, F_OK) == -1 && errno == ENOENT) {
		reason_set(why, "%s: %s", path, strerror(ENOENT));
		r = ERR_NOTFOUND;
	}
	free(path);
	return r;
}

static int
store_probe_is_key(const struct dirent *d)
{
	return key_name_ok(d->d_name) && strcmp(d->d_name, "README.md") != 0;
}

int
store_probe_is_empty(const char *path)
{
	struct dirent *d;
	DIR *dir = opendir(path);
	int empty = 1;

	if (dir == NULL)
		return errno == ENOENT;
	while (empty && (d = readdir(dir)) != NULL)
		empty = !store_probe_is_key(d);
	closedir(dir);
	return empty;
}

int
store_probe_is_made(const char *path)
{
	struct reason why;

	return store_probe_stat(path, ".store", &why) == 0;
}

int
store_probe_open(struct store_probe *p, const struct conf_keystore *k, const struct as_user *u,
    struct reason *why)
{
	int r;

	*p = (struct store_probe){ .path = k->path };
	/* no core of a process that has held a key in the clear */
	(void)prctl(PR_SET_DUMPABLE, 0);
	/* the gateway reads systemd's credentials while it is still root */
	if (strncmp(k->unlock, "credential:", 11) == 0)
		as_user_self();
	r = keystore_probe(k->path, k->unlock, &p->ks, why);
	as_user_keeper(u);
	p->closed = r != 0;
	return r;
}

static void
store_probe_tried_free(void *v)
{
	struct store_probe_tried *t = v;

	free(t->name);
	free(t->why);
	free(t);
}

void
store_probe_close(struct store_probe *p)
{
	tdestroy(p->tried, store_probe_tried_free);
	keystore_free(&p->ks);
	*p = (struct store_probe){ 0 };
}

static int
store_probe_tried_compare(const void *a, const void *b)
{
	const struct store_probe_tried *x = a, *y = b;

	return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->name, y->name);
}

static int
store_probe_key(const struct store_probe *p, const char *name, struct reason *why)
{
	struct buf pub;
	char type[64];
	int r;

	buf_init(&pub, PUBLIC_MAX);
	r = keystore_public(p->ks, name, &pub, type, why);
	buf_free(&pub);
	return r;
}

static int
store_probe_password(const struct store_probe *p, const char *name, struct reason *why)
{
	struct secret *password;
	int r = keystore_password(p->ks, name, &password, why);

	secret_free(&password);
	return r;
}

static int
store_probe_totp(const struct store_probe *p, const char *name, struct reason *why)
{
	struct totp t;
	int r = keystore_totp(p->ks, name, &t, why);

	sodium_memzero(&t, sizeof(t));
	return r;
}

static int
store_probe_look(const struct store_probe *p, enum keystore_kind kind, const char *name,
    struct reason *why)
{
	why->text[0] = '\0';
	if (p->closed)
		return store_probe_stat(p->path, name, why);
	if (p->ks == NULL)
		return keystore_look(p->path, kind, name, why);
	switch (kind) {
	case KEYSTORE_PASSWORD:
		return store_probe_password(p, name, why);
	case KEYSTORE_TOTP:
		return store_probe_totp(p, name, why);
	default:
		return store_probe_key(p, name, why);
	}
}

int
store_probe_try(struct store_probe *p, enum keystore_kind kind, const char *name, const char **why)
{
	struct store_probe_tried key = { .kind = kind, .name = strdup(name) }, **found, *t;
	struct reason text;

	if (key.name == NULL)
		fatal("out of memory");
	found = tfind(&key, &p->tried, store_probe_tried_compare);
	if (found == NULL) {
		key.err = store_probe_look(p, kind, name, &text);
		t = malloc(sizeof(*t));
		if (t == NULL || (key.why = strdup(key.err == 0 ? "" : text.text)) == NULL)
			fatal("out of memory");
		*t = key;
		found = tsearch(t, &p->tried, store_probe_tried_compare);
		if (found == NULL)
			fatal("out of memory");
	} else {
		free(key.name);
	}
	*why = (*found)->why;
	return (*found)->err;
}

/* Append the key in a file with a public key, DIR/NAME.pub. */
static int
store_probe_pub_file(const char *path, struct buf *blob, struct reason *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;
	struct reason hint;
	struct buf text;

	if (fd == -1 && errno == EACCES) {
		(void)access_hint(path, R_OK, &hint);
		reason_set(why, "%s: %s", path, hint.text);
		return ERR_SYS;
	}
	buf_init(&text, PUBLIC_MAX);
	r = fd == -1 ? ERR_SYS : fd_read_all(fd, &text);
	if (r == 0)
		r = pubkey_parse((const char *)text.data, text.len, blob);
	if (r != 0)
		reason_set(why, "%s: %s", path, err_str(r));
	buf_free(&text);
	fd_close(&fd);
	return r;
}

int
store_probe_public(const struct store_probe *p, const char *name, struct buf *blob,
    struct reason *why)
{
	char type[64], *path;
	int r;

	if (p->ks != NULL)
		return keystore_public(p->ks, name, blob, type, why);
	if (asprintf(&path, "%s/%s.pub", p->path, name) == -1)
		fatal("out of memory");
	r = store_probe_pub_file(path, blob, why);
	free(path);
	return r;
}

int
store_probe_one(const struct conf_keystore *k, const struct as_user *u, enum keystore_kind kind,
    const char *name, struct reason *why)
{
	struct store_probe store;
	const char *text;
	struct stat st;
	int err;

	if (!as_user_other(u) && geteuid() != 0 &&
	    (stat(k->path, &st) == -1 || st.st_uid != geteuid()))
		return store_probe_stat(k->path, name, why);
	err = store_probe_open(&store, k, u, why);
	if (err == 0 && (err = store_probe_try(&store, kind, name, &text)) != 0)
		reason_set(why, "%s", text);
	store_probe_close(&store);
	return err;
}
