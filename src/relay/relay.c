#include <string.h>

#include "base/clock.h"
#include "relay/relay.h"
#include "wire/ssh.h"
#include "wire/wire.h"

void
relay_init(struct relay *r, int64_t now, int downstream_interval_ms, int upstream_interval_ms,
    int count_max)
{
	int i;

	*r = (struct relay){ 0 };
	r->side[RELAY_DOWNSTREAM].interval_ms = downstream_interval_ms;
	r->side[RELAY_UPSTREAM].interval_ms = upstream_interval_ms;
	for (i = 0; i < 2; i++) {
		r->side[i].count_max = count_max;
		r->side[i].heard_ms = now;
		r->side[i].next_ms = now + r->side[i].interval_ms;
	}
}

/* A GLOBAL_REQUEST on its way from one leg to the other. */
static enum relay_action
relay_global_request(struct relay_side *to, const uint8_t *payload, size_t len)
{
	struct bytes name;
	struct wire w;
	int want_reply;

	wire_init(&w, payload + 1, len - 1);
	name = wire_string(&w);
	want_reply = wire_bool(&w);
	if (wire_err(&w) != 0)
		return RELAY_DROP;
	if (bytes_is(name, "hostkeys-00@openssh.com"))
		return RELAY_DROP;
	if (want_reply) {
		if (to->keepalive)
			to->after++;
		else
			to->before++;
	}
	return RELAY_PASS;
}

/* A reply to a global request came from this leg: whose is it? */
static enum relay_action
relay_global_reply(struct relay_side *from)
{
	if (from->before > 0) {
		from->before--;
		return RELAY_PASS;
	}
	if (from->keepalive) {
		from->keepalive = 0;
		from->before = from->after;
		from->after = 0;
	}
	return RELAY_DROP;
}

enum relay_action
relay_message(struct relay *r, enum relay_from from, const uint8_t *payload, size_t len)
{
	struct relay_side *side = &r->side[from];

	side->bytes += len;
	side->messages++;
	switch (payload[0]) {
	case SSH_MSG_GLOBAL_REQUEST:
		return relay_global_request(&r->side[!from], payload, len);
	case SSH_MSG_REQUEST_SUCCESS:
	case SSH_MSG_REQUEST_FAILURE:
		return relay_global_reply(side);
	}
	return RELAY_PASS;
}

void
relay_heard(struct relay *r, enum relay_from from, int64_t now)
{
	r->side[from].heard_ms = now;
	r->side[from].unanswered = 0;
}

int64_t
relay_next(const struct relay *r)
{
	int64_t next = CLOCK_NEVER;
	int i;

	for (i = 0; i < 2; i++)
		if (r->side[i].interval_ms > 0 && r->side[i].next_ms < next)
			next = r->side[i].next_ms;
	return next;
}

enum relay_tick
relay_tick(struct relay *r, enum relay_from leg, int64_t now)
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
	if (side->keepalive)
		return RELAY_TICK_NOTHING; /* one is under way, and one is enough */
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
