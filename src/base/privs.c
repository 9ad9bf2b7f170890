#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/privs.h"

int
privs_user_exists(const char *user)
{
	return getpwnam(user) != NULL;
}

int
privs_give(const char *user, int fd)
{
	struct passwd *pw = getpwnam(user);

	if (pw == NULL)
		return ERR_NOTFOUND;
	return fchown(fd, pw->pw_uid, pw->pw_gid) == -1 ? ERR_SYS : 0;
}

int
privs_drop(const char *user)
{
	struct passwd *pw;

	if (user == NULL || strcmp(user, "root") == 0)
		return 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return ERR_NOTFOUND;
	if (initgroups(pw->pw_name, pw->pw_gid) == -1 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1)
		return ERR_SYS;
	/* there must be no way back */
	if (pw->pw_uid != 0 && setuid(0) != -1)
		return ERR_PERM;
	return 0;
}
