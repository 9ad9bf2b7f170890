#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "base/privs.h"

int
privs_user_exists(const char *user)
{
	return getpwnam(user) != NULL;
}

int
privs_uid(const char *user, uid_t *uid)
{
	const struct passwd *pw = getpwnam(user);

	*uid = pw == NULL ? 0 : pw->pw_uid;
	return pw == NULL ? ERR_NOTFOUND : 0;
}

void
privs_make_as(const char *user)
{
	struct passwd *pw = user == NULL ? NULL : getpwnam(user);

	/* it says who it was, and never that it failed: then it is as before */
	(void)setfsuid(pw == NULL ? geteuid() : pw->pw_uid);
}

int
privs_same_user(const char *a, const char *b)
{
	struct passwd *pw = getpwnam(a);
	uid_t uid;

	if (pw == NULL)
		return 1;
	uid = pw->pw_uid;
	pw = getpwnam(b);
	return pw == NULL || pw->pw_uid == uid;
}

int
privs_as(const char *user)
{
	struct passwd *pw;

	if (getuid() != 0)
		return user == NULL ? 0 : ERR_PERM;
	if (seteuid(0) == -1 || setegid(getgid()) == -1)
		return ERR_SYS;
	if (user == NULL || strcmp(user, "root") == 0)
		return 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return ERR_NOTFOUND;
	if (initgroups(pw->pw_name, pw->pw_gid) == -1 || setegid(pw->pw_gid) == -1 ||
	    seteuid(pw->pw_uid) == -1)
		return ERR_SYS;
	return 0;
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
