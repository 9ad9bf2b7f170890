/*
 * Receive coalescing: a fast upload is read in large pieces.  sshd answers every few packets with a
 * WINDOW_ADJUST, and waking up for each of them and for each packet of the client costs as much as
 * relaying it.  While the client sends a MiB in 10 ms, the session is woken once for 256 KiB of it
 * (SO_RCVLOWAT), and reads the upstream then too, a millisecond later at most.
 */
#ifndef SESSION_RX_COALESCE_H
#define SESSION_RX_COALESCE_H

#include <poll.h>
#include <stdint.h>

#include "transport/leg.h"

struct rx_coalesce {
	int on;
	int held; /* the upstream was left out of poll(2) */
	int64_t since_ms;
	uint64_t run;  /* bytes since then */
	uint64_t seen; /* bytes of the client in all */
};

/* Before poll(2) on the client (fds[0]) and the upstream: adjust the events.  Returns the
 * timeout. */
int rx_coalesce_before(struct rx_coalesce *g, struct pollfd fds[2], int timeout_ms);

/* After poll(2) has returned n: complete the events. */
void rx_coalesce_after(struct rx_coalesce *g, struct pollfd fds[2], int n);

/* The client has been read: see how fast it sends. */
void rx_coalesce_count(struct rx_coalesce *g, const struct leg *client, int64_t now);

#endif
