/*
 * The directory of one kind of records: opening it, and its lock.  Called by state.c.
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
#include "state/state_private.h"

/* A change takes some milliseconds.  The keeper waits no longer: its other logins wait with it. */
#define LOCK_WAIT_MS 2000
#define LOCK_POLL_US 2000
#define LOCK_NAME ".lock"
#define TEMP_PREFIX ".new-" /* of secret_file_stage() */

static const char *const state_kinds[] = { "serial", "totp", "revoked" };

#define N_KINDS (sizeof(state_kinds) / sizeof(state_kinds[0]))

const char *
state_kind(size_t i)
{
	return i < N_KINDS ? state_kinds[i] : NULL;
}

void
kind_dir_close(struct kind_dir *d)
{
	secret_dir_close(&d->dir);
	free(d->path);
	*d = (struct kind_dir){ .dir.fd = -1 };
}

int
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

int
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
			reason_set(why,
			    "%s: cannot be made: %s; name another StateDirectory, which is user "
			    "%u's own",
			    d->path, strerror(errno), geteuid());
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

/* Open the lock's file, or make it.  What root makes belongs to the owner of the directory; a hard link to another
 * file of root's, which that owner may have put there, must not. */
static int
kind_dir_lock_open(const struct kind_dir *d, int *fd, struct reason *why)
{
	struct stat st;

	*fd = openat(d->dir.fd, LOCK_NAME,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (*fd == -1 || fstat(*fd, &st) == -1) {
		reason_set(why, "%s/" LOCK_NAME ": %s", d->path, strerror(errno));
		goto fail;
	}
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1) {
		reason_set(why, "%s/" LOCK_NAME ": is not a file of its own; remove it", d->path);
		fd_close(fd);
		return ERR_PERM;
	}
	if (geteuid() != 0 || st.st_uid == d->dir.uid || fchown(*fd, d->dir.uid, d->dir.gid) == 0)
		return 0;
	reason_set(why, "%s/" LOCK_NAME ": %s", d->path, strerror(errno));
fail:
	fd_close(fd);
	return ERR_SYS;
}

int
kind_dir_lock(const struct kind_dir *d, int *fd, struct reason *why)
{
	const int64_t deadline = clock_ms() + LOCK_WAIT_MS;
	int r;

	if ((r = kind_dir_lock_open(d, fd, why)) != 0)
		return r;
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

void
kind_dir_remove_temps(const struct kind_dir *d)
{
	const struct dirent *e;
	struct reason why;
	DIR *list;
	int lock;

	if (kind_dir_lock(d, &lock, &why) != 0)
		return; /* they do no harm */
	list = opendir(d->path);
	while (list != NULL && (e = readdir(list)) != NULL)
		if (strncmp(e->d_name, TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0)
			(void)unlinkat(d->dir.fd, e->d_name, 0);
	if (list != NULL)
		closedir(list);
	fd_close(&lock);
}
