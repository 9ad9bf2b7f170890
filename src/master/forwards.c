/*
 * Connections for the sections [forward NAME] (forwards.h): the queue of those that wait for an errand, how
 * many each section has, and the process forwarder.  Called by detect.c, master.c and reload.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/dontfork.h"
#include "base/fd.h"
#include "base/log.h"
#include "master/errands.h"
#include "master/forwards_private.h"

/* Messages of the forwarder that are handled before the listeners are looked at again. */
#define FORWARDS_BURST 64
/* How soon after its last start the forwarder is started again. */
#define FORWARDS_RESTART_MS 1000

static struct forwards *
forwards_new(void)
{
	struct forwards *t = dontfork_new(sizeof(*t));
	size_t i;

	if (t == NULL)
		return NULL;
	t->sock = t->owed = t->dialler = -1;
	t->pid = -1;
	t->started = -FORWARDS_RESTART_MS;
	t->restart_at = CLOCK_NEVER;
	TAILQ_INIT(&t->waiting);
	TAILQ_INIT(&t->unused);
	for (i = 0; i < FORWARDS_WAITING_MAX; i++)
		TAILQ_INSERT_TAIL(&t->unused, &t->all[i], entry);
	return t;
}

void
forwards_free(struct forwards **t)
{
	if (*t != NULL) {
		fd_close(&(*t)->sock);
		fd_close(&(*t)->dialler);
	}
	dontfork_free(*t, sizeof(**t));
	*t = NULL;
}

/* --- the process --- */

static void
forwards_start(struct master *m, int64_t now)
{
	struct forwards *t = m->forwards;
	int pair[2] = { -1, -1 };

	t->restart_at = now + FORWARDS_RESTART_MS;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0 &&
	    errands_fork(m, pair[1], (const char *const[]){ "role-forward", NULL }, &t->pid) == 0) {
		t->sock = pair[0];
		t->started = now;
		t->told = 0;
		t->restart_at = CLOCK_NEVER;
	} else {
		log_error("the forwarder cannot be started: %s", strerror(errno));
		fd_close(&pair[0]);
	}
	fd_close(&pair[1]);
}

/* It has closed its socket, or sends what it may not: it is killed, and started again once it is reaped. */
static void
forwards_failed(struct forwards *t, int r)
{
	log_error("forwarder: %s", err_str(r));
	fd_close(&t->sock);
	if (t->pid != -1)
		(void)!kill(t->pid, SIGKILL);
}

static void
forwards_reaped(struct master *m, int status)
{
	struct forwards *t = m->forwards;
	const struct forwards_waiting *w;
	unsigned int n = 0;
	char how[64];
	size_t i;

	t->pid = -1;
	/* only those that wait are left */
	for (i = 0; i < FORWARDS_COUNTS; i++) {
		n += t->counts[i].n;
		t->counts[i].n = 0;
	}
	TAILQ_FOREACH(w, &t->waiting, entry)
		t->counts[w->number % FORWARDS_COUNTS].n++;
	fd_close(&t->owed);
	t->restart_at = m->conf->n_forwards > 0 || t->n_waiting > 0 ?
	    t->started + FORWARDS_RESTART_MS :
	    CLOCK_NEVER;
	if (t->sock == -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return; /* because the master had closed its socket */
	fd_close(&t->sock);
	master_how_ended(status, how);
	log_error("the forwarder has died (%s): %u forwarded connections are closed; it is started "
		  "again",
	    how, n - t->n_waiting);
}

void
forwards_end(struct master *m)
{
	struct forwards *t = m->forwards;

	if (t == NULL || t->pid == -1)
		return;
	fd_close(&t->sock);
	(void)!kill(t->pid, SIGTERM);
}

int
forwards_running(const struct master *m)
{
	return m->forwards != NULL && m->forwards->pid != -1;
}

/* --- counts --- */

/* The count of a section, or NULL: so many of a reload's old sections still have connections. */
static struct forwards_count *
forwards_count(struct forwards *t, const char *name)
{
	struct forwards_count *unused = NULL;
	size_t i;

	for (i = 0; i < FORWARDS_COUNTS; i++) {
		if (strcmp(t->counts[i].name, name) == 0)
			return &t->counts[i];
		if (unused == NULL && t->counts[i].n == 0)
			unused = &t->counts[i];
	}
	if (unused != NULL)
		snprintf(unused->name, sizeof(unused->name), "%s", name);
	return unused;
}

/* FORWARD_ENDED */
static int
forwards_ended(struct forwards *t, struct wire *body)
{
	const uint64_t number = wire_u64(body);
	struct forwards_count *count = &t->counts[number % FORWARDS_COUNTS];

	if (wire_end(body) != 0)
		return ERR_FORMAT;
	if (count->n > 0)
		count->n--;
	return 0;
}

/* --- those that wait --- */

static unsigned int
forwards_waiting_of(const struct forwards *t, const struct netaddr *source)
{
	const struct forwards_waiting *w;
	unsigned int n = 0;

	TAILQ_FOREACH(w, &t->waiting, entry)
		n += (unsigned int)netaddr_equal(&w->source, source);
	return n;
}

static unsigned int
forwards_dials_of(const struct forwards *t, const struct netaddr *source)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < FORWARDS_DIALS_MAX; i++)
		n += t->dials[i].pid != 0 && netaddr_equal(&t->dials[i].source, source);
	return n;
}

/* The oldest of the source that has the fewest errands. */
static struct forwards_waiting *
forwards_next(const struct forwards *t)
{
	struct forwards_waiting *w, *best = NULL;
	unsigned int n, least = 0;

	TAILQ_FOREACH(w, &t->waiting, entry) {
		n = forwards_dials_of(t, &w->source);
		if (best == NULL || n < least) {
			best = w;
			least = n;
		}
		if (n == 0)
			break;
	}
	return best;
}

static void
forwards_forget(struct forwards *t, struct forwards_waiting *w)
{
	fd_close(&w->c.fd);
	TAILQ_REMOVE(&t->waiting, w, entry);
	TAILQ_INSERT_HEAD(&t->unused, w, entry);
	t->n_waiting--;
}

static void
forwards_refuse(struct master *m, struct connection *c, const char *name, const char *why)
{
	char line[512];

	snprintf(line, sizeof(line), "[forward %s]: %s", name, why);
	drops_refuse(&m->drops, c, STARTUP_NOT_FORWARDED, line, clock_ms());
	fd_close(&c->fd);
}

/* It waits no longer, and is not forwarded. */
static void
forwards_give_up(struct master *m, struct forwards_waiting *w, const char *why)
{
	struct forwards *t = m->forwards;
	struct forwards_count *count = &t->counts[w->number % FORWARDS_COUNTS];

	forwards_refuse(m, &w->c, count->name, why);
	count->n--;
	forwards_forget(t, w);
}

/* --- handing over --- */

/* The section of this name in the configuration, which may be another by now. */
static const struct conf_forward *
forwards_section(const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->n_forwards; i++)
		if (strcmp(conf->forwards[i].name, name) == 0)
			return &conf->forwards[i];
	return NULL;
}

/* FORWARD_DIAL, of which the forwarder has had the FORWARD.  0 or an ERR_*. */
static int
forwards_pay(struct forwards *t)
{
	struct buf b;
	int r;

	if (t->owed == -1)
		return 0;
	ipc_begin(&b, IPC_FORWARD_DIAL);
	wire_put_u64(&b, t->owed_number);
	r = ipc_send(t->sock, &b, t->owed);
	if (r == 0)
		fd_close(&t->owed);
	return r;
}

/* FORWARD and FORWARD_DIAL.  0 or an ERR_*: nothing has been sent. */
static int
forwards_hand_over(struct master *m, const struct conf_forward *f, struct forwards_waiting *w)
{
	struct forwards *t = m->forwards;
	const struct ipc_forward order = { .connection = w->number,
		.name = f->name,
		.client = w->c.client,
		.client_port = w->c.client_port,
		.host = w->host,
		.idle_ms = (uint32_t)f->idle_timeout_ms };
	struct buf b;
	int r;

	ipc_begin(&b, IPC_FORWARD);
	ipc_forward_put(&b, &order);
	r = ipc_send(t->sock, &b, w->c.fd);
	if (r != 0)
		return r;
	t->owed_number = w->number;
	t->owed = forwards_dial(m, f, w);
	forwards_forget(t, w);
	/* what finds no room goes later */
	return forwards_pay(t) == ERR_EOF ? ERR_EOF : 0;
}

/* How it logs.  0 or an ERR_*. */
static int
forwards_tell(const struct master *m)
{
	enum log_level level;
	enum log_format format;
	struct buf b;

	conf_log(&m->conf->gateway, &level, &format);
	ipc_begin(&b, IPC_FORWARD_LOG);
	buf_put_u8(&b, (uint8_t)level);
	buf_put_u8(&b, (uint8_t)format);
	return ipc_send(m->forwards->sock, &b, -1);
}

/* Hand over those that wait, while there are errands for them and room in the forwarder's socket. */
static void
forwards_go_on(struct master *m)
{
	struct forwards *t = m->forwards;
	const struct conf_forward *f;
	struct forwards_waiting *w;
	int r = 0;

	if (t->sock == -1)
		return;
	if (!t->told) {
		r = forwards_tell(m);
		t->told = r == 0;
	}
	if (r == 0)
		r = forwards_pay(t);
	while (r == 0 && t->owed == -1 && t->n_dials < FORWARDS_DIALS_MAX &&
	    (w = forwards_next(t)) != NULL) {
		f = forwards_section(m->conf, t->counts[w->number % FORWARDS_COUNTS].name);
		if (f == NULL)
			forwards_give_up(m, w, "the section has been removed");
		else
			r = forwards_hand_over(m, f, w);
	}
	/* too many descriptors on their way (ERR_SYS) is a full socket, too */
	if (r == ERR_EOF)
		forwards_failed(t, r);
}

void
forwards_take(struct master *m, const struct conf_forward *f, struct connection *c,
    const struct ipc_opening *o)
{
	struct forwards *t = m->forwards;
	const struct netaddr source = startups_source(m->startups, &c->address);
	const char *why = t == NULL ? err_str(ERR_NOMEM) : forwards_denied(f, o);
	struct forwards_count *count = NULL;
	struct forwards_waiting *w;

	if (why == NULL) {
		count = forwards_count(t, f->name);
		if (count == NULL || count->n >= (unsigned int)f->max_connections)
			why = "MaxConnections";
		else if (TAILQ_EMPTY(&t->unused) ||
		    (t->n_waiting >= FORWARDS_WAITING_OF_SOURCE &&
			forwards_waiting_of(t, &source) >= FORWARDS_WAITING_OF_SOURCE))
			why = "too many connections wait for its Target";
	}
	if (o->kind == IPC_KIND_CONNECT)
		connect_answer(c, why == NULL ? CONNECT_OPEN : CONNECT_BUSY);
	if (why != NULL) {
		forwards_refuse(m, c, f->name, why);
		return;
	}
	w = TAILQ_FIRST(&t->unused);
	TAILQ_REMOVE(&t->unused, w, entry);
	TAILQ_INSERT_TAIL(&t->waiting, w, entry);
	t->n_waiting++;
	count->n++;
	w->number = ++t->serial * FORWARDS_COUNTS + (uint64_t)(count - t->counts);
	w->since = clock_ms();
	w->source = source;
	w->c = *c;
	c->fd = -1;
	snprintf(w->host, sizeof(w->host), "%s", o->host);
	w->port = o->port;
	forwards_go_on(m);
}

/* --- the master's loop --- */

void
forwards_configure(struct master *m)
{
	struct forwards *t;

	if (m->conf->n_forwards > 0 && m->forwards == NULL) {
		m->forwards = forwards_new();
		if (m->forwards == NULL)
			log_error("the forwarder cannot be started: %s", err_str(ERR_NOMEM));
	}
	t = m->forwards;
	if (t == NULL)
		return;
	if (m->conf->n_forwards > 0 && t->pid == -1 && t->restart_at == CLOCK_NEVER)
		forwards_start(m, clock_ms());
	t->told = 0;
	forwards_go_on(m);
}

void
forwards_poll(const struct master *m, struct pollfd *fd)
{
	const struct forwards *t = m->forwards;

	*fd = (struct pollfd){ -1, POLLIN, 0 };
	if (t == NULL || t->sock == -1)
		return;
	fd->fd = t->sock;
	if (!t->told || t->owed != -1 ||
	    (!TAILQ_EMPTY(&t->waiting) && t->n_dials < FORWARDS_DIALS_MAX))
		fd->events |= POLLOUT;
}

void
forwards_input(struct master *m, short events)
{
	struct forwards *t = m->forwards;
	struct ipc_msg msg;
	int i, r = 0;

	if (t == NULL || t->sock == -1)
		return;
	for (i = 0; i < FORWARDS_BURST && r == 0 && (events & ~POLLOUT) != 0; i++) {
		r = ipc_recv(t->sock, m->message, IPC_FORWARDER_TO_MASTER, IPC_PHASE_ANY, &msg);
		if (r == 0)
			r = forwards_ended(t, &msg.body);
	}
	if (r != 0 && r != ERR_AGAIN)
		forwards_failed(t, r);
	else
		forwards_go_on(m);
}

/* 1 if there is nothing to forward, and will not be. */
static int
forwards_idle(const struct master *m)
{
	const struct forwards *t = m->forwards;
	size_t i;

	for (i = 0; m->conf->n_forwards == 0 && i < FORWARDS_COUNTS && t->counts[i].n == 0; i++)
		;
	return i == FORWARDS_COUNTS;
}

int64_t
forwards_timers(struct master *m, int64_t now)
{
	struct forwards *t = m->forwards;
	struct forwards_waiting *w, *after;
	const struct conf_forward *f;
	int64_t next = CLOCK_NEVER, due;

	if (t == NULL)
		return CLOCK_NEVER;
	for (w = TAILQ_FIRST(&t->waiting); w != NULL; w = after) {
		after = TAILQ_NEXT(w, entry);
		f = forwards_section(m->conf, t->counts[w->number % FORWARDS_COUNTS].name);
		due = f == NULL ? now : w->since + f->connect_timeout_ms;
		if (due <= now)
			forwards_give_up(m, w, "no errand for its Target within ConnectTimeout");
		else if (due < next)
			next = due;
	}
	if (t->sock != -1 && forwards_idle(m)) {
		fd_close(&t->sock); /* by which it ends */
		fd_close(&t->dialler);
	}
	if (t->pid == -1 && t->restart_at <= now) {
		forwards_start(m, now);
		forwards_go_on(m);
	}
	return t->restart_at < next ? t->restart_at : next;
}

int
forwards_reap(struct master *m, pid_t pid, int status)
{
	struct forwards *t = m->forwards;
	size_t i;

	if (t == NULL)
		return 0;
	if (t->pid == pid) {
		forwards_reaped(m, status);
		return 1;
	}
	for (i = 0; i < FORWARDS_DIALS_MAX && t->dials[i].pid != pid; i++)
		;
	if (i == FORWARDS_DIALS_MAX)
		return 0;
	t->dials[i].pid = 0;
	t->n_dials--;
	forwards_go_on(m);
	return 1;
}
