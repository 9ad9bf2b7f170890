/*
 * An errand of the gateway's own that `sallyport route --dial` starts, with the user that the gateway's
 * errands have.
 */
#ifndef CLI_TRIAL_ERRAND_H
#define CLI_TRIAL_ERRAND_H

#include "base/buf.h"
#include "cli/as_user.h"
#include "ipc/ipc.h"

struct trial_errand {
	int sock;
	pid_t pid;
};

/* Start the role with an order, which is freed.  reexec_init() comes before.  0 or an ERR_*; trial_errand_end()
 * in any case. */
int trial_errand_start(struct trial_errand *t, const struct as_user *as, const char *role,
    struct buf *order) MUST_CHECK;

/* Its next message, of a session in this phase, valid until the next.  0, or an ERR_*: it has ended, or the
 * deadline (of clock_ms()) has passed. */
int trial_errand_receive(struct trial_errand *t, enum ipc_phase phase, int64_t deadline,
    struct ipc_msg *msg) MUST_CHECK;

void trial_errand_end(struct trial_errand *t, const struct as_user *as);

#endif
