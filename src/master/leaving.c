/*
 * What stays of a master while people look for their second factor: nothing but the keeper's socket, from which
 * orders for errands come (to dial, to check a password, to run a program).  master.c calls it at its end.
 */
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proctitle.h"
#include "base/reexec.h"
#include "errand/run.h"
#include "master/errands.h"
#include "master/leaving.h"
#include "master/master_private.h"

/* How long after FactorTimeout it stays at most: by then the keeper has cut the last login. */
#define LEAVING_SLACK_MS 15000
/* The keeper gives FactorTimeout to a thousand at once. */
#define LEAVING_MAX 1024

/* The logins that are waited for.  The table of sessions is not in the memory of a forked process. */
struct leaving {
	uint64_t ids[LEAVING_MAX];
	size_t n;
	int64_t until; /* of clock_ms() */
};

/* Signals: errands that have ended, or that this process is to end. */
static void
leaving_signals(struct master *m)
{
	struct signalfd_siginfo info;
	int status;

	while (read(m->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			m->done = 1;
		while (waitpid(-1, &status, WNOHANG) > 0)
			if (WIFSIGNALED(status))
				run_sweep();
	}
}

/* This login is over. */
static void
leaving_forget(struct leaving *l, uint64_t id)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (l->ids[i] == id)
			l->ids[i] = l->ids[--l->n];
}

/* Messages of the keeper, all that have come. */
static void
leaving_keeper(struct master *m, struct leaving *l)
{
	struct ipc_msg msg;
	int r;

	while ((r = ipc_recv(m->keeper, m->message, IPC_KEEPER_TO_MASTER, IPC_PHASE_ANY, &msg)) !=
	    ERR_AGAIN) {
		if (r != 0) {
			m->done = 1;
			return;
		}
		if (msg.type == IPC_ERRAND)
			errands_start(m, &msg);
		else if (msg.type == IPC_LOGGED_IN || msg.type == IPC_LOGIN_ENDED)
			leaving_forget(l, wire_u64(&msg.body));
		fd_close(&msg.fd);
	}
}

static void __attribute__((noreturn)) leaving_run(struct master *m, struct leaving *l)
{
	struct pollfd fds[2] = { { m->keeper, POLLIN, 0 }, { m->signals, POLLIN, 0 } };
	const int keep[] = { m->keeper, m->signals, m->starter, reexec_fd() };
	const int64_t end = l->until + LEAVING_SLACK_MS;
	int64_t now;

	fd_close_others(3, keep, sizeof(keep) / sizeof(keep[0]));
	run_adopt();
	proctitle_set("master, until logins are done");
	m->done = 0;
	for (now = clock_ms(); !m->done && l->n > 0 && now < end; now = clock_ms()) {
		if (poll(fds, 2, clock_until(end, now)) <= 0)
			continue;
		leaving_signals(m);
		leaving_keeper(m, l);
	}
	_exit(0);
}

void
leaving_begin(struct master *m)
{
	static struct leaving l;
	struct buf b;
	pid_t pid;

	l.n = startups_half_proven_left(m->startups, l.ids, LEAVING_MAX, &l.until);
	if (l.n == 0)
		return;
	/* the next gateway binds to the same addresses */
	listeners_drop(m->listeners, m->n_listeners, NULL, 0);
	ipc_begin(&b, IPC_LEAVING);
	if (ipc_send(m->keeper, &b, -1) != 0)
		return;
	pid = fork();
	if (pid == 0)
		leaving_run(m, &l);
	if (pid == -1)
		log_error("cannot fork: %zu logins that wait for a second factor will fail", l.n);
	else
		log_info("%zu logins wait for a second factor, and go on", l.n);
}
