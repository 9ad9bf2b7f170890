/*
 * Executing our own program anew: a process that does so has an address layout and a stack canary
 * of its own, and nothing of its parent's memory.
 */
#ifndef BASE_REEXEC_H
#define BASE_REEXEC_H

#include "base/err.h"

/* The one descriptor that a role is started with, besides 0 to 2. */
#define REEXEC_SOCKET 3

/* Hold on to the program's file, which an upgrade may replace later.  Once, in main().  0 or
 * ERR_SYS. */
int reexec_init(void) MUST_CHECK;

/*
 * In a child: become "sallyport ROLE ARG ...", with the socket as REEXEC_SOCKET and no other
 * descriptor but 0 to 2.  argv begins with the role and ends with NULL; the environment stays.
 * Ends the process if the kernel refuses.
 */
void reexec_role(int sock, const char *const *argv) __attribute__((noreturn));

#endif
