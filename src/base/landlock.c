/*
 * Landlock by its system calls, for which glibc has no functions.  The constants are defined here
 * because the distribution's kernel header may be older than the running kernel.  Called by
 * keeper/confine.c and errand/confine.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/landlock.h"
#include "base/names.h"

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1

/* LANDLOCK_ACCESS_FS_* */
#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_REG (1ULL << 8)
#define FS_REMOVE_AND_MAKE (0x1ff0ULL & ~FS_MAKE_REG) /* bits 4 to 12: all REMOVE_* and MAKE_* */
#define FS_REFER (1ULL << 13)
#define FS_TRUNCATE (1ULL << 14)
#define FS_IOCTL_DEV (1ULL << 15)
/* A rule for anything but a directory may have no other rights. */
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

#define NET_BIND_AND_CONNECT 3ULL
#define SCOPE_ABSTRACT_AND_SIGNAL 3ULL

/* landlock_allow_except(): entries of one directory, each of which takes a rule and some
 * microseconds. */
#define ENTRIES_MAX 4096

/* struct landlock_ruleset_attr; an older kernel takes only its first members. */
struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct path_beneath {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));

struct landlock {
	int fd;
	uint64_t fs; /* the rights to files that are given up */
};

static uint64_t
landlock_fs(unsigned int rights)
{
	static const struct {
		unsigned int right;
		uint64_t fs;
	} table[] = {
		{ LANDLOCK_READ_FILES, FS_READ_FILE },
		{ LANDLOCK_READ_DIRS, FS_READ_DIR },
		{ LANDLOCK_EXECUTE, FS_EXECUTE },
		{ LANDLOCK_WRITE_FILES, FS_WRITE_FILE | FS_MAKE_REG | FS_TRUNCATE },
		{ LANDLOCK_CHANGE_DIRS, FS_REMOVE_AND_MAKE | FS_REFER },
		{ LANDLOCK_IOCTL, FS_IOCTL_DEV },
		{ LANDLOCK_REPLACE_FILES, FS_REMOVE_FILE | FS_MAKE_REG },
	};
	uint64_t fs = 0;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if ((rights & table[i].right) != 0)
			fs |= table[i].fs;
	return fs;
}

/* Take out of r what a Landlock of this version lacks.  Returns the size of r that it accepts. */
static size_t
landlock_offered(int version, struct ruleset *r)
{
	if (version < 2)
		r->fs &= ~FS_REFER;
	if (version < 3)
		r->fs &= ~FS_TRUNCATE;
	if (version < 5)
		r->fs &= ~FS_IOCTL_DEV;
	if (version < 4)
		return offsetof(struct ruleset, net);
	return version < 6 ? offsetof(struct ruleset, scoped) : sizeof(*r);
}

int
landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	return version == -1 ? 0 : (int)version;
}

int
landlock_new(struct landlock **out, unsigned int rights)
{
	struct ruleset r = { .fs = landlock_fs(rights) };
	struct landlock *l;
	int version;
	size_t size;

	*out = NULL;
	if ((rights & LANDLOCK_TCP) != 0)
		r.net = NET_BIND_AND_CONNECT;
	if ((rights & LANDLOCK_REACH) != 0)
		r.scoped = SCOPE_ABSTRACT_AND_SIGNAL;
	version = landlock_version();
	if (version == 0)
		return ERR_SYS;
	size = landlock_offered(version, &r);
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ERR_NOMEM;
	l->fs = r.fs;
	l->fd = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0); /* close-on-exec */
	if (l->fd == -1) {
		landlock_free(&l);
		return ERR_SYS;
	}
	*out = l;
	return 0;
}

void
landlock_free(struct landlock **l)
{
	struct landlock *old = *l;

	*l = NULL;
	if (old == NULL)
		return;
	fd_close(&old->fd);
	free(old);
}

/* Allow rights to one file or directory, opened with O_PATH. */
static int
landlock_add(struct landlock *l, int fd, const struct stat *st, uint64_t fs)
{
	struct path_beneath rule = { fs & l->fs, fd };

	if (!S_ISDIR(st->st_mode))
		rule.access &= FS_OF_FILES;
	if (rule.access == 0)
		return 0;
	return syscall(SYS_landlock_add_rule, l->fd, RULE_PATH_BENEATH, &rule, 0) == -1 ? ERR_SYS :
											  0;
}

int
landlock_allow(struct landlock *l, const char *path, unsigned int rights)
{
	int fd = open(path, O_PATH | O_CLOEXEC), r = ERR_SYS;
	struct stat st;

	if (fd != -1 && fstat(fd, &st) == 0)
		r = landlock_add(l, fd, &st, landlock_fs(rights));
	fd_close(&fd);
	return r;
}

/* --- everything except some paths --- */

/* 1 if path is dir or below it. */
static int
landlock_path_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static int landlock_allow_around(struct landlock *, const char *, char *const *, size_t, uint64_t);

/* Allow one entry of a directory that has an exception below it. */
static int
landlock_allow_entry(struct landlock *l, int dir, const char *path, char *const *except, size_t n,
    uint64_t fs)
{
	struct stat st;
	size_t i;
	int fd, r;

	for (i = 0; i < n; i++)
		if (strcmp(except[i], path) == 0)
			return 0;
	for (i = 0; i < n; i++)
		if (landlock_path_within(except[i], path))
			return landlock_allow_around(l, path, except, n, fs);
	fd = openat(dir, strrchr(path, '/') + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	/* No rule for an entry that cannot be opened with O_PATH, for then it cannot be used
	 * either; nor for a symbolic link, whose target is another entry. */
	r = fd == -1 || fstat(fd, &st) == -1 || S_ISLNK(st.st_mode) ? 0 :
								      landlock_add(l, fd, &st, fs);
	fd_close(&fd);
	return r;
}

/* Do as landlock_allow_around() in a directory that cannot be listed: only the entries that lead to
 * exceptions are looked at, whose names are known. */
static int
landlock_allow_known(struct landlock *l, const char *path, char *const *except, size_t n,
    uint64_t fs)
{
	const size_t len = path[1] == '\0' ? 0 : strlen(path);
	size_t i, next;
	char *name;
	int r = 0;

	for (i = 0; i < n && r == 0; i++) {
		if (!landlock_path_within(except[i], len == 0 ? "" : path))
			continue;
		next = len + 1 + strcspn(except[i] + len + 1, "/");
		name = strndup(except[i], next);
		r = name == NULL ? ERR_NOMEM : landlock_allow_entry(l, -1, name, except, n, fs);
		free(name);
	}
	return r;
}

/* Allow all entries of a directory that has exceptions below it, except those. */
static int
landlock_allow_around(struct landlock *l, const char *path, char *const *except, size_t n,
    uint64_t fs)
{
	DIR *dir = opendir(path);
	size_t entries = 0;
	struct dirent *e;
	char *name;
	int r = 0;

	if (dir == NULL)
		return errno == EACCES ? landlock_allow_known(l, path, except, n, fs) : ERR_SYS;
	while (r == 0 && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (++entries > ENTRIES_MAX) {
			r = ERR_TOOBIG;
		} else if (asprintf(&name, "%s/%s", path[1] == '\0' ? "" : path, e->d_name) == -1) {
			r = ERR_NOMEM;
		} else {
			r = landlock_allow_entry(l, dirfd(dir), name, except, n, fs);
			free(name);
		}
	}
	closedir(dir);
	return r;
}

int
landlock_allow_except(struct landlock *l, const char *const *paths, size_t n, unsigned int rights)
{
	char **except = calloc(n + 1, sizeof(*except));
	size_t i, found = 0;
	int r;

	if (except == NULL)
		return ERR_NOMEM;
	for (i = 0; i < n; i++) {
		except[found] = realpath(paths[i], NULL);
		if (except[found] != NULL)
			found++;
	}
	r = found == 0 ? landlock_allow(l, "/", rights) :
			 landlock_allow_around(l, "/", except, found, landlock_fs(rights));
	for (i = 0; i < found; i++)
		free(except[i]);
	free(except);
	return r;
}

int
landlock_enter(const struct landlock *l)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    syscall(SYS_landlock_restrict_self, l->fd, 0) == -1)
		return ERR_SYS;
	return 0;
}

int
landlock_denies_write(const char *path)
{
	char *dir;
	int r = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS);

	if (r == -1 && errno == ENOENT) {
		dir = path_dir(path);
		r = dir == NULL ? -1 : faccessat(AT_FDCWD, dir, W_OK, AT_EACCESS);
		free(dir);
	}
	return r == 0;
}
