/*
 * Moving bytes between two sockets by splice(2) (forward_way.h).  Called by forward_connection.c.
 *
 * Two system calls move what is there, up to 256 KiB, and a third one finds that it was all: epoll(7)
 * tells of changes alone (EPOLLET), and so takes no call for each time that a socket is full or empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "edge/forward_way.h"

/* The size of a pipe, where the kernel permits so many (pipe(7), pipe-user-pages-soft), and the most that is
 * read into one: what a client that does not read can make the kernel keep beside the buffers of sockets. */
#define FORWARD_PIPE_SIZE (256 * 1024)
/* Pipefuls of one connection, before others have their turn. */
#define FORWARD_TURN 16

/* --- pipes --- */

static int
way_pipe_get(struct forward_way *w, struct forward_pipes *pipes)
{
	if (pipes->n > 0) {
		memcpy(w->pipe, pipes->fd[--pipes->n], sizeof(w->pipe));
		return 0;
	}
	if (pipe2(w->pipe, O_CLOEXEC | O_NONBLOCK) == -1) {
		w->pipe[0] = w->pipe[1] = -1;
		return -1;
	}
	(void)fcntl(w->pipe[1], F_SETPIPE_SZ, FORWARD_PIPE_SIZE);
	return 0;
}

static void
way_pipe_put(struct forward_way *w, struct forward_pipes *pipes)
{
	if (w->pipe[0] == -1)
		return;
	if (w->held == 0 && pipes->n < FORWARD_PIPES_MAX) {
		memcpy(pipes->fd[pipes->n++], w->pipe, sizeof(w->pipe));
	} else {
		fd_close(&w->pipe[0]);
		fd_close(&w->pipe[1]);
	}
	w->pipe[0] = w->pipe[1] = -1;
	w->held = 0;
}

/* --- bytes --- */

/* Take bytes off the socket, into the empty pipe.  0, or -1 if that has failed. */
static int
way_read(struct forward_way *w)
{
	ssize_t n;

	do {
		n = splice(w->from, NULL, w->pipe[1], NULL, FORWARD_PIPE_SIZE,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (n == -1 && errno == EINTR);
	if (n > 0) {
		w->held = (uint32_t)n;
	} else if (n == 0) {
		w->readable = 0;
		w->ended = 1;
	} else if (errno == EAGAIN) {
		w->readable = 0;
	} else {
		return -1;
	}
	return 0;
}

static int
way_write(struct forward_way *w)
{
	ssize_t n;

	do {
		n = splice(w->pipe[0], NULL, w->to, NULL, w->held,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (n == -1 && errno == EINTR);
	if (n > 0) {
		w->held -= (uint32_t)n;
		w->bytes += (uint64_t)n;
	} else if (n == -1 && errno == EAGAIN) {
		w->writable = 0;
	} else {
		return -1;
	}
	return 0;
}

static enum forward_moved
way_turn(struct forward_way *w, struct forward_pipes *pipes)
{
	int i;

	for (i = 0; i < FORWARD_TURN; i++) {
		if (w->held == 0) {
			if (!w->readable || w->ended)
				return FORWARD_WAITS;
			if (w->pipe[0] == -1 && way_pipe_get(w, pipes) == -1)
				return FORWARD_NO_PIPE;
			if (way_read(w) == -1)
				return FORWARD_FROM_FAILED;
			if (w->held == 0)
				return FORWARD_WAITS;
		}
		while (w->held > 0) {
			if (!w->writable)
				return FORWARD_WAITS;
			if (way_write(w) == -1)
				return FORWARD_TO_FAILED;
		}
	}
	return FORWARD_GOES_ON;
}

void
forward_way_init(struct forward_way *w, int from, int to)
{
	*w = (struct forward_way){ .from = from, .to = to, .pipe = { -1, -1 } };
	/* what came before it was looked at is no event any more */
	w->readable = w->writable = 1;
}

enum forward_moved
forward_way_move(struct forward_way *w, struct forward_pipes *pipes)
{
	enum forward_moved m;

	if (w->closed)
		return FORWARD_WAITS;
	m = way_turn(w, pipes);
	if (w->held == 0)
		way_pipe_put(w, pipes);
	if (m == FORWARD_WAITS && w->ended && w->held == 0) {
		w->closed = 1;
		/* it fails on a connection that has been reset, which the next event says, too */
		(void)shutdown(w->to, SHUT_WR);
	}
	return m;
}

void
forward_way_end(struct forward_way *w, struct forward_pipes *pipes)
{
	way_pipe_put(w, pipes);
}
