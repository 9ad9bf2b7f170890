/*
 * After the master: a process that starts the errands of logins which wait for a second factor.
 */
#ifndef MASTER_LEAVING_H
#define MASTER_LEAVING_H

struct master;

/* The master ends.  If such logins are in progress, fork the process that stays until the last of them is let in or
 * has ended, FactorTimeout at the latest.  Returns in the master alone. */
void leaving_begin(struct master *m);

#endif
