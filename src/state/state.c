/*
 * Records of the state directory: reading them, and replacing them under a lock.  Called by the
 * keeper's factors and certificates, and by subcommands.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/names.h"
#include "base/secret_file.h"
#include "state/state.h"
#include "state/state_private.h"

/* A change takes some milliseconds.  The keeper waits no longer: its other logins wait with it. */
#define LOCK_WAIT_MS 2000
#define LOCK_POLL_US 2000
#define LOCK_NAME ".lock"
#define TEMP_PREFIX ".new-" /* of secret_file_stage() */
#define NAMES_MAX 100000    /* records of a kind: one for each user of a large gateway */

static const char *const state_kinds[] = { "serial", "totp", "revoked" };

#define N_KINDS (sizeof(state_kinds) / sizeof(state_kinds[0]))

const char *
state_kind(size_t i)
{
	return i < N_KINDS ? state_kinds[i] : NULL;
}

/* The directory of a kind, open. */
struct kind_dir {
	char *path;
	struct secret_dir dir;
};

static void
kind_dir_close(struct kind_dir *d)
{
	secret_dir_close(&d->dir);
	free(d->path);
	*d = (struct kind_dir){ .dir.fd = -1 };
}

/* Make a directory, which belongs to the owner of the directory that it is in.  0 or ERR_SYS. */
static int
kind_dir_make(const char *path, const struct secret_dir *in)
{
	int fd, r = 0;

	if (mkdir(path, 0700) == -1)
		return errno == EEXIST ? 0 : ERR_SYS;
	if (in == NULL || geteuid() != 0 || in->uid == 0)
		return 0;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fchown(fd, in->uid, in->gid) == -1)
		r = ERR_SYS;
	fd_close(&fd);
	return r;
}

/* secret_dir_open() follows a link and takes a directory that others can read; a kind's may be
 * neither. */
static int
kind_dir_check(const struct kind_dir *d, struct reason *why)
{
	struct stat st;

	if (lstat(d->path, &st) == -1) {
		reason_set(why, "%s: %s", d->path, strerror(errno));
		return ERR_SYS;
	}
	if (!S_ISDIR(st.st_mode)) {
		reason_set(why, "%s: is not a directory; remove it", d->path);
		return ERR_FORMAT;
	}
	if ((st.st_mode & 077) != 0) {
		reason_set(why, "%s: others have access to it (mode %04o); run: chmod 700 %s",
		    d->path, st.st_mode & 07777, d->path);
		return ERR_PERM;
	}
	return 0;
}

static int
kind_dir_open(const struct state *st, const char *kind, int create, struct kind_dir *d,
    struct reason *why)
{
	struct secret_dir top;
	int r;

	*d = (struct kind_dir){ .dir.fd = -1 };
	if (asprintf(&d->path, "%s/%s", st->path, kind) == -1) {
		d->path = NULL;
		reason_set(why, "out of memory");
		return ERR_NOMEM;
	}
	if (create && access(d->path, F_OK) == -1) {
		r = secret_dir_open(st->path, &top, why);
		if (r == 0 && (r = kind_dir_make(d->path, &top)) != 0)
			reason_set(why, "%s: cannot be made: %s", d->path, strerror(errno));
		secret_dir_close(&top);
		if (r != 0)
			goto fail;
	}
	r = secret_dir_open(d->path, &d->dir, why);
	if (r == 0)
		r = kind_dir_check(d, why);
	if (r == 0)
		return 0;
fail:
	kind_dir_close(d);
	return r;
}

/* --- the lock --- */

/* Wait for the lock of a kind's directory, whose holder has it for one change.  *fd is the
 * caller's, who closes it to give the lock back. */
static int
state_lock(const struct kind_dir *d, int *fd, struct reason *why)
{
	const int64_t deadline = clock_ms() + LOCK_WAIT_MS;

	*fd = openat(d->dir.fd, LOCK_NAME,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (*fd == -1 ||
	    (geteuid() == 0 && d->dir.uid != 0 && fchown(*fd, d->dir.uid, d->dir.gid) == -1)) {
		reason_set(why, "%s/" LOCK_NAME ": %s", d->path, strerror(errno));
		fd_close(fd);
		return ERR_SYS;
	}
	while (flock(*fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			reason_set(why, "%s/" LOCK_NAME ": %s", d->path, strerror(errno));
			fd_close(fd);
			return ERR_SYS;
		}
		if (clock_ms() >= deadline) {
			reason_set(why,
			    "%s/" LOCK_NAME ": another process has held this lock for %d seconds; "
			    "find it with fuser(1)",
			    d->path, LOCK_WAIT_MS / 1000);
			fd_close(fd);
			return ERR_TIMEOUT;
		}
		usleep(LOCK_POLL_US);
	}
	return 0;
}

/* Remove what a killed process left half-written. */
static void
state_remove_temps(const struct kind_dir *d)
{
	const struct dirent *e;
	struct reason why;
	DIR *list;
	int lock;

	if (state_lock(d, &lock, &why) != 0)
		return; /* they do no harm */
	list = opendir(d->path);
	while (list != NULL && (e = readdir(list)) != NULL)
		if (strncmp(e->d_name, TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0)
			(void)unlinkat(d->dir.fd, e->d_name, 0);
	if (list != NULL)
		closedir(list);
	fd_close(&lock);
}

/* --- opening --- */

static int
state_open_kinds(const struct state *st, struct reason *why)
{
	struct kind_dir d;
	size_t i;
	int r;

	for (i = 0; i < N_KINDS; i++) {
		r = kind_dir_open(st, state_kinds[i], 1, &d, why);
		if (r != 0)
			return r;
		state_remove_temps(&d);
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

	for (i = 0; i < N_KINDS && strcmp(state_kinds[i], kind) != 0; i++)
		;
	if (i == N_KINDS) {
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

int
state_update(struct state *st, const char *kind, const char *name,
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
	r = state_lock(&d, &lock, why);
	if (r == 0)
		r = state_load(&d, kind, name, &b, why);
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

	for (i = 0; i < N_KINDS && r == 0; i++) {
		r = kind_dir_open(st, state_kinds[i], 0, &d, why);
		if (r != 0)
			return r;
		r = secret_file_stage(&d.dir, "x", 1, 0600, temp, why);
		if (r == 0)
			(void)unlinkat(d.dir.fd, temp, 0);
		kind_dir_close(&d);
	}
	return r;
}
