/*
 * The process forwarder (forward.h): the messages of the master, and the events of all connections.  A role
 * of cli/role.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proctitle.h"
#include "edge/forward.h"
#include "edge/forward_connection.h"

/* Events of one epoll_wait(2). */
#define FORWARDER_EVENTS 64
/* Descriptors of a connection: two sockets, and a pipe for each way in which bytes wait; the errand's socket
 * is closed before. */
#define FORWARDER_DESCRIPTORS 6
/* All others: the log, the master, epoll and signals, spare pipes, and one that is just being received. */
#define FORWARDER_OWN (16 + 2 * FORWARD_PIPES_MAX)
/* No more than these, whatever the limit of descriptors is: they take less than 64 MiB. */
#define FORWARDER_MAX 65536
/* Idle connections are looked for no more often. */
#define FORWARDER_SWEEP_MS 250

/* --- the master --- */

/* Whether there is room in its socket is an event while it has to be told something. */
static void
forwarder_watch_master(const struct forwarder *p, int op)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (p->master_full)
		event.events |= EPOLLOUT;
	(void)!epoll_ctl(p->epoll, op, p->master, &event);
}

/* Free those that are over, once the master knows. */
static void
forwarder_flush(struct forwarder *p)
{
	struct forward *f;
	struct buf b;
	int r = 0;

	while ((f = TAILQ_FIRST(&p->over)) != NULL) {
		if (p->master != -1) {
			ipc_begin(&b, IPC_FORWARD_ENDED);
			wire_put_u64(&b, f->number);
			r = ipc_send(p->master, &b, -1);
		}
		if (r == ERR_AGAIN)
			break;
		TAILQ_REMOVE(&p->over, f, entry);
		free(f);
	}
	if ((r == ERR_AGAIN) != p->master_full) {
		p->master_full = r == ERR_AGAIN;
		forwarder_watch_master(p, EPOLL_CTL_MOD);
	}
}

static void
forwarder_log(struct wire *body)
{
	const uint8_t level = wire_u8(body), format = wire_u8(body);

	if (wire_end(body) != 0 || level > LOG_LVL_DEBUG || format > LOG_FORMAT_JSON)
		return;
	log_set_level((enum log_level)level);
	log_set_format((enum log_format)format);
}

static void
forwarder_take(struct forwarder *p, struct ipc_msg *msg)
{
	struct ipc_forward m;
	uint64_t number;

	if (msg->type == IPC_FORWARD_LOG) {
		forwarder_log(&msg->body);
	} else if (msg->type == IPC_FORWARD && ipc_forward_get(&msg->body, &m) == 0) {
		forward_begin(p, &m, msg->fd);
		msg->fd = -1;
	} else if (msg->type == IPC_FORWARD_DIAL) {
		number = wire_u64(&msg->body);
		if (wire_end(&msg->body) == 0) {
			forward_dial(p, number, msg->fd);
			msg->fd = -1;
		}
	}
	fd_close(&msg->fd);
}

/* What is being forwarded goes on.  What has no errand yet gets none any more. */
static void
forwarder_master_gone(struct forwarder *p)
{
	struct forward *f, *next;

	fd_close(&p->master);
	for (f = TAILQ_FIRST(&p->all); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->errand.fd == -1 && f->target.fd == -1)
			forward_end(p, f, "the gateway has ended");
	}
}

static void
forwarder_messages(struct forwarder *p)
{
	struct ipc_msg msg;
	int r;

	do {
		r = ipc_recv(p->master, p->message, IPC_MASTER_TO_FORWARDER, IPC_PHASE_ANY, &msg);
		if (r == 0)
			forwarder_take(p, &msg);
	} while (r == 0);
	if (r == ERR_NOFILE)
		log_error("a connection cannot be forwarded: %s", err_str(r));
	else if (r != ERR_AGAIN)
		forwarder_master_gone(p);
}

/* --- all connections --- */

/* Cut those that have been idle for too long.  The others say when to look again. */
static void
forwarder_sweep(struct forwarder *p)
{
	struct forward *f, *next;
	int64_t at;

	p->sweep_at = CLOCK_NEVER;
	for (f = TAILQ_FIRST(&p->all); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		at = forward_idle_at(f);
		if (at <= p->now)
			forward_end(p, f, "no byte for IdleTimeout");
		else if (at < p->sweep_at)
			p->sweep_at = at;
	}
	if (p->sweep_at < p->now + FORWARDER_SWEEP_MS)
		p->sweep_at = p->now + FORWARDER_SWEEP_MS;
}

/* Each connection that has more to move, once. */
static void
forwarder_turns(struct forwarder *p)
{
	struct forward_list turns = TAILQ_HEAD_INITIALIZER(turns);
	struct forward *f;

	TAILQ_CONCAT(&turns, &p->turns, turn);
	while ((f = TAILQ_FIRST(&turns)) != NULL) {
		TAILQ_REMOVE(&turns, f, turn);
		f->in_turns = 0;
		f->last = p->now;
		forward_move(p, f);
	}
}

/* SIGTERM ends the connections, each with its line in the log.  Other signals are for the master. */
static void
forwarder_signal(struct forwarder *p)
{
	struct signalfd_siginfo info;

	while (read(p->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGTERM)
			continue;
		while (!TAILQ_EMPTY(&p->all))
			forward_end(p, TAILQ_FIRST(&p->all), "the gateway is being ended");
		_exit(0);
	}
}

static void
forwarder_round(struct forwarder *p)
{
	struct epoll_event events[FORWARDER_EVENTS];
	int64_t until = TAILQ_EMPTY(&p->turns) ? p->sweep_at : 0;
	int i, n, asked = 0;

	n = epoll_wait(p->epoll, events, FORWARDER_EVENTS, clock_until(until, p->now));
	p->now = clock_ms();
	for (i = 0; i < n; i++)
		if (events[i].data.ptr == NULL)
			asked = 1;
		else if (events[i].data.ptr == p)
			forwarder_signal(p);
		else
			forward_event(p, events[i].data.ptr, events[i].events);
	forwarder_turns(p);
	if (p->now >= p->sweep_at)
		forwarder_sweep(p);
	if (asked && p->master != -1)
		forwarder_messages(p);
	/* they are freed here, when no event points to them any more */
	forwarder_flush(p);
}

static int
forwarder_begin(struct forwarder *p, int sock)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = p };
	struct rlimit limit;
	sigset_t before;

	/* gmtime(3), which the log as JSON uses, reads a file once */
	tzset();
	p->master = sock;
	p->now = clock_ms();
	p->sweep_at = CLOCK_NEVER;
	TAILQ_INIT(&p->all);
	TAILQ_INIT(&p->over);
	TAILQ_INIT(&p->turns);
	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || fd_signals(&p->signals, &before) != 0)
		return -1;
	if (limit.rlim_cur > FORWARDER_OWN)
		p->max = (unsigned int)((limit.rlim_cur - FORWARDER_OWN) / FORWARDER_DESCRIPTORS);
	if (p->max > FORWARDER_MAX)
		p->max = FORWARDER_MAX;
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll == -1 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->signals, &event) == -1)
		return -1;
	forwarder_watch_master(p, EPOLL_CTL_ADD);
	return forward_confine(p->signals) == 0 ? 0 : -1;
}

void
forward_run(int sock)
{
	static struct forwarder p;

	proctitle_set("forwarder");
	if (forwarder_begin(&p, sock) == -1) {
		log_error("forwarder cannot start: %s", strerror(errno));
		_exit(1);
	}
	while (p.master != -1 || !TAILQ_EMPTY(&p.all))
		forwarder_round(&p);
	_exit(0);
}
