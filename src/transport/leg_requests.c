/*
 * Global requests under way.  A server that does not know the message (TinySSH) answers with
 * UNIMPLEMENTED, and for who waits that is a failure.
 */
#include <string.h>

#include "transport/leg_private.h"
#include "wire/ssh.h"

void
leg_requests_sent(struct leg *leg, uint32_t seq, const uint8_t *packet, size_t len)
{
	struct leg_requests *r = &leg->requests;
	struct wire w;

	wire_init(&w, packet + LEG_PACKET_PAYLOAD + 1, len - LEG_PACKET_PAYLOAD - 1);
	(void)wire_string(&w); /* name */
	if (!wire_bool(&w) || wire_err(&w) != 0 || r->n == LEG_REQUESTS_MAX)
		return;
	r->seq[r->n++] = seq;
}

static void
take(struct leg_requests *r, size_t i)
{
	r->n--;
	memmove(&r->seq[i], &r->seq[i + 1], (r->n - i) * sizeof(r->seq[0]));
}

void
leg_requests_answered(struct leg *leg)
{
	if (leg->requests.n > 0)
		take(&leg->requests, 0);
}

int
leg_requests_unknown(struct leg *leg, uint32_t seq)
{
	size_t i;

	/* TinySSH has counted the message already when it gives its number */
	for (i = 0; i < leg->requests.n; i++)
		if (seq - leg->requests.seq[i] <= 1) {
			take(&leg->requests, i);
			return 1;
		}
	return 0;
}
