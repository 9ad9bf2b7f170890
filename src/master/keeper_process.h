/*
 * The keeper as the master knows it: a process to start, whose messages are taken, and without which the
 * master ends.
 */
#ifndef MASTER_KEEPER_PROCESS_H
#define MASTER_KEEPER_PROCESS_H

#include "base/err.h"
#include "wire/wire.h"

struct master;

/* Start the keeper as this user (NULL: the present one) and wait until it is ready.  0, or the exit status to
 * end with. */
int keeper_start(struct master *m, const char *conf_dir, const char *run_as) MUST_CHECK;

/* Take its messages.  Several a round: in a flood of connections, logins that succeed are still counted in
 * time. */
void keeper_input(struct master *m);

/* Log how the keeper ended, or the ERR_* that makes it useless, and end the master. */
void keeper_gone(struct master *m, int r);

/* Read u32 n, n x string: the public host keys that the keeper has loaded; and try whether a server leg
 * can be made with them.  0; or an ERR_* with the reason in why, which is static. */
int keeper_try_host_keys(const struct master *m, struct wire *body, const char **why) MUST_CHECK;

#endif
