/*
 * Records of the state directory: reading them, and replacing them under a lock.  Called by the
 * keeper's factors and certificates, and by subcommands.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/names.h"
#include "state/state.h"
#include "state/state_private.h"

#define NAMES_MAX 100000 /* records of a kind: one for each user of a large gateway */

/* --- opening --- */

static int
state_open_kinds(const struct state *st, struct reason *why)
{
	struct kind_dir d;
	size_t i;
	int r;

	for (i = 0; state_kind(i) != NULL; i++) {
		r = kind_dir_open(st, state_kind(i), 1, &d, why);
		if (r != 0)
			return r;
		kind_dir_remove_temps(&d);
		kind_dir_close(&d);
	}
	return 0;
}

int
state_open(const char *path, int create, struct state **out, struct reason *why)
{
	struct secret_dir top = { .fd = -1 };
	struct state *st = calloc(1, sizeof(*st));
	int r;

	*out = NULL;
	if (st == NULL || (st->path = strdup(path)) == NULL) {
		reason_set(why, "%s: out of memory", path);
		r = ERR_NOMEM;
		goto out;
	}
	st->refs = 1;
	st->block_used = STATE_BLOCK;
	if (create && (r = kind_dir_make(path, NULL)) != 0) {
		reason_set(why, "%s: cannot be made: %s; run: install -d -m 700 -o %u %s", path,
		    strerror(errno), geteuid(), path);
		goto out;
	}
	r = secret_dir_open(path, &top, why);
	if (r == 0 && create)
		r = state_open_kinds(st, why);
	if (r == 0) {
		*out = st;
		st = NULL;
	}
out:
	secret_dir_close(&top);
	state_free(&st);
	return r;
}

struct state *
state_ref(struct state *st)
{
	st->refs++;
	return st;
}

void
state_free(struct state **st)
{
	struct state *old = *st;

	*st = NULL;
	if (old == NULL || (old->refs > 0 && --old->refs > 0))
		return;
	free(old->path);
	free(old);
}

const char *
state_path(const struct state *st)
{
	return st->path;
}

/* --- records --- */

/* Is it a kind and a name that there can be?  A bug, not a user's mistake, if it is not. */
static int
state_names_ok(const char *kind, const char *name, struct reason *why)
{
	size_t i;

	for (i = 0; state_kind(i) != NULL && strcmp(state_kind(i), kind) != 0; i++)
		;
	if (state_kind(i) == NULL) {
		reason_set(why, "there are no records \"%s\"", kind);
		return ERR_BADSTATE;
	}
	return key_name_check(name, why);
}

/* Take the first line off a record, and see that the others are lines. */
static int
state_unwrap(const struct kind_dir *d, const char *kind, const char *name, struct buf *b,
    struct reason *why)
{
	struct bytes rest, word, value;
	char first[64];
	size_t len;
	int r;

	len = (size_t)snprintf(first, sizeof(first), "sallyport-%s 1\n", kind);
	if (b->len < len || memcmp(b->data, first, len) != 0) {
		reason_set(why,
		    "%s/%s: does not begin with \"sallyport-%s 1\": it is damaged, or of a later "
		    "version of sallyport",
		    d->path, name, kind);
		return ERR_FORMAT;
	}
	buf_consume(b, len);
	rest = buf_bytes(b);
	while ((r = state_line(&rest, &word, &value)) == 1)
		;
	if (r != 0)
		reason_set(why, "%s/%s: has a line that is not \"word value\": it is damaged",
		    d->path, name);
	return r;
}

static int
state_load(const struct kind_dir *d, const char *kind, const char *name, struct buf *b,
    struct reason *why)
{
	int r = secret_file_read(&d->dir, name, 077, b, why);

	return r != 0 ? r : state_unwrap(d, kind, name, b, why);
}

/* The same, but damaged content is the text "damaged". */
static int
state_load_anyway(const struct kind_dir *d, const char *kind, const char *name, struct buf *b,
    struct reason *why)
{
	int r = secret_file_read(&d->dir, name, 077, b, why);

	if (r == 0 && state_unwrap(d, kind, name, b, why) != 0) {
		buf_reset(b);
		buf_putf(b, "damaged");
		r = buf_err(b);
	}
	return r;
}

typedef int state_loader(const struct kind_dir *d, const char *kind, const char *name,
    struct buf *b, struct reason *why);

int
state_read(struct state *st, const char *kind, const char *name, struct buf *out,
    struct reason *why)
{
	struct kind_dir d;
	struct buf b;
	int r;

	r = state_names_ok(kind, name, why);
	if (r == 0)
		r = kind_dir_open(st, kind, 0, &d, why);
	if (r != 0)
		return r;
	buf_init(&b, STATE_RECORD_MAX);
	r = state_load(&d, kind, name, &b, why);
	if (r == 0) {
		buf_put(out, b.data, b.len);
		r = buf_err(out);
		if (r != 0)
			reason_set(why, "%s/%s: %s", d.path, name, err_str(r));
	}
	buf_wipe(&b);
	kind_dir_close(&d);
	return r;
}

/* Have what changed in the directory on disk. */
static int
state_sync(const struct kind_dir *d, struct reason *why)
{
	if (fsync(d->dir.fd) == 0 || errno == EINVAL) /* a file system that has no such promise */
		return 0;
	reason_set(why, "%s: cannot be synchronized: %s", d->path, strerror(errno));
	return ERR_SYS;
}

static int
state_store(const struct kind_dir *d, const char *kind, const char *name, const struct buf *b,
    struct reason *why)
{
	struct buf file;
	int r;

	if (b->len == 0) {
		if (unlinkat(d->dir.fd, name, 0) == -1 && errno != ENOENT) {
			reason_set(why, "%s/%s: cannot be removed: %s", d->path, name,
			    strerror(errno));
			return ERR_SYS;
		}
		return state_sync(d, why);
	}
	buf_init(&file, STATE_RECORD_MAX);
	buf_putf(&file, "sallyport-%s 1\n", kind);
	buf_put(&file, b->data, b->len);
	r = buf_err(b) != 0 ? buf_err(b) : buf_err(&file);
	if (r != 0)
		reason_set(why, "%s/%s: %s", d->path, name, err_str(r));
	else
		r = secret_file_write(&d->dir, name, file.data, file.len, 0600, 1, why);
	buf_wipe(&file);
	return r != 0 ? r : state_sync(d, why);
}

static int
state_change(struct state *st, const char *kind, const char *name, state_loader *load,
    int (*change)(void *ctx, struct buf *record), void *ctx, struct reason *why)
{
	struct kind_dir d;
	struct buf b;
	int lock = -1, r;

	r = state_names_ok(kind, name, why);
	if (r == 0)
		r = kind_dir_open(st, kind, 1, &d, why);
	if (r != 0)
		return r;
	buf_init(&b, STATE_RECORD_MAX);
	r = kind_dir_lock(&d, &lock, why);
	if (r == 0)
		r = load(&d, kind, name, &b, why);
	if (r == ERR_NOTFOUND)
		r = 0;
	if (r == 0)
		r = change(ctx, &b);
	if (r == 0)
		r = state_store(&d, kind, name, &b, why);
	fd_close(&lock);
	buf_wipe(&b);
	kind_dir_close(&d);
	return r;
}

int
state_update(struct state *st, const char *kind, const char *name,
    int (*change)(void *ctx, struct buf *record), void *ctx, struct reason *why)
{
	return state_change(st, kind, name, state_load, change, ctx, why);
}

int
state_repair(struct state *st, const char *kind, const char *name,
    int (*change)(void *ctx, struct buf *record), void *ctx, struct reason *why)
{
	return state_change(st, kind, name, state_load_anyway, change, ctx, why);
}

static int
state_name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
state_list(struct state *st, const char *kind, struct strlist *names, struct reason *why)
{
	const size_t before = names->n;
	const struct dirent *e;
	struct kind_dir d;
	DIR *list;
	int r;

	r = state_names_ok(kind, "x", why);
	if (r == 0)
		r = kind_dir_open(st, kind, 0, &d, why);
	if (r != 0)
		return r == ERR_NOTFOUND ? 0 : r;
	list = opendir(d.path);
	if (list == NULL) {
		reason_set(why, "%s: %s", d.path, strerror(errno));
		r = ERR_SYS;
	}
	while (r == 0 && (e = readdir(list)) != NULL) {
		if (!key_name_ok(e->d_name))
			continue;
		r = names->n - before < NAMES_MAX ?
		    strlist_add(names, e->d_name, strlen(e->d_name)) :
		    ERR_TOOBIG;
		if (r != 0)
			reason_set(why, "%s: %s", d.path, err_str(r));
	}
	if (list != NULL)
		closedir(list);
	if (names->n > before)
		qsort(names->v + before, names->n - before, sizeof(*names->v), state_name_order);
	kind_dir_close(&d);
	return r;
}

int
state_check(struct state *st, struct reason *why)
{
	char temp[SECRET_FILE_TEMP_SIZE];
	struct kind_dir d;
	size_t i;
	int r = 0;

	for (i = 0; state_kind(i) != NULL && r == 0; i++) {
		r = kind_dir_open(st, state_kind(i), 0, &d, why);
		if (r != 0)
			return r;
		r = secret_file_stage(&d.dir, "x", 1, 0600, temp, why);
		if (r == 0)
			(void)unlinkat(d.dir.fd, temp, 0);
		kind_dir_close(&d);
	}
	return r;
}
