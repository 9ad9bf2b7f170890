/*
 * Executing this program anew, as another role: the new process has an address layout and a stack
 * canary of its own, and nothing of its parent's memory.
 */
#ifndef BASE_REEXEC_H
#define BASE_REEXEC_H

#include "base/err.h"

/* A role starts with this descriptor and 0 to 2. */
#define REEXEC_SOCKET 3

/* Open the program's file, so that the same program is executed after an upgrade has replaced it.
 * Once, at start.  0 or ERR_SYS. */
int reexec_init(void) MUST_CHECK;

/* The descriptor of that file, for a forked process that closes all others and goes on to execute it. */
int reexec_fd(void);

/*
 * In a child process: execute "sallyport ROLE ARG ..." with the socket as REEXEC_SOCKET,
 * descriptors 0 to 2 and no other.  argv begins with the role and ends with NULL; the environment
 * is kept.  If that fails, the error is logged and the process ends.
 */
void reexec_role(int sock, const char *const *argv) __attribute__((noreturn));

#endif
