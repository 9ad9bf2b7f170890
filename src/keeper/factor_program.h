/*
 * The factor "factor": a program asks the client (Factor).  downstream_factor.h has its table of functions; these
 * are for jobs.c.
 */
#ifndef KEEPER_FACTOR_PROGRAM_H
#define KEEPER_FACTOR_PROGRAM_H

#include "base/buf.h"

struct job_result;
struct ksession;
struct login_downstream;

/* Are both sessions' programs for one person?  Of clients that have proven nothing, each address is one. */
int factor_program_same(const struct ksession *a, const struct ksession *b);

/* Is this the client's first proof, so that it may be a stranger, and unknown logins are asked the same? */
int factor_program_is_first(const struct ksession *s);

/* Free what the client has been asked in its conversation. */
void factor_program_forget(struct login_downstream *down);

void factor_program_put(struct ksession *s, struct buf *order);
void factor_program_done(struct ksession *s, const struct job_result *result);

#endif
