/*
 * Listing a directory tree of logins, for check_tree.c and route_list.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/access_hint.h"
#include "base/names.h"
#include "cli/each_login.h"

/* Made by mkfs in the root of a file system. */
#define LOST_AND_FOUND "lost+found"

static int
each_login_is(DIR *dir, const struct dirent *d)
{
	struct stat st;

	if (d->d_name[0] == '.' || strcmp(d->d_name, LOST_AND_FOUND) == 0 ||
	    !login_name_ok(d->d_name, strlen(d->d_name)))
		return 0;
	if (d->d_type == DT_DIR)
		return 1;
	/* a link that leads nowhere is for the lookup to explain */
	return d->d_type == DT_LNK ||
	    (d->d_type == DT_UNKNOWN &&
		fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		(S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)));
}

int
each_login(const char *tree, const struct as_user *as, each_login_fn *found, void *ctx,
    struct reason *why)
{
	const struct dirent *d;
	DIR *dir;

	as_user_self();
	dir = opendir(tree);
	if (dir == NULL && errno == EACCES)
		(void)access_hint(tree, R_OK | X_OK, why);
	else if (dir == NULL)
		reason_set(why, "%s", strerror(errno));
	as_user_keeper(as);
	if (dir == NULL)
		return ERR_SYS;
	while ((d = readdir(dir)) != NULL)
		if (each_login_is(dir, d))
			found(ctx, d->d_name);
	closedir(dir);
	return 0;
}
