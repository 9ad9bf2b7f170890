/*
 * The process edge: connections come from the master, which has accepted them; each is looked at without
 * taking anything, until its header is complete, and then exactly the header is taken; or until it is clear
 * what the connection is (kind.h).  A role of cli/role.c.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/netaddr.h"
#include "base/proctitle.h"
#include "edge/edge.h"
#include "edge/kind.h"
#include "formats/proxy_header.h"
#include "ipc/messages.h"

/* Events of one epoll_wait(2). */
#define EDGE_EVENTS 64
/* With 2048 connections a bucket has two; sections of the master's configuration. */
#define EDGE_BUCKETS 1024
#define EDGE_PATTERNS_MAX 128

/* A connection that is looked at.  The master limits how many there are and how long they wait: it shuts down
 * what it has given up, which ends here like a connection that is closed. */
struct edge_connection {
	LIST_ENTRY(edge_connection) entry;
	uint64_t number;
	int fd;
	int for_kind; /* AWAIT_KIND, and not AWAIT_HEADER */
};

/* FirstBytes of a section. */
struct edge_pattern {
	size_t len;
	uint8_t bytes[256];
};

struct edge {
	int sock, epoll;
	int take_connect; /* the heads of CONNECT are taken */
	uint32_t patterns_base;
	size_t n_patterns;
	struct edge_pattern patterns[EDGE_PATTERNS_MAX];
	LIST_HEAD(, edge_connection) connections[EDGE_BUCKETS];
	uint8_t message[IPC_MAX];
	uint8_t input[KIND_MAX];
};

_Static_assert(KIND_MAX >= PROXY_HEADER_MAX, "a header fits, too");

/* Answer the master.  It reads whenever it can start a session, so waiting for it is no loss. */
static void
edge_answer(const struct edge *e, const struct buf *body, enum ipc_type type)
{
	struct pollfd pfd = { e->sock, POLLOUT, 0 };
	struct buf b;
	int r;

	do {
		ipc_begin(&b, type);
		buf_put(&b, body->data, body->len);
		r = ipc_send(e->sock, &b, -1);
		if (r == ERR_AGAIN)
			(void)poll(&pfd, 1, -1);
	} while (r == ERR_AGAIN);
	if (r != 0)
		_exit(r == ERR_EOF ? 0 : 1);
}

/* --- headers --- */

static struct bytes
edge_address(const struct netaddr *a)
{
	return (struct bytes){ a->bytes, a->family == 0 ? 0 : a->family == 4 ? 4 : 16 };
}

/* HEADER */
static void
edge_answer_header(const struct edge *e, uint64_t number, const struct proxy_header *h)
{
	struct ipc_header m = { .connection = number };
	struct netaddr client, local;
	struct buf body;

	netaddr_from(&client, &h->client);
	netaddr_from(&local, &h->local);
	m.client = edge_address(&client);
	m.local = edge_address(&local);
	m.client_port = netaddr_port(&h->client);
	m.local_port = netaddr_port(&h->local);
	buf_init(&body, IPC_MAX);
	ipc_header_put(&body, &m);
	edge_answer(e, &body, IPC_HEADER);
	buf_free(&body);
}

static void
edge_answer_none(const struct edge *e, uint64_t number, enum ipc_no_header why)
{
	struct buf body;

	buf_init(&body, IPC_MAX);
	wire_put_u64(&body, number);
	buf_put_u8(&body, (uint8_t)why);
	edge_answer(e, &body, IPC_NO_HEADER);
	buf_free(&body);
}

static enum ipc_no_header
edge_why(int err)
{
	return err == ERR_NOTFOUND ? IPC_HEADER_MISSING :
	    err == ERR_TOOBIG	   ? IPC_HEADER_TOO_LONG :
	    err == ERR_AUTH	   ? IPC_HEADER_CHECKSUM :
	    err == ERR_EOF	   ? IPC_HEADER_CLOSED :
				     IPC_HEADER_MALFORMED;
}

/* Look at what has come.  0 with the header, which has been taken; ERR_AGAIN; or an ERR_* for edge_why(). */
static int
edge_look(struct edge *e, int fd, struct proxy_header *h)
{
	ssize_t n, got;
	size_t size;
	int r;

	n = recv(fd, e->input, PROXY_HEADER_MAX, MSG_PEEK | MSG_DONTWAIT);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_EOF;
	if (n == 0)
		return ERR_EOF;
	r = proxy_header_read(e->input, (size_t)n, h, &size);
	if (r != 0)
		return r;
	/* never more than these: what follows is the client's */
	got = recv(fd, e->input, size, MSG_DONTWAIT);
	return got == (ssize_t)size ? 0 : ERR_EOF;
}

/* --- kinds --- */

/* KIND */
static void
edge_answer_kind(const struct edge *e, uint64_t number, const struct kind *k, uint32_t pattern)
{
	const struct ipc_opening m = { .connection = number,
		.kind = k->kind,
		.host = k->host,
		.port = k->port,
		.alpn = k->alpn,
		.pattern = pattern,
		.credentials = { (const uint8_t *)k->credentials, strlen(k->credentials) } };
	struct buf body;

	buf_init(&body, IPC_MAX);
	ipc_opening_put(&body, &m);
	edge_answer(e, &body, IPC_KIND);
	buf_wipe(&body);
}

/* Recognise what has come.  0 with the answer; or ERR_AGAIN. */
static int
edge_recognise(struct edge *e, size_t n, enum kind_end end, struct kind *k, uint32_t *pattern)
{
	struct bytes patterns[EDGE_PATTERNS_MAX];
	size_t i;
	int r;

	*pattern = IPC_NO_PATTERN;
	r = kind_of(e->input, n, end, k);
	if (r != 0 || k->kind == IPC_KIND_SSH)
		return r;
	for (i = 0; i < e->n_patterns; i++)
		patterns[i] = (struct bytes){ e->patterns[i].bytes, e->patterns[i].len };
	r = kind_pattern(e->input, n, end, patterns, e->n_patterns, pattern);
	/* a protocol that is known is not made to wait for more */
	if (r == ERR_AGAIN && k->kind != IPC_KIND_OTHER)
		r = kind_pattern(e->input, n, KIND_LATE, patterns, e->n_patterns, pattern);
	if (r == 0 && *pattern != IPC_NO_PATTERN)
		*pattern += e->patterns_base;
	return r;
}

/* Look at what has come, for a KIND.  0 with the answer; or ERR_AGAIN. */
static int
edge_look_kind(struct edge *e, int fd, enum kind_end end, struct kind *k, uint32_t *pattern)
{
	ssize_t n;
	int r;

	*k = (struct kind){ .kind = IPC_KIND_CLOSED };
	*pattern = IPC_NO_PATTERN;
	n = recv(fd, e->input, KIND_MAX, MSG_PEEK | MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		k->kind = IPC_KIND_SILENT;
		return end == KIND_OPEN ? ERR_AGAIN : 0;
	}
	if (n <= 0)
		return 0;
	r = edge_recognise(e, (size_t)n, end, k, pattern);
	if (r == 0 && k->kind == IPC_KIND_CONNECT) {
		if (!e->take_connect) {
			k->kind = IPC_KIND_HTTP;
			k->port = 0;
			explicit_bzero(k->credentials, sizeof(k->credentials));
		} else if (recv(fd, e->input, k->take, MSG_DONTWAIT) != (ssize_t)k->take) {
			explicit_bzero(k, sizeof(*k));
			k->kind = IPC_KIND_CLOSED;
		}
	}
	/* a password may be in it */
	explicit_bzero(e->input, (size_t)n);
	return r;
}

/* --- connections --- */

/* The master has the same socket, so that closing it here would not end its events.  All of it is before the
 * answer, after which the connection is a session's. */
static void
edge_forget(const struct edge *e, struct edge_connection *c)
{
	(void)!epoll_ctl(e->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	fd_close(&c->fd);
	LIST_REMOVE(c, entry);
	free(c);
}

static void
edge_input_header(struct edge *e, struct edge_connection *c, int ended)
{
	struct proxy_header h;
	const uint64_t number = c->number;
	int r = edge_look(e, c->fd, &h);

	/* a beginning, and there will be no more */
	if (r == ERR_AGAIN && ended)
		r = ERR_EOF;
	if (r == ERR_AGAIN)
		return;
	edge_forget(e, c);
	if (r == 0)
		edge_answer_header(e, number, &h);
	else
		edge_answer_none(e, number, edge_why(r));
}

static void
edge_input_kind(struct edge *e, struct edge_connection *c, enum kind_end end)
{
	const uint64_t number = c->number;
	struct kind k;
	uint32_t pattern;

	if (edge_look_kind(e, c->fd, end, &k, &pattern) == 0) {
		edge_forget(e, c);
		edge_answer_kind(e, number, &k, pattern);
	}
	explicit_bzero(&k, sizeof(k));
}

/* Something has come on a connection, or it has ended. */
static void
edge_input(struct edge *e, struct edge_connection *c, uint32_t events)
{
	const int ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

	if (c->for_kind)
		edge_input_kind(e, c, ended ? KIND_CLOSED : KIND_OPEN);
	else
		edge_input_header(e, c, ended);
}

/* --- the master's messages --- */

/* AWAIT_HEADER and AWAIT_KIND */
static void
edge_take(struct edge *e, struct ipc_msg *msg)
{
	const uint64_t number = wire_u64(&msg->body);
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };
	const struct kind closed = { .kind = IPC_KIND_CLOSED };
	struct edge_connection *c = NULL;

	if (wire_end(&msg->body) == 0)
		c = calloc(1, sizeof(*c));
	if (c == NULL) {
		fd_close(&msg->fd);
		return;
	}
	c->number = number;
	c->fd = msg->fd;
	c->for_kind = msg->type == IPC_AWAIT_KIND;
	LIST_INSERT_HEAD(&e->connections[number % EDGE_BUCKETS], c, entry);
	event.data.ptr = c;
	/* edge-triggered: what has been looked at stays in the socket, and is no event again */
	if (epoll_ctl(e->epoll, EPOLL_CTL_ADD, c->fd, &event) == 0)
		return;
	if (c->for_kind)
		edge_answer_kind(e, number, &closed, IPC_NO_PATTERN);
	else
		edge_answer_none(e, number, IPC_HEADER_CLOSED);
	edge_forget(e, c);
}

/* RELEASE: the answer may be on its way already. */
static void
edge_release(struct edge *e, struct wire *body)
{
	const uint64_t number = wire_u64(body);
	struct edge_connection *c;

	if (wire_end(body) != 0)
		return;
	LIST_FOREACH(c, &e->connections[number % EDGE_BUCKETS], entry)
		if (c->number == number)
			break;
	if (c != NULL && c->for_kind)
		edge_input_kind(e, c, KIND_LATE);
}

/* PATTERNS */
static void
edge_patterns(struct edge *e, struct wire *body)
{
	struct edge_pattern *p;
	struct bytes s;

	e->take_connect = wire_bool(body);
	e->patterns_base = wire_u32(body);
	e->n_patterns = 0;
	/* until there is no byte left */
	while (wire_end(body) != 0 && e->n_patterns < EDGE_PATTERNS_MAX) {
		s = wire_string(body);
		if (wire_err(body) != 0 || s.len == 0 || s.len > sizeof(p->bytes))
			break;
		p = &e->patterns[e->n_patterns++];
		p->len = s.len;
		memcpy(p->bytes, s.p, s.len);
	}
}

static void
edge_messages(struct edge *e)
{
	struct ipc_msg msg;
	int r;

	do {
		r = ipc_recv(e->sock, e->message, IPC_MASTER_TO_EDGE, IPC_PHASE_ANY, &msg);
		if (r == 0 && msg.type == IPC_RELEASE)
			edge_release(e, &msg.body);
		else if (r == 0 && msg.type == IPC_PATTERNS)
			edge_patterns(e, &msg.body);
		else if (r == 0)
			edge_take(e, &msg);
	} while (
	    r == 0 || r == ERR_NOFILE); /* without a descriptor: the master gives it up in time */
	if (r != ERR_AGAIN)
		_exit(r == ERR_EOF ? 0 : 1);
}

static void __attribute__((noreturn)) edge_loop(struct edge *e)
{
	struct epoll_event events[EDGE_EVENTS];
	int i, n, asked;

	for (;;) {
		n = epoll_wait(e->epoll, events, EDGE_EVENTS, -1);
		asked = 0;
		for (i = 0; i < n; i++)
			if (events[i].data.ptr == NULL)
				asked = 1;
			else
				edge_input(e, events[i].data.ptr, events[i].events);
		if (asked)
			edge_messages(e);
	}
}

void
edge_run(int sock)
{
	static struct edge e;
	struct epoll_event event = { .events = EPOLLIN };

	signal(SIGTERM, SIG_IGN); /* it ends with the master, whose socket closes */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	proctitle_set("edge");
	e.sock = sock;
	e.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (e.epoll == -1 || epoll_ctl(e.epoll, EPOLL_CTL_ADD, sock, &event) == -1 ||
	    edge_confine() != 0) {
		log_error("edge cannot start: %s", strerror(errno));
		_exit(1);
	}
	edge_loop(&e);
}
