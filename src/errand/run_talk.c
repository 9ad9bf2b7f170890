/*
 * Talking to a program that runs: what it prints goes to the functions of run_order.talk, and what these give
 * to its standard input.  Called by run.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "errand/run_private.h"

/* What waits for the program to read it: answers to one round of questions, several times over. */
#define RUN_INPUT_MAX 65536

/* Write what the pipe takes.  A program that has closed its standard input is not told more. */
static void
run_write_in(struct run *run, struct buf *in)
{
	ssize_t n;

	if (run->in == -1 || in->len == 0)
		return;
	n = write(run->in, in->data, in->len);
	if (n > 0)
		buf_consume(in, (size_t)n);
	else if (n == -1 && errno != EAGAIN && errno != EINTR)
		fd_close(&run->in);
	if (run->in == -1 || in->len == 0)
		buf_wipe(in);
}

/* After its end: take what is left in its pipes, which processes that it has left behind may hold open. */
static int
run_drain(struct run *run, struct run_result *result)
{
	struct pollfd fd = { run->out, POLLIN, 0 };

	for (; run->out != -1 && poll(&fd, 1, 0) > 0; fd.fd = run->out)
		if (run_read_out(run, result) != 0)
			return ERR_TOOBIG;
	fd = (struct pollfd){ run->err, POLLIN, 0 };
	for (; run->err != -1 && poll(&fd, 1, 0) > 0; fd.fd = run->err)
		if (run_read_err(run, result) != 0)
			return ERR_TOOBIG;
	fd_close(&run->out);
	fd_close(&run->err);
	return 0;
}

/* One round of poll(2).  0; or another value, with result->failure set. */
static int
run_talk_round(struct run *run, const struct run_order *order, int wait_ms, struct buf *in,
    struct run_result *result)
{
	struct pollfd fds[] = { { run->out, POLLIN, 0 }, { run->err, POLLIN, 0 },
		{ order->watched, POLLIN, 0 }, { in->len > 0 ? run->in : -1, POLLOUT, 0 } };
	const int ended = run_has_ended(run);
	int r = 0;

	if (poll(fds, 4, wait_ms) > 0) {
		if (fds[2].revents != 0) {
			r = order->talk->told(order->talk->ctx, in, result);
			if (r != 0)
				return r;
		}
		if (fds[0].revents != 0)
			r = run_read_out(run, result);
		if (fds[1].revents != 0 && r == 0)
			r = run_read_err(run, result);
	}
	if (ended && r == 0)
		r = run_drain(run, result);
	if (r != 0) {
		run_fail_output(result, result->failure);
		return r;
	}
	run_write_in(run, in);
	return order->talk->said(order->talk->ctx, result);
}

void
run_converse(struct run *run, const struct run_order *order, int64_t deadline,
    struct run_result *result)
{
	struct buf in;
	int64_t now;
	int wait_ms;

	buf_init(&in, RUN_INPUT_MAX);
	/* what it has said last is looked at once more after its end */
	while (!run->ended || run->out != -1 || order->talk->waits(order->talk->ctx)) {
		now = clock_ms();
		if (now >= deadline) {
			snprintf(result->failure, sizeof(result->failure),
			    "it took too long and was killed");
			break;
		}
		wait_ms = clock_until(deadline, now);
		/* nothing wakes poll(2) when it ends, if others hold its pipes open or it has closed them */
		if (!run->ended && wait_ms > (run->out == -1 ? 10 : 200))
			wait_ms = run->out == -1 ? 10 : 200;
		else if (run->ended && run->out != -1)
			wait_ms = 0;
		if (run_talk_round(run, order, wait_ms, &in, result) != 0)
			break;
	}
	buf_wipe(&in);
}
