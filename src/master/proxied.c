/*
 * The master's side of PROXY headers: which connections wait for theirs, and the process edge that reads
 * them.  Limits and penalties count afterwards, for the client that the header names; here are only the
 * limits for those that have sent none.  Called by master.c and reload.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dontfork.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/reexec.h"
#include "formats/address.h"
#include "ipc/messages.h"
#include "master/master_private.h"

/* Connections that wait for their headers.  A working load balancer sends its header at once: if more than
 * these wait, the oldest are of something else, and are refused. */
#define PROXIED_MAX 1024
/* Answers of edge that are handled before the listeners are looked at again. */
#define PROXIED_BURST 64
/* How soon after its last start edge is started again. */
#define PROXIED_RESTART_MS 1000
/* How long a master that ends waits for headers. */
#define PROXIED_END_MS 250

struct proxied_waiting {
	TAILQ_ENTRY(proxied_waiting) entry; /* in waiting, or in spare */
	uint64_t number; /* a serial number, and in its last 10 bits the index in all */
	int sent;	 /* edge has it */
	int64_t since;
	struct connection c;
};

TAILQ_HEAD(proxied_list, proxied_waiting);

/* In memory that sessions do not inherit. */
struct proxied {
	int sock;
	pid_t pid;	    /* -1: there is no edge */
	int64_t started;    /* when edge was */
	int64_t restart_at; /* CLOCK_NEVER: it is not to be started */
	uint64_t serial;
	unsigned int n;		     /* in waiting */
	struct proxied_list waiting; /* by their time; first those that edge has */
	struct proxied_list spare;
	struct proxied_waiting all[PROXIED_MAX];
};

/* What the log says, by enum ipc_no_header. */
static const char *const proxied_why[IPC_NO_HEADERS] = {
	[IPC_HEADER_MISSING] =
	    "no PROXY header, which AcceptProxyFrom demands of this address (HAProxy: send-proxy)",
	[IPC_HEADER_MALFORMED] = "its PROXY header is malformed",
	[IPC_HEADER_TOO_LONG] = "its PROXY header is longer than 4096 bytes",
	[IPC_HEADER_CHECKSUM] = "the checksum of its PROXY header is wrong",
	[IPC_HEADER_CLOSED] = "it was closed before its PROXY header",
};

static struct proxied *
proxied_new(void)
{
	struct proxied *p = dontfork_new(sizeof(*p));
	size_t i;

	if (p == NULL)
		return NULL;
	p->sock = -1;
	p->pid = -1;
	p->started = -PROXIED_RESTART_MS;
	p->restart_at = CLOCK_NEVER;
	TAILQ_INIT(&p->waiting);
	TAILQ_INIT(&p->spare);
	for (i = 0; i < PROXIED_MAX; i++)
		TAILQ_INSERT_TAIL(&p->spare, &p->all[i], entry);
	return p;
}

void
proxied_free(struct proxied **p)
{
	if (*p != NULL)
		fd_close(&(*p)->sock);
	dontfork_free(*p, sizeof(**p));
	*p = NULL;
}

/* --- the process --- */

static void
proxied_start(struct master *m, int64_t now)
{
	struct proxied *p = m->proxied;
	int pair[2] = { -1, -1 };
	pid_t pid = -1;

	p->restart_at = now + PROXIED_RESTART_MS;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0)
		pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &m->old_mask, NULL);
		reexec_role(pair[1], (const char *const[]){ "role-edge", NULL });
	}
	if (pid == -1) {
		log_error("edge cannot be started: %s", strerror(errno));
		fd_close(&pair[0]);
	} else {
		p->pid = pid;
		p->sock = pair[0];
		p->started = now;
		p->restart_at = CLOCK_NEVER;
	}
	fd_close(&pair[1]);
}

void
proxied_configure(struct master *m)
{
	struct proxied *p;

	if (m->conf->edge.accept_proxy_from.n == 0)
		return; /* proxied_timers() ends edge when nothing waits any more */
	if (m->proxied == NULL)
		m->proxied = proxied_new();
	p = m->proxied;
	if (p == NULL)
		log_error("edge cannot be started: %s", err_str(ERR_NOMEM));
	else if (p->pid == -1 && p->restart_at == CLOCK_NEVER)
		proxied_start(m, clock_ms());
}

static void
proxied_forget(struct proxied *p, struct proxied_waiting *w)
{
	TAILQ_REMOVE(&p->waiting, w, entry);
	TAILQ_INSERT_HEAD(&p->spare, w, entry);
	p->n--;
	w->number = 0;
}

/* Edge has the same socket: shutting it down ends it there, too. */
static void
proxied_cut(struct proxied *p, struct proxied_waiting *w)
{
	struct connection c = w->c;

	proxied_forget(p, w);
	(void)!shutdown(c.fd, SHUT_RDWR);
	fd_close(&c.fd);
}

static void
proxied_refuse(struct master *m, struct proxied_waiting *w, const char *why)
{
	drops_refuse(&m->drops, &w->c, STARTUP_NO_HEADER, why, clock_ms());
	proxied_cut(m->proxied, w);
}

int
proxied_reap(struct master *m, pid_t pid, int status)
{
	struct proxied *p = m->proxied;
	struct proxied_waiting *w, *next;
	unsigned int cut = 0;
	int ended;
	char how[64];

	if (p == NULL || p->pid != pid)
		return 0;
	p->pid = -1;
	/* because the master had closed its socket */
	ended = p->sock == -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	fd_close(&p->sock);
	p->restart_at = m->conf->edge.accept_proxy_from.n == 0 && p->n == 0 ?
	    CLOCK_NEVER :
	    p->started + PROXIED_RESTART_MS;
	for (w = TAILQ_FIRST(&p->waiting); w != NULL && w->sent; w = next) {
		next = TAILQ_NEXT(w, entry);
		proxied_cut(p, w);
		cut++;
	}
	if (ended && cut == 0)
		return 1;
	master_how_ended(status, how);
	log_error(
	    "edge has died (%s): %u connections whose PROXY headers it was reading are closed; "
	    "it is started again",
	    how, cut);
	return 1;
}

/* Edge has closed its socket, or sends what it may not: it is killed, and started again once it is reaped. */
static void
proxied_edge_failed(struct proxied *p, int r)
{
	log_error("edge: %s", err_str(r));
	fd_close(&p->sock);
	if (p->pid != -1)
		(void)!kill(p->pid, SIGKILL);
}

/* --- connections --- */

int
proxied_wanted(const struct master *m, const struct netaddr *address)
{
	const struct strlist *from = &m->conf->edge.accept_proxy_from;
	char text[NETADDR_TEXT_SIZE];
	size_t i;

	if (from->n == 0)
		return 0;
	netaddr_text(address, text);
	for (i = 0; i < from->n; i++)
		if (address_match_blocks(text, from->v[i]) == 1)
			return 1;
	return 0;
}

/* Send edge the connections that it has not got.  Those that do not fit into its socket wait for
 * proxied_input(). */
static void
proxied_send(struct proxied *p)
{
	struct proxied_waiting *w = TAILQ_LAST(&p->waiting, proxied_list);
	struct buf b;
	int r = 0;

	/* from the last one back to the first that edge has not got */
	while (w != NULL && !w->sent && TAILQ_PREV(w, proxied_list, entry) != NULL &&
	    !TAILQ_PREV(w, proxied_list, entry)->sent)
		w = TAILQ_PREV(w, proxied_list, entry);
	for (; w != NULL && !w->sent && p->sock != -1; w = TAILQ_NEXT(w, entry)) {
		ipc_begin(&b, IPC_AWAIT_HEADER);
		wire_put_u64(&b, w->number);
		r = ipc_send(p->sock, &b, w->c.fd);
		if (r != 0)
			break;
		w->sent = 1;
	}
	/* too many descriptors on their way (ERR_SYS) is a full socket, too */
	if (r == ERR_EOF)
		proxied_edge_failed(p, r);
}

void
proxied_take(struct master *m, struct connection *c)
{
	struct proxied *p = m->proxied;
	struct proxied_waiting *w;

	if (p == NULL) {
		drops_log(c, LOG_LVL_ERROR, err_str(ERR_NOMEM));
		fd_close(&c->fd);
		return;
	}
	if (TAILQ_EMPTY(&p->spare))
		proxied_refuse(m, TAILQ_FIRST(&p->waiting),
		    "no PROXY header so far, and 1024 connections wait for theirs");
	w = TAILQ_FIRST(&p->spare);
	TAILQ_REMOVE(&p->spare, w, entry);
	TAILQ_INSERT_TAIL(&p->waiting, w, entry);
	p->n++;
	w->number = ++p->serial * PROXIED_MAX + (uint64_t)(w - p->all);
	w->since = clock_ms();
	w->sent = 0;
	w->c = *c;
	c->fd = -1;
	proxied_send(p);
}

/* The connection that edge has under this number, or NULL. */
static struct proxied_waiting *
proxied_find(struct proxied *p, uint64_t number)
{
	struct proxied_waiting *w = &p->all[number % PROXIED_MAX];

	return number != 0 && w->number == number && w->sent ? w : NULL;
}

/* 4 or 16 bytes of an address, and its port.  IPv4 as an IPv6 address becomes what it is. */
static socklen_t
proxied_address(struct sockaddr_storage *ss, struct bytes address, uint32_t port)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	memset(ss, 0, sizeof(*ss));
	if (address.len == 16 && memcmp(address.p, mapped, sizeof(mapped)) == 0)
		address = (struct bytes){ address.p + 12, 4 };
	if (address.len == 4) {
		memcpy(&in.sin_addr, address.p, 4);
		memcpy(ss, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, address.p, 16);
	memcpy(ss, &in6, sizeof(in6));
	return sizeof(in6);
}

/* HEADER: from here on the connection is the client's.  0, or ERR_FORMAT. */
static int
proxied_header(struct master *m, struct wire *body)
{
	struct proxied_waiting *w;
	char balancer[NETADDR_TEXT_SIZE], client[NETADDR_TEXT_SIZE];
	struct ipc_header h;
	struct connection c;

	if (ipc_header_get(body, &h) != 0)
		return ERR_FORMAT;
	w = proxied_find(m->proxied, h.connection);
	if (w == NULL)
		return 0; /* given up meanwhile */
	c = w->c;	  /* a forked session has no access to that memory */
	proxied_forget(m->proxied, w);
	if (h.client.len > 0) {
		c.peer_len = proxied_address(&c.peer, h.client, h.client_port);
		c.here_len = proxied_address(&c.here, h.local, h.local_port);
		netaddr_text(&c.address, balancer);
		netaddr_from(&c.address, &c.peer);
		c.client_port = h.client_port;
		log_debug("a PROXY header of %s: a connection from %s port %u", balancer,
		    netaddr_text(&c.address, client), c.client_port);
	}
	master_admit(m, &c);
	return 0;
}

/* NO_HEADER.  0, or ERR_FORMAT. */
static int
proxied_no_header(struct master *m, struct wire *body)
{
	const uint64_t number = wire_u64(body);
	const uint8_t why = wire_u8(body);
	struct proxied_waiting *w;

	if (wire_end(body) != 0 || why >= IPC_NO_HEADERS)
		return ERR_FORMAT;
	w = proxied_find(m->proxied, number);
	if (w == NULL)
		return 0;
	if (why == IPC_HEADER_CLOSED) {
		/* health checks do that every other second */
		drops_log(&w->c, LOG_LVL_DEBUG, proxied_why[why]);
		proxied_cut(m->proxied, w);
	} else {
		proxied_refuse(m, w, proxied_why[why]);
	}
	return 0;
}

/* Handle one message of edge.  0, or an ERR_* if there is none. */
static int
proxied_message(struct master *m)
{
	struct proxied *p = m->proxied;
	struct ipc_msg msg;
	int r;

	r = ipc_recv(p->sock, m->message, IPC_EDGE_TO_MASTER, IPC_PHASE_ANY, &msg);
	if (r == 0)
		r = msg.type == IPC_HEADER ? proxied_header(m, &msg.body) :
					     proxied_no_header(m, &msg.body);
	if (r != 0 && r != ERR_AGAIN)
		proxied_edge_failed(p, r);
	return r;
}

void
proxied_poll(const struct master *m, struct pollfd *fd, int paused)
{
	const struct proxied *p = m->proxied;
	const struct proxied_waiting *last;

	*fd = (struct pollfd){ -1, 0, 0 };
	if (p == NULL || p->sock == -1)
		return;
	last = TAILQ_LAST(&p->waiting, proxied_list);
	fd->events = (short)((paused ? 0 : POLLIN) | (last != NULL && !last->sent ? POLLOUT : 0));
	if (fd->events != 0)
		fd->fd = p->sock;
}

void
proxied_input(struct master *m, short events)
{
	struct proxied *p = m->proxied;
	int i;

	if (p == NULL || p->sock == -1)
		return;
	if ((events & POLLOUT) != 0)
		proxied_send(p);
	if ((events & ~POLLOUT) == 0)
		return;
	for (i = 0; i < PROXIED_BURST && p->sock != -1 && master_has_room(m); i++)
		if (proxied_message(m) != 0)
			return;
}

int64_t
proxied_timers(struct master *m, int64_t now)
{
	struct proxied *p = m->proxied;
	const int wait_ms = m->conf->edge.proxy_timeout_ms;
	struct proxied_waiting *w;
	int64_t next;

	if (p == NULL)
		return CLOCK_NEVER;
	while ((w = TAILQ_FIRST(&p->waiting)) != NULL && w->since + wait_ms <= now)
		proxied_refuse(m, w, "no whole PROXY header within ProxyTimeout");
	if (p->n == 0 && m->conf->edge.accept_proxy_from.n == 0) {
		fd_close(&p->sock); /* by which edge ends */
		p->restart_at = CLOCK_NEVER;
	}
	if (p->pid == -1 && p->restart_at <= now)
		proxied_start(m, now);
	next = w != NULL ? w->since + wait_ms : CLOCK_NEVER;
	return p->restart_at < next ? p->restart_at : next;
}

void
proxied_end(struct master *m)
{
	const int64_t end = clock_ms() + PROXIED_END_MS;
	struct pollfd fd;
	int64_t now;

	if (m->proxied == NULL || m->proxied->n == 0 || m->keeper_pid == -1)
		return;
	listeners_drop(m->listeners, m->n_listeners, NULL, 0);
	for (now = clock_ms(); m->proxied->n > 0 && now < end; now = clock_ms()) {
		proxied_poll(m, &fd, 0);
		if (poll(&fd, 1, clock_until(end, now)) == 1)
			proxied_input(m, fd.revents);
	}
}
