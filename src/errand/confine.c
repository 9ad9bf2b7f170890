/*
 * Confining the errands and the lookup programs that one of them runs: capabilities, Landlock and system
 * call filters (calls.c).  Called by each errand before it reads what strangers had a hand in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/landlock.h"
#include "base/privs.h"
#include "errand/calls.h"
#include "errand/confine.h"

/* The first version of Landlock that can confine signals (LANDLOCK_SCOPE_SIGNAL). */
#define LANDLOCK_SCOPES_SIGNALS 6

/* Keep these capabilities alone; no core dump, and no ptrace(2) by processes of the same user. */
static int
errand_confine_begin(uint64_t capabilities)
{
	const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0) == -1 || setrlimit(RLIMIT_CORE, &none) == -1)
		return ERR_SYS;
	return privs_limit_capabilities(capabilities);
}

/* Give up these Landlock rights, except for reading below the paths, which end with NULL.  Does nothing
 * where there is no Landlock. */
static int
errand_confine_files(unsigned int rights, const char *const *readable)
{
	struct landlock *l;
	int r;

	r = landlock_new(&l, rights);
	if (r != 0)
		return r == ERR_SYS ? 0 : r;
	/* a path that does not exist needs no exception */
	for (; *readable != NULL; readable++)
		(void)!landlock_allow(l, *readable, LANDLOCK_READ);
	r = landlock_enter(l);
	landlock_free(&l);
	return r;
}

static int
errand_confine_resolver(int (*calls)(void))
{
	/* what the C library's resolver and its modules read; /run because resolv.conf is mostly a
	 * link there */
	static const char *const readable[] = { "/etc", "/usr", "/lib", "/lib32", "/lib64", "/run",
		"/var/lib/sss", NULL };
	int r;

	r = errand_confine_begin(0);
	if (r == 0)
		r = errand_confine_files(LANDLOCK_FILES | LANDLOCK_REACH, readable);
	return r == 0 ? calls() : r;
}

int
errand_confine_dial(int tls)
{
	return errand_confine_resolver(tls ? calls_tls : calls_dial);
}

int
errand_confine_look(int tls)
{
	return errand_confine_resolver(tls ? calls_tls : calls_look);
}

int
errand_confine_dialler(void)
{
	static const char *const none[] = { NULL };
	int r;

	r = errand_confine_begin(0);
	if (r == 0)
		r = errand_confine_files(LANDLOCK_FILES | LANDLOCK_REACH, none);
	return r == 0 ? calls_dialler() : r;
}

int
errand_confine_password(void)
{
	static const char *const none[] = { NULL };
	int r;

	r = errand_confine_begin(0);
	if (r == 0)
		r = errand_confine_files(LANDLOCK_FILES | LANDLOCK_TCP | LANDLOCK_REACH, none);
	return r == 0 ? calls_password() : r;
}

int
errand_confine_run(void)
{
	int r = errand_confine_begin(0);

	return r == 0 ? calls_program(CALLS_SIGNALS_ANY) : r;
}

int
errand_confine_starter(uint64_t capabilities)
{
	int r = errand_confine_begin(capabilities);

	return r == 0 ? calls_program(CALLS_SIGNALS_ANY) : r;
}

const char *
errand_confine_lacks(void)
{
	const int version = landlock_version();

	if (version == 0)
		return "no Landlock: only file permissions keep them from the key store";
	if (version < LANDLOCK_SCOPES_SIGNALS)
		return "a Landlock that does not cover signals: they can signal only themselves";
	return NULL;
}

/* --- programs --- */

static size_t
errand_paths_count(char *const *paths)
{
	size_t n;

	for (n = 0; paths != NULL && paths[n] != NULL; n++)
		;
	return n;
}

/* 1 if the file's owner and mode keep this user from it, so that Landlock is not needed. */
static int
errand_path_forbidden(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return errno == EACCES;
	return st.st_uid != geteuid() && geteuid() != 0 &&
	    faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == -1 &&
	    faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == -1;
}

/* Allow everything but the closed paths, and reading alone for the fixed ones.  An exception makes the
 * directories on the way to it unwritable (landlock.h), so a path that needs none is left out. */
static int
errand_allow_program(struct landlock *l, const struct confine_program *p)
{
	const size_t n = errand_paths_count(p->closed), fixed = errand_paths_count(p->fixed);
	const char **except = calloc(n + fixed + 1, sizeof(*except));
	size_t closed = 0, all, i;
	int r;

	if (except == NULL)
		return ERR_NOMEM;
	for (i = 0; i < n; i++)
		if (!errand_path_forbidden(p->closed[i]))
			except[closed++] = p->closed[i];
	all = closed;
	for (i = 0; i < fixed && closed > 0; i++)
		except[all++] = p->fixed[i];
	r = landlock_allow_except(l, except, all, LANDLOCK_FILES);
	if (r == 0 && all > closed)
		r = landlock_allow_except(l, except, closed, LANDLOCK_READ | LANDLOCK_EXECUTE);
	/* directories on the way can be listed: the names of keys are no secret */
	if (r == 0)
		r = landlock_allow(l, "/", LANDLOCK_READ_DIRS);
	free(except);
	return r;
}

int
errand_confine_program(const struct confine_program *p)
{
	const int signals = landlock_version() >= LANDLOCK_SCOPES_SIGNALS || p->own_user;
	struct landlock *l;
	int r;

	r = landlock_new(&l, LANDLOCK_FILES | LANDLOCK_REACH);
	if (r == 0) {
		r = errand_allow_program(l, p);
		if (r == 0)
			r = landlock_enter(l);
		landlock_free(&l);
	} else if (r == ERR_SYS) {
		r = 0;
	}
	return r == 0 ? calls_program(signals ? CALLS_SIGNALS_ANY : CALLS_SIGNALS_OWN) : r;
}
