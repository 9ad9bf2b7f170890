/*
 * One way of a forwarded connection: from one socket through a pipe into another.  A way has a pipe only
 * while bytes wait in it, so that a connection without traffic has two descriptors.
 */
#ifndef EDGE_FORWARD_WAY_H
#define EDGE_FORWARD_WAY_H

#include <stdint.h>

/* Empty pipes that are kept for the next ones who need one. */
#define FORWARD_PIPES_MAX 32

struct forward_pipes {
	int fd[FORWARD_PIPES_MAX][2];
	unsigned int n;
};

struct forward_way {
	int from, to;	  /* not the way's own */
	int pipe[2];	  /* -1: none */
	uint64_t bytes;	  /* that have arrived */
	uint32_t held;	  /* bytes in the pipe */
	uint8_t readable; /* there may be something to read, since epoll(7) said so last; */
	uint8_t writable; /* and room */
	uint8_t ended;	  /* from has sent its end, */
	uint8_t closed;	  /* and to has been told */
};

enum forward_moved {
	FORWARD_WAITS,	     /* for an event of either socket, or all is done */
	FORWARD_GOES_ON,     /* there may be more right now; others' turn first */
	FORWARD_FROM_FAILED, /* errno says why */
	FORWARD_TO_FAILED,
	FORWARD_NO_PIPE,
};

void forward_way_init(struct forward_way *w, int from, int to);

/* Move what can be moved without waiting, but not endlessly.  At the end of from, shut down to. */
enum forward_moved forward_way_move(struct forward_way *w, struct forward_pipes *pipes);

/* The way is over, and what is in its pipe is lost. */
void forward_way_end(struct forward_way *w, struct forward_pipes *pipes);

#endif
