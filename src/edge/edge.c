/*
 * The process edge: connections come from the master, which has accepted them; each is looked at without
 * taking anything, until its header is complete, and then exactly the header is taken.  A role of cli/role.c.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/netaddr.h"
#include "base/proctitle.h"
#include "edge/edge.h"
#include "formats/proxy_header.h"
#include "ipc/messages.h"

/* Events of one epoll_wait(2). */
#define EDGE_EVENTS 64

/* A connection that has not begun with a whole header yet.  The master limits how many there are and how
 * long they wait: it shuts down what it has given up, which ends here like a connection that is closed. */
struct edge_connection {
	uint64_t number;
	int fd;
};

struct edge {
	int sock, epoll;
	uint8_t message[IPC_MAX];
	uint8_t input[PROXY_HEADER_MAX];
};

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

/* Something has come on a connection, or it has ended. */
static void
edge_input(struct edge *e, struct edge_connection *c, uint32_t events)
{
	struct proxy_header h;
	const uint64_t number = c->number;
	int r = edge_look(e, c->fd, &h);

	/* a beginning, and there will be no more */
	if (r == ERR_AGAIN && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		r = ERR_EOF;
	if (r == ERR_AGAIN)
		return;
	/* The master has the same socket, so that closing it here would not end its events.  All of it is
	 * before the answer, after which the connection is a session's. */
	(void)!epoll_ctl(e->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	fd_close(&c->fd);
	free(c);
	if (r == 0)
		edge_answer_header(e, number, &h);
	else
		edge_answer_none(e, number, edge_why(r));
}

/* AWAIT_HEADER */
static void
edge_take(struct edge *e, struct ipc_msg *msg)
{
	const uint64_t number = wire_u64(&msg->body);
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };
	struct edge_connection *c = NULL;

	if (wire_end(&msg->body) == 0)
		c = calloc(1, sizeof(*c));
	if (c == NULL) {
		fd_close(&msg->fd);
		return;
	}
	*c = (struct edge_connection){ number, msg->fd };
	event.data.ptr = c;
	/* edge-triggered: what has been looked at stays in the socket, and is no event again */
	if (epoll_ctl(e->epoll, EPOLL_CTL_ADD, c->fd, &event) == -1) {
		fd_close(&c->fd);
		free(c);
		edge_answer_none(e, number, IPC_HEADER_CLOSED);
	}
}

static void
edge_messages(struct edge *e)
{
	struct ipc_msg msg;
	int r;

	do {
		r = ipc_recv(e->sock, e->message, IPC_MASTER_TO_EDGE, IPC_PHASE_ANY, &msg);
		if (r == 0)
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
