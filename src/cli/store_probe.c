#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/store_probe.h"

#define PUBLIC_MAX 16384

struct tried {
	enum keystore_kind kind;
	char *name;
	int err;
	char *why;
};

int
store_probe_open(struct store_probe *p, const struct conf_keystore *k, const struct as_user *b,
    struct reason *why)
{
	int r;

	*p = (struct store_probe){ .path = k->path };
	/* no core of a process that has held a key in the clear */
	(void)prctl(PR_SET_DUMPABLE, 0);
	/* systemd's credentials are read before the gateway ceases to be root */
	if (strncmp(k->unlock, "credential:", 11) == 0)
		as_user_self();
	r = keystore_probe(k->path, k->unlock, &p->ks, why);
	as_user_keeper(b);
	p->closed = r != 0;
	return r;
}

static void
tried_free(void *v)
{
	struct tried *t = v;

	free(t->name);
	free(t->why);
	free(t);
}

void
store_probe_close(struct store_probe *p)
{
	tdestroy(p->tried, tried_free);
	keystore_free(&p->ks);
	*p = (struct store_probe){ 0 };
}

static int
tried_compare(const void *a, const void *b)
{
	const struct tried *x = a, *y = b;

	return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->name, y->name);
}

static int
is_missing(const struct store_probe *p, const char *name)
{
	char *path;
	int missing;

	if (asprintf(&path, "%s/%s", p->path, name) == -1)
		fatal("out of memory");
	missing = access(path, F_OK) == -1 && errno == ENOENT;
	free(path);
	return missing;
}

static int
try_key(const struct store_probe *p, const char *name, struct reason *why)
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
try_password(const struct store_probe *p, const char *name, struct reason *why)
{
	struct secret *password;
	int r = keystore_password(p->ks, name, &password, why);

	secret_free(&password);
	return r;
}

static int
try_it(const struct store_probe *p, enum keystore_kind kind, const char *name, struct reason *why)
{
	why->text[0] = '\0';
	if (p->closed)
		return is_missing(p, name) ? ERR_NOTFOUND : 0;
	if (p->ks == NULL)
		return keystore_look(p->path, kind, name, why);
	return kind == KEYSTORE_PASSWORD ? try_password(p, name, why) : try_key(p, name, why);
}

int
store_probe_try(struct store_probe *p, enum keystore_kind kind, const char *name, const char **why)
{
	struct tried key = { .kind = kind, .name = strdup(name) }, **found, *t;
	struct reason text;

	if (key.name == NULL)
		fatal("out of memory");
	found = tfind(&key, &p->tried, tried_compare);
	if (found == NULL) {
		key.err = try_it(p, kind, name, &text);
		t = malloc(sizeof(*t));
		if (t == NULL || (key.why = strdup(key.err == 0 ? "" : text.text)) == NULL)
			fatal("out of memory");
		*t = key;
		found = tsearch(t, &p->tried, tried_compare);
		if (found == NULL)
			fatal("out of memory");
	} else {
		free(key.name);
	}
	*why = (*found)->why;
	return (*found)->err;
}

int
store_probe_one(const struct conf_keystore *k, const struct as_user *b, enum keystore_kind kind,
    const char *name, struct reason *why)
{
	struct store_probe store;
	const char *text;
	struct stat st;
	int err;

	if (!as_user_other(b) && geteuid() != 0 &&
	    (stat(k->path, &st) == -1 || st.st_uid != geteuid()))
		return 0;
	err = store_probe_open(&store, k, b, why);
	if (err == 0 && (err = store_probe_try(&store, kind, name, &text)) != 0)
		reason_set(why, "%s", text);
	store_probe_close(&store);
	return err;
}
