/*
 * Queue of the replies to come, run-length encoded.  relay.c has one for each side's global
 * requests, policy_enforce_request.c one for each session channel.
 */
#include <stdlib.h>
#include <string.h>

#include "relay/replies.h"

int
replies_add(struct replies *r, enum reply kind)
{
	struct reply_run *run;

	if (r->n > 0 && r->run[r->n - 1].kind == kind && r->run[r->n - 1].n < UINT32_MAX) {
		r->run[r->n - 1].n++;
		return 0;
	}
	if (r->n >= REPLIES_RUNS_MAX)
		return ERR_TOOBIG;
	/* room for a few runs at a time; as a rule there is one */
	if (r->n % 4 == 0) {
		run = reallocarray(r->run, r->n + 4, sizeof(*run));
		if (run == NULL)
			return ERR_NOMEM;
		r->run = run;
	}
	r->run[r->n++] = (struct reply_run){ kind, 1 };
	return 0;
}

static enum reply
replies_take(struct replies *r, int here)
{
	enum reply kind;

	if (r->n == 0)
		return REPLY_NONE;
	kind = r->run[0].kind;
	if (here != (kind >= REPLY_FAILURE))
		return REPLY_NONE;
	if (--r->run[0].n == 0) {
		r->n--;
		memmove(r->run, r->run + 1, r->n * sizeof(*r->run));
	}
	return kind;
}

enum reply
replies_come(struct replies *r)
{
	return replies_take(r, 0);
}

enum reply
replies_made(struct replies *r)
{
	return replies_take(r, 1);
}

void
replies_free(struct replies *r)
{
	free(r->run);
	*r = (struct replies){ 0 };
}
