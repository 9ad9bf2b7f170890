/*
 * What errands and lookup programs give up before they read anything that strangers had a hand in.
 * Landlock is used where the kernel has it.  Each function returns 0 or an ERR_*.
 */
#ifndef ERRAND_CONFINE_H
#define ERRAND_CONFINE_H

#include <stdint.h>

#include "base/err.h"

/* For the errand that dials: it may read what resolvers read, write nothing, and connect.  With tls it may also
 * fork processes that carry TLS (approach_has_tls()). */
int errand_confine_dial(int tls) MUST_CHECK;

/* For the errand that looks at a host key: the same, and it may then enter the sandbox of a session. */
int errand_confine_look(int tls) MUST_CHECK;

/* For the dialler: no file, and connections. */
int errand_confine_dialler(void) MUST_CHECK;

/* For the errand that checks a password: no file, and no socket but the one it has. */
int errand_confine_password(void) MUST_CHECK;

/* For the errand that runs a program: no capabilities, and the calls of programs (calls.h). */
int errand_confine_run(void) MUST_CHECK;

/* For the starter of such errands: the same with these capabilities (1 << CAP_...). */
int errand_confine_starter(uint64_t capabilities) MUST_CHECK;

/* Of one program.  Both lists end with NULL, or are NULL. */
struct confine_program {
	char *const *closed; /* absolute paths that it must not reach, nor anything below them */
	char *const *fixed;  /* absolute paths that it may read but not change */
	int own_user;	     /* of the gateway's processes only its errand has the same user */
};

/*
 * Called between fork and exec by the leader of the process group.  Where file permissions already keep
 * the user from every closed path, fixed has no effect either.  Otherwise files that are created later
 * beside a closed path, or beside a directory above it, are out of reach too (landlock_allow_except()).
 */
int errand_confine_program(const struct confine_program *p) MUST_CHECK;

/* NULL, or what this kernel lacks to confine programs, for the log. */
const char *errand_confine_lacks(void);

#endif
