/*
 * Users and privileges of processes.  Called by every process that starts as root, and by conf for
 * users in the configuration.
 */
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

	/* setfsuid(2) reports no errors; if it fails, files and sockets stay root's */
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

int
privs_limit_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	int i, change = 0;
	uint32_t mask;

	/* The bounding set is what root gets by executing a program.  Changing it fails without
	 * CAP_SETPCAP, as for other users, who get nothing by executing one. */
	for (i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) != -1; i++)
		if ((keep >> i & 1) == 0)
			(void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capget, &header, caps) == -1)
		return ERR_SYS;
	for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		mask = (uint32_t)(keep >> (32 * i));
		change |= (caps[i].permitted & ~mask) != 0 || caps[i].inheritable != 0 ||
		    caps[i].effective != caps[i].permitted;
		caps[i].permitted &= mask;
		caps[i].effective = caps[i].permitted;
		caps[i].inheritable = 0;
	}
	/* only if something changes: the service manager's filter may deny capset(2) */
	return change && syscall(SYS_capset, &header, caps) == -1 ? ERR_SYS : 0;
}
