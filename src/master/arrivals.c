/*
 * The table of connections that the process edge looks at (arrivals.h), and that process.  Called by master.c
 * and reload.c.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/dontfork.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/messages.h"
#include "master/errands.h"
#include "master/master_private.h"

/* The places in the table: 1024 for each of the two looks, see proxied.c and detect.c. */
#define ARRIVALS_MAX 2048
/* Answers of edge that are handled before the listeners are looked at again. */
#define ARRIVALS_BURST 64
/* How soon after its last start edge is started again. */
#define ARRIVALS_RESTART_MS 1000
/* How long a master that ends waits for answers. */
#define ARRIVALS_END_MS 250

TAILQ_HEAD(arrival_list, arrival);

/* In memory that sessions do not inherit. */
struct arrivals {
	int sock;
	pid_t pid;	    /* -1: there is no edge */
	int64_t started;    /* when edge was */
	int64_t restart_at; /* CLOCK_NEVER: it is not to be started */
	int told;	    /* edge has been told what to look for */
	uint64_t serial;
	unsigned int n[ARRIVAL_LOOKS];
	struct arrival_list waiting[ARRIVAL_LOOKS]; /* by their time */
	struct arrival_list queue;		    /* edge is to be told of them, in this order */
	struct arrival_list unused;
	unsigned int used; /* places that have ever been used */
	struct arrival all[ARRIVALS_MAX];
};

static struct arrivals *
arrivals_new(void)
{
	struct arrivals *t = dontfork_new(sizeof(*t));
	size_t i;

	if (t == NULL)
		return NULL;
	t->sock = -1;
	t->pid = -1;
	t->started = -ARRIVALS_RESTART_MS;
	t->restart_at = CLOCK_NEVER;
	for (i = 0; i < ARRIVAL_LOOKS; i++)
		TAILQ_INIT(&t->waiting[i]);
	TAILQ_INIT(&t->queue);
	TAILQ_INIT(&t->unused);
	return t;
}

void
arrivals_free(struct arrivals **t)
{
	if (*t != NULL)
		fd_close(&(*t)->sock);
	dontfork_free(*t, sizeof(**t));
	*t = NULL;
}

static unsigned int
arrivals_all(const struct arrivals *t)
{
	return t->n[ARRIVAL_HEADER] + t->n[ARRIVAL_KIND] + t->n[ARRIVAL_RELEASED];
}

/* --- the process --- */

static void
arrivals_start_edge(struct master *m, int64_t now)
{
	struct arrivals *t = m->arrivals;
	int pair[2] = { -1, -1 };

	t->restart_at = now + ARRIVALS_RESTART_MS;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0 &&
	    errands_fork(m, pair[1], (const char *const[]){ "role-edge", NULL }, &t->pid) == 0) {
		t->sock = pair[0];
		t->started = now;
		t->told = !detect_has_patterns(m); /* it begins with none */
		t->restart_at = CLOCK_NEVER;
	} else {
		log_error("edge cannot be started: %s", strerror(errno));
		fd_close(&pair[0]);
	}
	fd_close(&pair[1]);
}

/* Edge has closed its socket, or sends what it may not: it is killed, and started again once it is reaped. */
static void
arrivals_edge_failed(struct arrivals *t, int r)
{
	log_error("edge: %s", err_str(r));
	fd_close(&t->sock);
	if (t->pid != -1)
		(void)!kill(t->pid, SIGKILL);
}

int
arrivals_reap(struct master *m, pid_t pid, int status)
{
	struct arrivals *t = m->arrivals;
	struct arrival *a, *next;
	unsigned int cut = 0;
	int ended, look;
	char how[64];

	if (t == NULL || t->pid != pid)
		return 0;
	t->pid = -1;
	/* because the master had closed its socket */
	ended = t->sock == -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	fd_close(&t->sock);
	t->restart_at = !conf_needs_edge(m->conf) && arrivals_all(t) == 0 ?
	    CLOCK_NEVER :
	    t->started + ARRIVALS_RESTART_MS;
	for (look = 0; look < ARRIVAL_LOOKS; look++)
		for (a = TAILQ_FIRST(&t->waiting[look]); a != NULL; a = next) {
			next = TAILQ_NEXT(a, entry);
			if (!a->sent)
				continue;
			arrivals_cut(m, a);
			cut++;
		}
	if (ended && cut == 0)
		return 1;
	master_how_ended(status, how);
	log_error(
	    "edge has died (%s): %u connections that it was looking at are closed; it is started again",
	    how, cut);
	return 1;
}

/* --- what edge is told --- */

/* AWAIT_HEADER, AWAIT_KIND or RELEASE.  0 or an ERR_*. */
static int
arrivals_send_one(struct arrivals *t, struct arrival *a)
{
	struct buf b;
	int r;

	ipc_begin(&b,
	    a->sent			  ? IPC_RELEASE :
		a->look == ARRIVAL_HEADER ? IPC_AWAIT_HEADER :
					    IPC_AWAIT_KIND);
	wire_put_u64(&b, a->number);
	r = ipc_send(t->sock, &b, a->sent ? -1 : a->c.fd);
	if (r != 0)
		return r;
	TAILQ_REMOVE(&t->queue, a, to_queue);
	a->queued = 0;
	a->sent = 1;
	return 0;
}

/* Send edge what waits for it.  What does not fit into its socket waits for arrivals_input(). */
static void
arrivals_send(struct master *m)
{
	struct arrivals *t = m->arrivals;
	struct arrival *a;
	struct buf b;
	int r = 0;

	if (t->sock == -1)
		return;
	if (!t->told) {
		ipc_begin(&b, IPC_PATTERNS);
		detect_put_patterns(m, &b);
		r = ipc_send(t->sock, &b, -1);
		t->told = r == 0;
	}
	while (r == 0 && (a = TAILQ_FIRST(&t->queue)) != NULL)
		r = arrivals_send_one(t, a);
	/* too many descriptors on their way (ERR_SYS) is a full socket, too */
	if (r == ERR_EOF)
		arrivals_edge_failed(t, r);
}

static void
arrivals_enqueue(struct arrivals *t, struct arrival *a)
{
	if (!a->queued)
		TAILQ_INSERT_TAIL(&t->queue, a, to_queue);
	a->queued = 1;
}

void
arrivals_configure(struct master *m)
{
	struct arrivals *t;

	if (!conf_needs_edge(m->conf))
		return; /* arrivals_timers() ends edge when nothing waits any more */
	if (m->arrivals == NULL)
		m->arrivals = arrivals_new();
	t = m->arrivals;
	if (t == NULL) {
		log_error("edge cannot be started: %s", err_str(ERR_NOMEM));
		return;
	}
	detect_configure(m);
	t->told = 0;
	if (t->pid == -1 && t->restart_at == CLOCK_NEVER)
		arrivals_start_edge(m, clock_ms());
	arrivals_send(m);
}

/* --- connections --- */

void
arrivals_add(struct master *m, enum arrival_look look, struct connection *c)
{
	struct arrivals *t = m->arrivals;
	struct arrival *a = NULL;

	if (t != NULL) {
		a = TAILQ_FIRST(&t->unused);
		if (a != NULL)
			TAILQ_REMOVE(&t->unused, a, entry);
		else if (t->used < ARRIVALS_MAX)
			a = &t->all[t->used++];
	}
	if (a == NULL) {
		drops_log(c, LOG_LVL_ERROR, err_str(ERR_NOMEM));
		fd_close(&c->fd);
		return;
	}
	*a = (struct arrival){ .look = look, .since = clock_ms(), .c = *c };
	a->number = ++t->serial * ARRIVALS_MAX + (uint64_t)(a - t->all);
	a->source = startups_source(m->startups, &c->address);
	c->fd = -1;
	TAILQ_INSERT_TAIL(&t->waiting[look], a, entry);
	t->n[look]++;
	arrivals_enqueue(t, a);
	arrivals_send(m);
}

void
arrivals_release(struct master *m, struct arrival *a)
{
	struct arrivals *t = m->arrivals;

	TAILQ_REMOVE(&t->waiting[a->look], a, entry);
	t->n[a->look]--;
	a->look = ARRIVAL_RELEASED;
	a->since = clock_ms();
	TAILQ_INSERT_TAIL(&t->waiting[a->look], a, entry);
	t->n[a->look]++;
	arrivals_enqueue(t, a);
	arrivals_send(m);
}

struct arrival *
arrivals_first(const struct master *m, enum arrival_look look)
{
	return m->arrivals == NULL ? NULL : TAILQ_FIRST(&m->arrivals->waiting[look]);
}

unsigned int
arrivals_waiting(const struct master *m, enum arrival_look look)
{
	return m->arrivals == NULL ? 0 : m->arrivals->n[look];
}

unsigned int
arrivals_of_source(const struct master *m, const struct netaddr *address)
{
	const struct netaddr source = startups_source(m->startups, address);
	const struct arrival *a;
	unsigned int n = 0;
	int look;

	for (look = ARRIVAL_KIND; m->arrivals != NULL && look <= ARRIVAL_RELEASED; look++)
		TAILQ_FOREACH(a, &m->arrivals->waiting[look], entry)
			n += (unsigned int)netaddr_equal(&a->source, &source);
	return n;
}

struct arrival *
arrivals_find(const struct master *m, uint64_t number)
{
	struct arrival *a = &m->arrivals->all[number % ARRIVALS_MAX];

	return number != 0 && a->number == number && a->sent ? a : NULL;
}

void
arrivals_take(struct master *m, struct arrival *a, struct connection *c)
{
	struct arrivals *t = m->arrivals;

	*c = a->c;
	if (a->queued)
		TAILQ_REMOVE(&t->queue, a, to_queue);
	TAILQ_REMOVE(&t->waiting[a->look], a, entry);
	TAILQ_INSERT_HEAD(&t->unused, a, entry);
	t->n[a->look]--;
	a->queued = 0;
	a->number = 0;
}

void
arrivals_cut(struct master *m, struct arrival *a)
{
	struct connection c;

	arrivals_take(m, a, &c);
	(void)!shutdown(c.fd, SHUT_RDWR);
	fd_close(&c.fd);
}

/* --- the master's loop --- */

/* Handle one message of edge.  0, or an ERR_* if there is none. */
static int
arrivals_message(struct master *m)
{
	struct arrivals *t = m->arrivals;
	struct ipc_msg msg;
	int r;

	r = ipc_recv(t->sock, m->message, IPC_EDGE_TO_MASTER, IPC_PHASE_ANY, &msg);
	if (r == 0)
		r = msg.type == IPC_HEADER ? proxied_header(m, &msg.body) :
		    msg.type == IPC_KIND   ? detect_kind(m, &msg.body) :
					     proxied_no_header(m, &msg.body);
	if (r != 0 && r != ERR_AGAIN)
		arrivals_edge_failed(t, r);
	return r;
}

void
arrivals_poll(const struct master *m, struct pollfd *fd, int paused)
{
	const struct arrivals *t = m->arrivals;

	*fd = (struct pollfd){ -1, 0, 0 };
	if (t == NULL || t->sock == -1)
		return;
	fd->events = (short)((paused ? 0 : POLLIN) |
	    (!t->told || !TAILQ_EMPTY(&t->queue) ? POLLOUT : 0));
	if (fd->events != 0)
		fd->fd = t->sock;
}

void
arrivals_input(struct master *m, short events)
{
	const struct arrivals *t = m->arrivals;
	int i;

	if (t == NULL || t->sock == -1)
		return;
	if ((events & POLLOUT) != 0)
		arrivals_send(m);
	if ((events & ~POLLOUT) == 0)
		return;
	for (i = 0; i < ARRIVALS_BURST && t->sock != -1 && master_has_room(m); i++)
		if (arrivals_message(m) != 0)
			return;
}

int64_t
arrivals_timers(struct master *m, int64_t now)
{
	struct arrivals *t = m->arrivals;
	int64_t next, due;

	if (t == NULL)
		return CLOCK_NEVER;
	next = proxied_timers(m, now);
	due = detect_timers(m, now);
	if (due < next)
		next = due;
	if (arrivals_all(t) == 0 && !conf_needs_edge(m->conf)) {
		fd_close(&t->sock); /* by which edge ends */
		t->restart_at = CLOCK_NEVER;
	}
	if (t->pid == -1 && t->restart_at <= now) {
		arrivals_start_edge(m, now);
		arrivals_send(m);
	}
	return t->restart_at < next ? t->restart_at : next;
}

void
arrivals_end(struct master *m)
{
	const int64_t end = clock_ms() + ARRIVALS_END_MS;
	struct pollfd fd;
	int64_t now;

	if (m->arrivals == NULL || arrivals_all(m->arrivals) == 0 || m->keeper_pid == -1)
		return;
	listeners_drop(m->listeners, m->n_listeners, NULL, 0);
	for (now = clock_ms(); arrivals_all(m->arrivals) > 0 && now < end; now = clock_ms()) {
		arrivals_poll(m, &fd, 0);
		if (poll(&fd, 1, clock_until(end, now)) == 1)
			arrivals_input(m, fd.revents);
	}
}
