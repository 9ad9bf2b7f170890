/*
 * Reading and writing files that hold secrets, for the key store, for what unlocks it,
 * and for the state directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/access_hint.h"
#include "base/fd.h"
#include "base/secret_file.h"

static int
secret_owner_ok(uid_t uid, uid_t dir_uid)
{
	uid_t us = geteuid();

	return uid == 0 || uid == us || (us == 0 && uid == dir_uid);
}

/* name: a file in the directory, or "". */
static void
secret_not_ours(const char *dir, const char *name, const struct stat *st, const char *chown,
    struct reason *why)
{
	const char *slash = name[0] == '\0' ? "" : "/";

	if (access_hint_instead() != NULL)
		reason_set(why, "%s%s%s: belongs to user %u, not to root or user %u: %s", dir,
		    slash, name, st->st_uid, geteuid(), access_hint_instead());
	else
		reason_set(why,
		    "%s%s%s: belongs to user %u, not to root or user %u; run: %s %u %s%s%s", dir,
		    slash, name, st->st_uid, geteuid(), chown, geteuid(), dir, slash, name);
}

int
secret_dir_open(const char *path, struct secret_dir *dir, struct reason *why)
{
	struct reason closed;
	struct stat st;

	*dir = (struct secret_dir){ .fd = -1, .path = path };
	dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd == -1 && errno == ENOENT) {
		reason_set(why, "%s: there is no such directory", path);
		return ERR_NOTFOUND;
	}
	if (dir->fd == -1 && errno == EACCES) {
		if (access_hint(path, R_OK | X_OK, &closed) || access_hint_instead() != NULL)
			reason_set(why, "%s: %s", path, closed.text);
		else
			reason_set(why,
			    "%s: user %u, who uses it, cannot open it; run: chown -R %u %s", path,
			    geteuid(), geteuid(), path);
		return ERR_PERM;
	}
	if (dir->fd == -1 || fstat(dir->fd, &st) == -1) {
		reason_set(why, "%s: %s", path, strerror(errno));
		fd_close(&dir->fd);
		return ERR_SYS;
	}
	if (!secret_owner_ok(st.st_uid, st.st_uid)) {
		secret_not_ours(path, "", &st, "chown -R", why);
		fd_close(&dir->fd);
		return ERR_PERM;
	}
	/* In a sticky directory only the owner of a file can replace it. */
	if ((st.st_mode & 022) != 0 && (st.st_mode & S_ISVTX) == 0) {
		reason_set(why, "%s: others may write to it (mode %04o); run: chmod go-w %s", path,
		    st.st_mode & 07777, path);
		fd_close(&dir->fd);
		return ERR_PERM;
	}
	dir->uid = st.st_uid;
	dir->gid = st.st_gid;
	return 0;
}

void
secret_dir_close(struct secret_dir *dir)
{
	fd_close(&dir->fd);
}

static int
secret_file_check(const struct secret_dir *dir, const char *name, const struct stat *st,
    mode_t refused, size_t max, struct reason *why)
{
	if (!S_ISREG(st->st_mode)) {
		reason_set(why, "%s/%s: is not a regular file; remove it", dir->path, name);
		return ERR_FORMAT;
	}
	if (!secret_owner_ok(st->st_uid, dir->uid)) {
		secret_not_ours(dir->path, name, st, "chown", why);
		return ERR_PERM;
	}
	if ((st->st_mode & refused) != 0) {
		reason_set(why, "%s/%s: others have access to it (mode %04o); run: chmod 600 %s/%s",
		    dir->path, name, st->st_mode & 07777, dir->path, name);
		return ERR_PERM;
	}
	if (st->st_size > (off_t)max) {
		reason_set(why, "%s/%s: is larger than %zu bytes, so it is not sallyport's",
		    dir->path, name, max);
		return ERR_TOOBIG;
	}
	return 0;
}

static int
secret_file_open(const struct secret_dir *dir, const char *name, int *fd, struct reason *why)
{
	struct stat st;

	/* O_NONBLOCK: opening a FIFO would otherwise wait for a writer. */
	*fd = openat(dir->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (*fd != -1)
		return 0;
	switch (errno) {
	case ENOENT:
		reason_set(why, "%s/%s: there is no such file", dir->path, name);
		return ERR_NOTFOUND;
	case ELOOP:
		reason_set(why,
		    "%s/%s: is a symbolic link, which is never followed; put the file itself there",
		    dir->path, name);
		return ERR_FORMAT;
	case ENXIO: /* a socket */
		reason_set(why, "%s/%s: is not a regular file; remove it", dir->path, name);
		return ERR_FORMAT;
	case EACCES:
	case EPERM:
		if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == geteuid())
			reason_set(why,
			    "%s/%s: its owner, user %u, cannot read it; run: chmod 600 %s/%s",
			    dir->path, name, geteuid(), dir->path, name);
		else if (access_hint_instead() != NULL)
			reason_set(why, "%s/%s: cannot be read by user %u: %s", dir->path, name,
			    geteuid(), access_hint_instead());
		else
			reason_set(why, "%s/%s: cannot be read by user %u; run: chown %u %s/%s",
			    dir->path, name, geteuid(), geteuid(), dir->path, name);
		return ERR_PERM;
	default:
		reason_set(why, "%s/%s: %s", dir->path, name, strerror(errno));
		return ERR_SYS;
	}
}

int
secret_file_read(const struct secret_dir *dir, const char *name, mode_t refused, struct buf *out,
    struct reason *why)
{
	struct stat st;
	int fd, r;

	if ((r = secret_file_open(dir, name, &fd, why)) != 0)
		return r;
	if (fstat(fd, &st) == -1) {
		reason_set(why, "%s/%s: %s", dir->path, name, strerror(errno));
		r = ERR_SYS;
	} else {
		r = secret_file_check(dir, name, &st, refused, out->max, why);
	}
	if (r == 0 && (r = fd_read_all(fd, out)) != 0)
		reason_set(why, "%s/%s: %s", dir->path, name, err_str(r));
	fd_close(&fd);
	return r;
}

/* Write the bytes, the mode and the owner to disk. */
static int
secret_file_fill(const struct secret_dir *dir, int fd, const void *p, size_t len, mode_t mode)
{
	int r;

	if (fchmod(fd, mode) == -1)
		return ERR_SYS;
	if (geteuid() == 0 && dir->uid != 0 && fchown(fd, dir->uid, dir->gid) == -1)
		return ERR_SYS;
	if ((r = fd_write_all(fd, p, len)) != 0)
		return r;
	return fsync(fd) == -1 ? ERR_SYS : 0;
}

int
secret_file_stage(const struct secret_dir *dir, const void *p, size_t len, mode_t mode,
    char temp[SECRET_FILE_TEMP_SIZE], struct reason *why)
{
	int fd, r;

	/* It starts with a dot, which no name of a key does. */
	snprintf(temp, SECRET_FILE_TEMP_SIZE, ".new-%08x%08x", randombytes_random(),
	    randombytes_random());
	fd = openat(dir->fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1) {
		reason_set(why, "%s: cannot make a file there: %s", dir->path, strerror(errno));
		return ERR_SYS;
	}
	r = secret_file_fill(dir, fd, p, len, mode);
	if (close(fd) == -1 && r == 0)
		r = ERR_SYS;
	if (r != 0) {
		reason_set(why, "%s: cannot write a file there: %s", dir->path, strerror(errno));
		unlinkat(dir->fd, temp, 0);
	}
	return r;
}

/* Rename a file, unless the new name is taken. */
static int
secret_file_rename(int dirfd, const char *from, const char *to)
{
	if (renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* Not every file system has renameat2(2) with flags. */
	if (linkat(dirfd, from, dirfd, to, 0) == -1)
		return -1;
	unlinkat(dirfd, from, 0);
	return 0;
}

int
secret_file_place(const struct secret_dir *dir, const char *temp, const char *name, int replace,
    struct reason *why)
{
	int r, err;

	if (replace)
		r = renameat(dir->fd, temp, dir->fd, name);
	else
		r = secret_file_rename(dir->fd, temp, name);
	if (r == -1) {
		err = errno;
		unlinkat(dir->fd, temp, 0);
		if (err == EEXIST) {
			reason_set(why, "%s/%s: already exists", dir->path, name);
			return ERR_EXISTS;
		}
		reason_set(why, "%s/%s: %s", dir->path, name, strerror(err));
		errno = err;
		return ERR_SYS;
	}
	/* The content is on disk already.  That the name outlives a power cut is more than
	 * some file systems promise, so that a failure here is none. */
	(void)fsync(dir->fd);
	return 0;
}

int
secret_file_write(const struct secret_dir *dir, const char *name, const void *p, size_t len,
    mode_t mode, int replace, struct reason *why)
{
	char temp[SECRET_FILE_TEMP_SIZE];
	int r;

	if ((r = secret_file_stage(dir, p, len, mode, temp, why)) != 0)
		return r;
	return secret_file_place(dir, temp, name, replace, why);
}
