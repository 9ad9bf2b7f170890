/*
 * A tree of directories, one for each login.  Called by the lookup backend "directory" and by
 * access/route_files.c, for the files in such a directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/login_dir.h"
#include "base/fd.h"
#include "base/strlist.h"

int
login_dir_open(const struct safe_path_rule *rule, const char *tree, const char *name,
    struct login_dir *dir, struct reason *why)
{
	int top, r;

	*dir = (struct login_dir){ .fd = -1, .rule = *rule };
	r = safe_path_open(rule, tree, O_PATH | O_DIRECTORY, SAFE_PATH_TRUSTED, &top, why);
	if (r != 0)
		return r == ERR_NOTFOUND ? ERR_SYS : r;
	if (asprintf(&dir->path, "%s/%s", tree, name) == -1) {
		dir->path = NULL;
		reason_set(why, "%.400s: %s", tree, err_str(ERR_NOMEM));
		r = ERR_NOMEM;
	} else {
		r = safe_path_beneath(&dir->rule, top, tree, name, O_RDONLY | O_DIRECTORY,
		    SAFE_PATH_TRUSTED, &dir->fd, why);
	}
	fd_close(&top);
	if (r != 0)
		login_dir_close(dir);
	return r;
}

void
login_dir_close(struct login_dir *dir)
{
	fd_close(&dir->fd);
	free(dir->path);
	dir->path = NULL;
}

int
login_dir_file_open(const struct login_dir *dir, const char *name, int flags, mode_t refused,
    int *fd, struct reason *why)
{
	return safe_path_beneath(&dir->rule, dir->fd, dir->path, name, flags, refused, fd, why);
}

static int
login_dir_filter(const struct dirent *d)
{
	return d->d_name[0] != '.' && (d->d_type == DT_DIR || d->d_type == DT_UNKNOWN);
}

static int
login_dir_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in it that may be those of directories, sorted.  (musl has no scandirat(3).) */
static int
login_dir_names(const struct login_dir *dir, struct strlist *names)
{
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int r = 0;

	if (d == NULL) {
		fd_close(&fd);
		return ERR_SYS;
	}
	while (r == 0 && (entry = readdir(d)) != NULL)
		if (login_dir_filter(entry))
			r = strlist_add(names, entry->d_name, strlen(entry->d_name));
	closedir(d);
	if (names->n > 0)
		qsort(names->v, names->n, sizeof(*names->v), login_dir_order);
	return r;
}

struct login_dir_walk {
	login_dir_visit *visit;
	void *ctx;
	unsigned int n;
	struct reason *why;
};

static int login_dir_enter(struct login_dir_walk *w, const struct login_dir *parent,
    const char *name, const char *entry, int depth);

/* Visit an open directory and those in it. */
static int
login_dir_descend(struct login_dir_walk *w, const struct login_dir *dir, const char *name,
    int depth)
{
	struct strlist names = { NULL, 0 };
	struct stat st;
	size_t i;
	int r;

	if (depth > LOGIN_DIR_DEPTH || w->n++ == LOGIN_DIR_MAX) {
		reason_set(w->why,
		    "%.400s: a login can have at most %d directories, %d deep: use [route "
		    "LOGIN/LABEL] with MatchFingerprint, or a lookup program",
		    dir->path, LOGIN_DIR_MAX, LOGIN_DIR_DEPTH);
		return ERR_TOOBIG;
	}
	r = w->visit(w->ctx, dir, name);
	if (r != 0)
		return r;
	r = login_dir_names(dir, &names);
	if (r == ERR_SYS) {
		if (w->why->text[0] == '\0')
			reason_set(w->why, "%.400s: %s", dir->path, strerror(errno));
		r = 0;
	}
	for (i = 0; i < names.n && r == 0; i++)
		if (fstatat(dir->fd, names.v[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode))
			r = login_dir_enter(w, dir, name, names.v[i], depth + 1);
	strlist_free(&names);
	return r;
}

/* Open the directory entry in its parent, and visit it. */
static int
login_dir_enter(struct login_dir_walk *w, const struct login_dir *parent, const char *name,
    const char *entry, int depth)
{
	struct login_dir dir = { .fd = -1, .rule = parent->rule };
	struct reason unused;
	char *below = NULL;
	int r;

	if (asprintf(&dir.path, "%s/%s", parent->path, entry) == -1)
		dir.path = NULL;
	if (dir.path == NULL || asprintf(&below, "%s/%s", name, entry) == -1) {
		login_dir_close(&dir);
		return ERR_NOMEM;
	}
	r = login_dir_file_open(parent, entry, O_RDONLY | O_DIRECTORY, SAFE_PATH_TRUSTED, &dir.fd,
	    &unused);
	if (r == 0) {
		r = login_dir_descend(w, &dir, below, depth);
	} else {
		if (w->why->text[0] == '\0')
			*w->why = unused;
		r = 0;
	}
	login_dir_close(&dir);
	free(below);
	return r;
}

int
login_dir_walk(const struct safe_path_rule *rule, const char *tree, const char *name,
    login_dir_visit *visit, void *ctx, struct reason *why)
{
	struct login_dir_walk w = { .visit = visit, .ctx = ctx, .why = why };
	struct login_dir dir;
	int r;

	r = login_dir_open(rule, tree, name, &dir, why);
	if (r != 0)
		return r;
	why->text[0] = '\0';
	r = login_dir_descend(&w, &dir, name, 0);
	login_dir_close(&dir);
	return r;
}

int
login_dir_file_read(const struct safe_path_rule *rule, const char *tree, const char *name,
    const char *file, mode_t refused, struct buf *out, struct reason *why)
{
	struct login_dir dir;
	int fd, r;

	r = login_dir_open(rule, tree, name, &dir, why);
	if (r != 0)
		return r;
	r = login_dir_file_open(&dir, file, O_RDONLY, refused, &fd, why);
	if (r == 0 && (r = fd_read_all(fd, out)) != 0) {
		reason_set(why, "%.400s/%.200s: %s", dir.path, file,
		    r == ERR_TOOBIG ? "is too large" : err_str(r));
	}
	fd_close(&fd);
	login_dir_close(&dir);
	return r;
}
