/*
 * access_hint(): called by whatever failed to open a configured file with EACCES (conf, access,
 * keystore, the subcommand check), for its message.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access_hint.h"

static int
is_closed(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == -1 && errno == EACCES;
}

/*
 * The first directory of path that this process may not enter, allocated; or NULL.  Of a relative path, the
 * directories above the current one count as well, because safe_path_open() begins at / with each path.
 */
static char *
closed_dir(const char *path)
{
	char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0), *way = NULL, *slash, *closed = NULL;
	size_t above = 0;

	if (asprintf(&way, "%s%s%s", cwd == NULL ? "" : cwd, cwd == NULL ? "" : "/", path) == -1)
		way = NULL;
	if (cwd != NULL)
		above = strlen(cwd) + 1;
	for (slash = way == NULL ? NULL : strchr(way, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		if (slash == way)
			continue;
		*slash = '\0';
		if (is_closed(way, X_OK)) {
			closed = strdup((size_t)(slash - way) > above ? way + above : way);
			break;
		}
		*slash = '/';
	}
	free(way);
	free(cwd);
	return closed;
}

/* The process's user and group, as access_hint_prepare() found them. */
static struct closed_us {
	int known;
	uid_t uid;
	gid_t gid;
	char user[64], group[64];
} closed_us;

static void
access_hint_names(char user[64], char group[64])
{
	const struct passwd *pw;
	const struct group *gr;

	if (closed_us.known && closed_us.uid == geteuid() && closed_us.gid == getegid()) {
		memcpy(user, closed_us.user, 64);
		memcpy(group, closed_us.group, 64);
		return;
	}
	pw = getpwuid(geteuid());
	gr = getgrgid(getegid());
	if (pw != NULL)
		snprintf(user, 64, "%s", pw->pw_name);
	else
		snprintf(user, 64, "%u", geteuid());
	if (gr != NULL)
		snprintf(group, 64, "%s", gr->gr_name);
	else
		snprintf(group, 64, "%u", getegid());
}

void
access_hint_prepare(void)
{
	access_hint_names(closed_us.user, closed_us.group);
	closed_us.uid = geteuid();
	closed_us.gid = getegid();
	closed_us.known = 1;
}

static char closed_instead[128];

void
access_hint_stranger(const char *user)
{
	snprintf(closed_instead, sizeof(closed_instead), "run this as root (sudo)%s%.80s",
	    user != NULL ? " or as user " : "", user != NULL ? user : "");
}

const char *
access_hint_instead(void)
{
	return closed_instead[0] == '\0' ? NULL : closed_instead;
}

int
access_hint(const char *path, int mode, struct reason *why)
{
	const char bit = (mode & R_OK) != 0 ? 'r' : 'x';
	char *dir = closed_dir(path);
	char user[64], group[64];
	struct stat st;
	int on_the_way = dir != NULL;

	access_hint_names(user, group);
	if (access_hint_instead() != NULL)
		reason_set(why, "user %s cannot %s %.800s: %s", user,
		    dir != NULL		   ? "enter" :
			(mode & W_OK) != 0 ? "write to" :
			bit == 'r'	   ? "read" :
					     "run",
		    dir != NULL ? dir : "it", access_hint_instead());
	else if (dir != NULL)
		reason_set(why,
		    "user %s cannot enter %.800s; run: chgrp %s %.400s && chmod g+x %.400s, or "
		    "keep it elsewhere",
		    user, dir, group, dir, dir);
	else if ((mode & W_OK) != 0 && stat(path, &st) == -1)
		reason_set(why,
		    "user %s cannot create it; run: install -m 644 -o %s /dev/null %.800s", user,
		    user, path);
	else if ((mode & W_OK) != 0)
		reason_set(why, "user %s cannot write to it; run: chown %s %.800s", user, user,
		    path);
	else if (stat(path, &st) == 0 && st.st_uid == geteuid())
		reason_set(why, "user %s cannot %s it; run: chmod u+%c %.800s", user,
		    bit == 'r' ? "read" : "run", bit, path);
	else
		reason_set(why, "user %s cannot %s it; run: chgrp %s %.400s && chmod g+%s %.400s",
		    user, bit == 'r' ? "read" : "run", group, path,
		    (mode & (R_OK | X_OK)) == (R_OK | X_OK) ? "rx" :
			bit == 'r'			    ? "r" :
							      "x",
		    path);
	free(dir);
	return on_the_way;
}
