#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"

static int bad(int, char[BENEATH_WHY_SIZE], const char *, ...)
    __attribute__((format(printf, 3, 4)));

static int
bad(int err, char why[BENEATH_WHY_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, BENEATH_WHY_SIZE, fmt, ap);
	va_end(ap);
	return err;
}

/* Is what was opened fit to be trusted?  owner is that of the tree. */
static int
check(int fd, uid_t owner, mode_t type, mode_t refused, const char *path,
    char why[BENEATH_WHY_SIZE])
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return bad(ERR_SYS, why, "%s: %s", path, strerror(errno));
	if ((st.st_mode & S_IFMT) != type)
		return bad(ERR_FORMAT, why, "%s: is not a %s", path,
		    type == S_IFDIR ? "directory" : "regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != owner)
		return bad(ERR_PERM, why,
		    "%s: belongs to user %u, not to root, user %u or the owner of the tree", path,
		    st.st_uid, geteuid());
	if ((st.st_mode & refused) != 0)
		return bad(ERR_PERM, why, "%s: others %s (mode %04o); chmod %s", path,
		    refused == BENEATH_SECRET ? "have access to it" : "may write to it",
		    st.st_mode & 07777, refused == BENEATH_SECRET ? "go=" : "go-w");
	return 0;
}

/* openat2(2), which keeps to what is beneath a directory. */
static int
open_beneath(int at, const char *name, int flags)
{
	struct open_how how = {
		/* a FIFO would be waited for, a terminal would be ours */
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY),
		.mode = (flags & O_CREAT) != 0 ? 0644 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd, tries = 0;

	/* EAGAIN: something was renamed on the way */
	do
		fd = (int)syscall(SYS_openat2, at, name, &how, sizeof(how));
	while (fd == -1 && (errno == EINTR || (errno == EAGAIN && ++tries < 16)));
	return fd;
}

static int
open_failed(const char *path, char why[BENEATH_WHY_SIZE])
{
	switch (errno) {
	case ENOENT:
		return bad(ERR_NOTFOUND, why, "%s: there is no such file", path);
	case EXDEV:
		return bad(ERR_PERM, why, "%s: is a symbolic link that leaves the directory", path);
	case EACCES:
	case EPERM:
		return bad(ERR_PERM, why, "%s: cannot be read by user %u", path, geteuid());
	case ENXIO: /* a socket, or a FIFO to be written to */
		return bad(ERR_FORMAT, why, "%s: is not a regular file", path);
	case ENOTDIR:
		return bad(ERR_FORMAT, why, "%s: is not a directory", path);
	default:
		return bad(ERR_SYS, why, "%s: %s", path, strerror(errno));
	}
}

int
beneath_dir(const char *tree, const char *dir, int *fd, uid_t *owner, char why[BENEATH_WHY_SIZE])
{
	struct stat st;
	int top, r;

	*fd = -1;
	*owner = 0;
	top = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top == -1 || fstat(top, &st) == -1) {
		r = bad(ERR_SYS, why, "%s: %s", tree, strerror(errno));
		goto out;
	}
	*owner = st.st_uid;
	r = check(top, *owner, S_IFDIR, BENEATH_TRUSTED, tree, why);
	if (r != 0)
		goto out;
	*fd = open_beneath(top, dir, O_RDONLY | O_DIRECTORY);
	if (*fd == -1)
		r = open_failed(dir, why);
	else
		r = check(*fd, *owner, S_IFDIR, BENEATH_TRUSTED, dir, why);
	if (r != 0)
		fd_close(fd);
out:
	fd_close(&top);
	return r;
}

int
beneath_open(int dir_fd, uid_t owner, const char *dir, const char *name, int flags, mode_t refused,
    int *fd, char why[BENEATH_WHY_SIZE])
{
	char path[BENEATH_WHY_SIZE / 2];
	int r;

	snprintf(path, sizeof(path), "%.80s/%.40s", dir, name);
	*fd = open_beneath(dir_fd, name, flags);
	if (*fd == -1)
		return open_failed(path, why);
	r = check(*fd, owner, S_IFREG, refused, path, why);
	if (r != 0)
		fd_close(fd);
	return r;
}

int
beneath_read(const char *tree, const char *dir, const char *name, mode_t refused, struct buf *out,
    char why[BENEATH_WHY_SIZE])
{
	int dir_fd, fd, r;
	uid_t owner;

	r = beneath_dir(tree, dir, &dir_fd, &owner, why);
	if (r != 0)
		return r;
	r = beneath_open(dir_fd, owner, dir, name, O_RDONLY, refused, &fd, why);
	fd_close(&dir_fd);
	if (r != 0)
		return r;
	r = fd_read_all(fd, out);
	fd_close(&fd);
	if (r != 0)
		return bad(r, why, "%.80s/%.40s: %s", dir, name,
		    r == ERR_TOOBIG ? "is too large" : err_str(r));
	return 0;
}
