/*
 * A tree of directories, one for each login.  Called by the lookup backend "directory" and by
 * access/route_files.c, for the files in such a directory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/login_dir.h"
#include "base/fd.h"

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
