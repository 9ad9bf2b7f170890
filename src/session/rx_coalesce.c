/*
 * Receive coalescing of fast uploads: see rx_coalesce.h.  The loop in session.c calls it.
 */
#include "session/rx_coalesce.h"

#include <sys/socket.h>

#define RX_COALESCE_BYTES (256 * 1024)
#define RX_COALESCE_WAIT_MS 1

/* A client this fast is near: over a long way a larger SO_RCVLOWAT could keep TCP's window from
 * growing. */
#define RX_COALESCE_FAST_BYTES (1024 * 1024)
#define RX_COALESCE_FAST_MS 10

static void
rx_coalesce_switch(struct rx_coalesce *g, const struct leg *client, int on)
{
	int bytes = on ? RX_COALESCE_BYTES : 1;

	if (setsockopt(leg_fd(client), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes)) == 0)
		g->on = on;
}

int
rx_coalesce_before(struct rx_coalesce *g, struct pollfd fds[2], int timeout_ms)
{
	g->held = 0;
	if (!g->on || (fds[0].events & POLLIN) == 0)
		return timeout_ms;
	g->held = fds[1].events & POLLIN;
	fds[1].events &= ~POLLIN;
	return timeout_ms < 0 || timeout_ms > RX_COALESCE_WAIT_MS ? RX_COALESCE_WAIT_MS :
								    timeout_ms;
}

void
rx_coalesce_after(struct rx_coalesce *g, struct pollfd fds[2], int n)
{
	if (g->held)
		fds[1].revents |= POLLIN;
	if (n == 0 && g->on)
		fds[0].revents |= fds[0].events & POLLIN;
}

void
rx_coalesce_count(struct rx_coalesce *g, const struct leg *client, int64_t now)
{
	uint64_t in, out, got;

	leg_counts(client, &in, &out);
	got = in - g->seen;
	g->seen = in;
	if (g->on) {
		if (got < RX_COALESCE_BYTES)
			rx_coalesce_switch(g, client, 0);
		return;
	}
	if (now - g->since_ms > RX_COALESCE_FAST_MS) {
		g->since_ms = now;
		g->run = 0;
	}
	g->run += got;
	if (g->run >= RX_COALESCE_FAST_BYTES) {
		g->run = 0;
		rx_coalesce_switch(g, client, 1);
	}
}
