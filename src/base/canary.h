/*
 * The stack protector's canary.  Forked children share their parent's: an attacker could guess it
 * byte by byte, by crashing one session after the other.
 */
#ifndef BASE_CANARY_H
#define BASE_CANARY_H

/*
 * Give this process a new canary.  No function that is on the stack now may return, for it would
 * find the wrong canary: the process has to end by _exit(2).  Does nothing where the canary is in
 * read-only memory (glibc on aarch64).
 */
void canary_renew(void);

#endif
