/*
 * These functions take the place of the C library's in the tests of this directory.
 */
#undef _FORTIFY_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faults.h"

static enum faults kind;
static unsigned int at, seen;
static const char *last = "";

void
faults_set(enum faults what, unsigned int number)
{
	kind = what;
	at = number;
	seen = 0;
	last = "";
}

unsigned int
faults_seen(void)
{
	return seen;
}

const char *
faults_name(void)
{
	return last;
}

/* Before a call: 1 if it shall fail. */
static int
faults_before(const char *name)
{
	if (++seen != at || kind == FAULTS_SHORT_WRITE)
		return 0;
	if (kind == FAULTS_DIE)
		_exit(FAULTS_DEAD);
	if (kind != FAULTS_FAIL)
		return 0;
	last = name;
	errno = ENOSPC;
	return 1;
}

static long
faults_after(long result)
{
	if (seen == at && kind == FAULTS_DIE_AFTER)
		_exit(FAULTS_DEAD);
	return result;
}

#define FAULTS_CALL(...) (faults_before(__func__) ? -1 : faults_after(syscall(__VA_ARGS__)))

int
openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if ((flags & O_CREAT) == 0)
		return (int)syscall(SYS_openat, dir, path, flags);
	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return (int)FAULTS_CALL(SYS_openat, dir, path, flags, mode);
}

ssize_t
write(int fd, const void *p, size_t len)
{
	if (fd <= 2)
		return syscall(SYS_write, fd, p, len);
	return FAULTS_CALL(SYS_write, fd, p, kind == FAULTS_SHORT_WRITE && len > 1 ? 1 : len);
}

int
fchmod(int fd, mode_t mode)
{
	return (int)FAULTS_CALL(SYS_fchmod, fd, mode);
}

int
fsync(int fd)
{
	return (int)FAULTS_CALL(SYS_fsync, fd);
}

int
flock(int fd, int how)
{
	return (int)FAULTS_CALL(SYS_flock, fd, how);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return (int)FAULTS_CALL(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int
unlinkat(int dir, const char *path, int flags)
{
	return (int)FAULTS_CALL(SYS_unlinkat, dir, path, flags);
}
