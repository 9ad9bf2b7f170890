/*
 * Preloaded into Dropbear, which reads authorized_keys from the home directory of the account alone:
 * getpwnam(3) returns the user of the tests with another home directory and the tests' password.
 */
#include <dlfcn.h>
#include <pwd.h>
#include <shadow.h>
#include <stdlib.h>
#include <sys/types.h>

static struct passwd *
changed(struct passwd *pw)
{
	if (pw != NULL) {
		pw->pw_dir = getenv("LAB_HOME");
		pw->pw_passwd = getenv("LAB_PASSWORD");
		pw->pw_shell = (char *)"/bin/sh";
	}
	return pw;
}

struct passwd *
getpwnam(const char *name)
{
	struct passwd *(*real)(const char *) = dlsym(RTLD_NEXT, "getpwnam");

	return changed(real(name));
}

struct passwd *
getpwuid(uid_t uid)
{
	struct passwd *(*real)(uid_t) = dlsym(RTLD_NEXT, "getpwuid");

	return changed(real(uid));
}

struct spwd *
getspnam(const char *name)
{
	return NULL;
}
