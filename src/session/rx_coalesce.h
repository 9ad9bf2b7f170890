/*
 * A fast upload is read in large pieces.  sshd answers every few packets with a
 * WINDOW_ADJUST, and to be woken for each of them and for each packet of the client
 * costs as much as relaying it: while the client sends a MiB in 10 ms, this process is
 * woken once for 256 KiB of it, and what the upstream says is looked at then, a
 * millisecond later at most.
 */
#ifndef SESSION_RX_COALESCE_H
#define SESSION_RX_COALESCE_H

#include <poll.h>
#include <stdint.h>

#include "transport/leg.h"

struct rx_coalesce {
	int on;
	int held; /* the upstream would have been read, too */
	int64_t since_ms;
	uint64_t run;  /* bytes since then */
	uint64_t seen; /* bytes of the client in all */
};

/* Before poll(2) on the client and the upstream: what it is to wait for, and how long. */
int rx_coalesce_before(struct rx_coalesce *g, struct pollfd fds[2], int timeout_ms);

/* After it gave n. */
void rx_coalesce_after(struct rx_coalesce *g, struct pollfd fds[2], int n);

/* The client has been read. */
void rx_coalesce_count(struct rx_coalesce *g, const struct leg *client, int64_t now);

#endif
