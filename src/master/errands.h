/*
 * Errands: the processes that the master starts for the keeper (errand/errand.h).
 */
#ifndef MASTER_ERRANDS_H
#define MASTER_ERRANDS_H

#include "conf/users.h"
#include "master/master_private.h"

/* While still root: have the starter of lookup programs ready, if they have a user of their own.
 * 0 or an ERR_*, logged. */
int errands_begin(struct master *m, const struct users *users) MUST_CHECK;

/* Fork, and execute the program anew in this role in the child.  0 with its *pid, or ERR_SYS: there is no
 * child. */
int errands_fork(const struct master *m, int sock, const char *const *argv, pid_t *pid) MUST_CHECK;

/* ERRAND: start one, whose order waits in the socket that has come. */
void errands_start(struct master *m, struct ipc_msg *msg);

#endif
