/*
 * The stack protector's canary.  A forked child has its parent's, and so has each of its
 * siblings: what crashes of one teach about it would hold for all.
 */
#ifndef BASE_CANARY_H
#define BASE_CANARY_H

/*
 * Give this process a canary of its own.  No function that is running now may return: the caller,
 * and whoever called it, end by _exit(2).  Does nothing where the canary is in memory that cannot
 * be written (glibc on aarch64).
 */
void canary_renew(void);

#endif
