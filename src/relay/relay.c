/*
 * The packet relay: relay_message() is called for every packet of a relayed session
 * (session/dispatch.c); keepalives and the time limits of a session are here as well.
 */
#include <string.h>

#include "base/clock.h"
#include "relay/policy_enforce.h"
#include "relay/relay.h"
#include "wire/ssh.h"
#include "wire/wire.h"

#define RELAY_TOO_MANY "too many requests wait for replies"

/* A proof for each of 16 host keys: 64 KiB is the most that the keeper sends. */
#define RELAY_PROOF_MAX (64 * 1024)

void
relay_init(struct relay *r, int64_t now, int downstream_interval_ms, int upstream_interval_ms,
    int count_max)
{
	int i;

	*r = (struct relay){ .over_ms = CLOCK_NEVER, .unused_until = CLOCK_NEVER };
	buf_init(&r->proof, RELAY_PROOF_MAX);
	r->side[RELAY_DOWNSTREAM].interval_ms = downstream_interval_ms;
	r->side[RELAY_UPSTREAM].interval_ms = upstream_interval_ms;
	for (i = 0; i < 2; i++) {
		r->side[i].count_max = count_max;
		r->side[i].heard_ms = now;
		r->side[i].next_ms = now + r->side[i].interval_ms;
	}
}

int
relay_set_policy(struct relay *r, struct policy *policy, uint64_t session, int64_t now)
{
	r->idle_ms = policy->idle_ms;
	r->data_ms = now;
	r->over_ms = policy->session_ms > 0 ? now + policy->session_ms : CLOCK_NEVER;
	r->unused_ms = policy->unused_ms;
	r->unused_until = r->unused_ms > 0 ? now + r->unused_ms : CLOCK_NEVER;
	r->policy = policy_enforce_new(policy, session);
	return r->policy == NULL ? ERR_NOMEM : 0;
}

void
relay_set_version(struct relay *r, const char *version)
{
	r->foreign = version == NULL || strstr(version, "-OpenSSH") == NULL;
}

/* Send the replies made here whose turn has come; to is the side that the requests went to. */
static void
relay_release(struct relay *r, struct relay_side *to)
{
	enum reply kind;
	struct buf b;

	while ((kind = replies_made(&to->replies)) != REPLY_NONE) {
		buf_init(&b, 1);
		buf_put_u8(&b, SSH_MSG_REQUEST_FAILURE);
		/* only requests of the client are refused */
		policy_enforce_put(r->policy, RELAY_DOWNSTREAM,
		    kind == REPLY_PROOF ? &r->proof : &b);
		if (kind == REPLY_PROOF)
			buf_free(&r->proof);
		buf_free(&b);
	}
}

void
relay_prove(struct relay *r, struct buf *answer)
{
	buf_put(&r->proof, answer->data, answer->len);
	buf_free(answer);
	relay_release(r, &r->side[RELAY_UPSTREAM]);
}

/* hostkeys-prove-00@openssh.com (PROTOCOL of OpenSSH, section 2.5): as the upstream's replies to
 * earlier requests come first, one proof may wait for its turn. */
static enum relay_action
relay_prove_request(struct relay *r, struct relay_side *to, int want_reply)
{
	int prove = r->proof.len == 0;

	if (!want_reply)
		return RELAY_DROP;
	if (replies_add(&to->replies, prove ? REPLY_PROOF : REPLY_FAILURE) != 0) {
		r->why = RELAY_TOO_MANY;
		return RELAY_END;
	}
	if (prove)
		return RELAY_PROVE;
	relay_release(r, to);
	return RELAY_DROP;
}

/* A GLOBAL_REQUEST on its way from one leg to the other. */
static enum relay_action
relay_global_request(struct relay *r, enum relay_leg from, const uint8_t *payload, size_t len)
{
	struct relay_side *to = &r->side[!from];
	struct bytes name;
	struct wire w;
	int want_reply, permitted = 1;

	wire_init(&w, payload + 1, len - 1);
	name = wire_string(&w);
	want_reply = wire_bool(&w);
	if (wire_err(&w) != 0 || (name.len > 0 && memchr(name.p, '\0', name.len) != NULL))
		return RELAY_DROP;
	if (bytes_is(name, "hostkeys-00@openssh.com"))
		return RELAY_DROP;
	if (from == RELAY_DOWNSTREAM && bytes_is(name, "hostkeys-prove-00@openssh.com"))
		return relay_prove_request(r, to, want_reply);
	/* Apache MINA would then open no channel at all, not even for a forwarding */
	if (r->foreign && from == RELAY_DOWNSTREAM &&
	    bytes_is(name, "no-more-sessions@openssh.com"))
		permitted = 0;
	else if (r->policy != NULL && from == RELAY_DOWNSTREAM)
		permitted = policy_enforce_global_request(r->policy, name, &w);
	if (want_reply &&
	    replies_add(&to->replies, permitted ? REPLY_RELAYED : REPLY_FAILURE) != 0) {
		r->why = RELAY_TOO_MANY;
		return RELAY_END;
	}
	if (permitted)
		return RELAY_PASS;
	relay_release(r, to);
	return RELAY_DROP;
}

/* A reply of this side to a global request: the other side's, or to a keepalive. */
static enum relay_action
relay_global_reply(struct relay *r, struct relay_side *from)
{
	enum reply kind = replies_come(&from->replies);

	if (kind == REPLY_KEEPALIVE)
		from->keepalive = 0;
	relay_release(r, from);
	return kind == REPLY_RELAYED ? RELAY_PASS : RELAY_DROP;
}

enum relay_action
relay_message(struct relay *r, enum relay_leg from, const uint8_t *payload, size_t len)
{
	struct relay_side *side = &r->side[from];

	side->bytes += len;
	side->messages++;
	switch (payload[0]) {
	case SSH_MSG_CHANNEL_DATA:
	case SSH_MSG_CHANNEL_EXTENDED_DATA:
		r->data = 1;
		return RELAY_PASS;
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		return RELAY_PASS;
	case SSH_MSG_GLOBAL_REQUEST:
		return relay_global_request(r, from, payload, len);
	case SSH_MSG_REQUEST_SUCCESS:
	case SSH_MSG_REQUEST_FAILURE:
		return relay_global_reply(r, side);
	}
	if (r->policy == NULL)
		return RELAY_PASS;
	return policy_enforce_message(r->policy, from, payload, len);
}

struct buf *
relay_made(struct relay *r, enum relay_leg to)
{
	struct buf *made = r->policy != NULL ? policy_enforce_made(r->policy, to) : NULL;

	if (made == NULL || buf_err(made) == 0)
		return made;
	r->why = "no memory for a reply";
	return NULL;
}

const char *
relay_why(const struct relay *r)
{
	if (r->why == NULL && r->policy != NULL)
		return policy_enforce_why(r->policy);
	return r->why != NULL ? r->why : "";
}

const char *
relay_refused(struct relay *r)
{
	return r->policy != NULL ? policy_enforce_refused(r->policy) : NULL;
}

/* Has no channel been open for UnusedConnectionTimeout? */
static int
relay_unused(struct relay *r, int64_t now)
{
	if (r->unused_ms == 0)
		return 0;
	if (policy_enforce_channels(r->policy) > 0)
		r->unused_until = CLOCK_NEVER;
	else if (r->unused_until == CLOCK_NEVER)
		r->unused_until = now + r->unused_ms;
	return now >= r->unused_until;
}

int
relay_over(struct relay *r, int64_t now, const char **why, const char **text)
{
	*why = *text = "";
	if (r->idle_ms > 0 && now - r->data_ms >= r->idle_ms) {
		*why = "IdleTimeout";
		*text = "closed, because it was idle for too long";
	} else if (now >= r->over_ms) {
		*why = "SessionTimeout";
		*text = "closed, because the time limit of a connection is over; connect again";
	} else if (relay_unused(r, now)) {
		*why = "UnusedConnectionTimeout";
		*text = "closed, because no channel was open for too long";
	}
	return (*why)[0] != '\0';
}

void
relay_heard(struct relay *r, enum relay_leg from, int64_t now)
{
	r->side[from].heard_ms = now;
	r->side[from].unanswered = 0;
	if (r->data) {
		r->data = 0;
		r->data_ms = now;
	}
}

int64_t
relay_next(const struct relay *r)
{
	int64_t next = r->over_ms < r->unused_until ? r->over_ms : r->unused_until;
	int i;

	if (r->idle_ms > 0 && r->data_ms + r->idle_ms < next)
		next = r->data_ms + r->idle_ms;
	for (i = 0; i < 2; i++)
		if (r->side[i].interval_ms > 0 && r->side[i].next_ms < next)
			next = r->side[i].next_ms;
	return next;
}

enum relay_tick
relay_tick(struct relay *r, enum relay_leg leg, int64_t now)
{
	struct relay_side *side = &r->side[leg];

	if (side->interval_ms == 0 || now < side->next_ms)
		return RELAY_TICK_NOTHING;
	if (now - side->heard_ms < side->interval_ms) {
		side->next_ms = side->heard_ms + side->interval_ms;
		return RELAY_TICK_NOTHING;
	}
	side->next_ms = now + side->interval_ms;
	if (++side->unanswered > side->count_max)
		return RELAY_TICK_DEAD;
	/* one keepalive at a time is enough */
	if (side->keepalive || replies_add(&side->replies, REPLY_KEEPALIVE) != 0)
		return RELAY_TICK_NOTHING;
	side->keepalive = 1;
	return RELAY_TICK_KEEPALIVE;
}

const uint8_t *
relay_keepalive(size_t *len)
{
	static const uint8_t payload[] = "\x50\0\0\0\x15"
					 "keepalive@openssh.com"
					 "\x01";

	*len = sizeof(payload) - 1;
	return payload;
}
