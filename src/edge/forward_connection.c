/*
 * One forwarded connection (forward_connection.h), from FORWARD to its line in the log.  Called by
 * forward.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/netaddr.h"
#include "edge/forward_connection.h"

#define FORWARD_WHY_SIZE 512

/* --- its end --- */

static void
forward_log(const struct forward *f, int64_t now, const char *why)
{
	const uint64_t ms = (uint64_t)(now - f->since);
	char port[24] = "", host[300] = "";
	struct log_fields fields;

	if (f->target_port != 0)
		snprintf(port, sizeof(port), " port %u", f->target_port);
	if (f->host[0] != '\0')
		snprintf(host, sizeof(host), " (%s)", f->host);
	log_fields_begin(&fields, f->target_text[0] == '\0' ? "forward_failed" : "forwarded");
	log_field_text(&fields, "forward", f->name);
	log_field_text(&fields, "client", f->client_address);
	log_field_number(&fields, "client_port", f->client_port);
	log_field_text(&fields, "host", f->host);
	log_field_text(&fields, "reason", why);
	if (f->target_text[0] == '\0') {
		log_event(LOG_LVL_WARN, &fields, "Forward %s: no connection for %s port %u%s: %s",
		    f->name, f->client_address, f->client_port, host, why);
		return;
	}
	log_field_text(&fields, "target", f->target_text);
	if (f->target_port != 0)
		log_field_number(&fields, "target_port", f->target_port);
	log_field_number(&fields, "bytes_in", f->in.bytes);
	log_field_number(&fields, "bytes_out", f->out.bytes);
	log_field_number(&fields, "seconds", ms / 1000);
	log_event(LOG_LVL_INFO, &fields,
	    "Forwarded %s: %s port %u to %s%s%s: %ju bytes in, %ju out, %ju.%ju s%s%s", f->name,
	    f->client_address, f->client_port, f->target_text, port, host, (uintmax_t)f->in.bytes,
	    (uintmax_t)f->out.bytes, (uintmax_t)(ms / 1000), (uintmax_t)(ms % 1000 / 100),
	    why != NULL ? "; " : "", why != NULL ? why : "");
}

/* Closing this socket sends a reset, and drops what has not been sent. */
static void
forward_reset(int fd)
{
	const struct linger now = { 1, 0 };

	if (fd != -1)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* The master or the errand may still have the same socket, so that closing it here would not end its events. */
static void
forward_close(const struct forwarder *p, struct forward_end *end)
{
	if (end->fd != -1)
		(void)!epoll_ctl(p->epoll, EPOLL_CTL_DEL, end->fd, NULL);
	fd_close(&end->fd);
}

void
forward_end(struct forwarder *p, struct forward *f, const char *why)
{
	if (f->over)
		return;
	forward_log(f, p->now, why);
	if (why != NULL) {
		forward_reset(f->client.fd);
		forward_reset(f->target.fd);
	}
	forward_way_end(&f->in, &p->pipes);
	forward_way_end(&f->out, &p->pipes);
	forward_close(p, &f->client);
	forward_close(p, &f->target);
	forward_close(p, &f->errand);
	if (f->in_turns)
		TAILQ_REMOVE(&p->turns, f, turn);
	TAILQ_REMOVE(&p->all, f, entry);
	/* not freed yet: events that have come with this one may point to it */
	TAILQ_INSERT_TAIL(&p->over, f, entry);
	f->over = 1;
	p->n--;
}

/* The socket of this side has failed with an errno. */
static void
forward_failed(struct forwarder *p, struct forward *f, const char *side, int error)
{
	char why[FORWARD_WHY_SIZE];

	if (error == ECONNRESET || error == EPIPE || error == 0)
		snprintf(why, sizeof(why), "the %s has reset the connection", side);
	else
		snprintf(why, sizeof(why), "the connection of the %s: %s", side, strerror(error));
	forward_end(p, f, why);
}

/* --- its beginning --- */

/* Events of a socket: changes alone, so that nothing is switched on and off. */
static int
forward_watch(const struct forwarder *p, struct forward_end *end, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = end };

	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, end->fd, &event);
}

/* Both ends of a splice(2) must be sockets that do not wait, and each segment goes out at once. */
static int
forward_prepare(const struct forwarder *p, struct forward_end *end)
{
	const int on = 1;

	(void)setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (fd_set_nonblock(end->fd) != 0)
		return -1;
	return forward_watch(p, end, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

void
forward_begin(struct forwarder *p, const struct ipc_forward *m, int client)
{
	struct forward *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		log_error("Forward %s: %s", m->name, err_str(ERR_NOMEM));
		fd_close(&client);
		return;
	}
	f->number = m->connection;
	f->idle_ms = m->idle_ms;
	f->since = f->last = p->now;
	f->client_port = m->client_port;
	snprintf(f->name, sizeof(f->name), "%s", m->name);
	snprintf(f->client_address, sizeof(f->client_address), "%s", m->client);
	snprintf(f->host, sizeof(f->host), "%s", m->host);
	f->client = (struct forward_end){ f, client };
	f->target = (struct forward_end){ f, -1 };
	f->errand = (struct forward_end){ f, -1 };
	forward_way_init(&f->in, -1, -1);
	forward_way_init(&f->out, -1, -1);
	TAILQ_INSERT_HEAD(&p->all, f, entry);
	p->n++;
	if (p->n > p->max)
		forward_end(p, f, "too many connections for the limit of descriptors");
	else if (forward_prepare(p, &f->client) == -1)
		forward_end(p, f, strerror(errno));
	else if (forward_idle_at(f) < p->sweep_at)
		p->sweep_at = forward_idle_at(f);
}

void
forward_dial(struct forwarder *p, uint64_t number, int errand)
{
	struct forward *f;

	/* the newest are the first: it is among these */
	TAILQ_FOREACH(f, &p->all, entry)
		if (f->number == number && f->errand.fd == -1 && f->target.fd == -1)
			break;
	if (f == NULL) {
		/* it is over, by which the errand ends, too */
		fd_close(&errand);
		return;
	}
	f->errand.fd = errand;
	if (forward_watch(p, &f->errand, EPOLLIN) == -1)
		forward_end(p, f, strerror(errno));
}

/* Where it leads, as the kernel says. */
static void
forward_name_target(struct forward *f)
{
	union {
		struct sockaddr_storage ss;
		struct sockaddr_un sun;
	} peer = { .ss = { 0 } };
	socklen_t len = sizeof(peer.ss);
	char address[NETADDR_TEXT_SIZE];
	struct netaddr a;

	(void)getpeername(f->target.fd, (struct sockaddr *)&peer.ss, &len);
	if (peer.ss.ss_family == AF_UNIX) {
		snprintf(f->target_text, sizeof(f->target_text), "unix:%.*s",
		    (int)sizeof(peer.sun.sun_path), peer.sun.sun_path);
		return;
	}
	netaddr_from(&a, &peer.ss);
	snprintf(f->target_text, sizeof(f->target_text), "%s", netaddr_text(&a, address));
	f->target_port = netaddr_port(&peer.ss);
}

/* DIALLED: the errand is not trusted to pass a socket. */
static void
forward_dialled(struct forwarder *p, struct forward *f, struct ipc_msg *msg)
{
	char host[300], why[FORWARD_WHY_SIZE];
	socklen_t len = sizeof(int);
	int type = 0;

	wire_text(&msg->body, host, sizeof(host));
	wire_text(&msg->body, why, sizeof(why));
	if (wire_err(&msg->body) != 0 ||
	    getsockopt(msg->fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1 || type != SOCK_STREAM) {
		fd_close(&msg->fd);
		forward_end(p, f, "unreadable answer from an errand");
		return;
	}
	if (why[0] != '\0')
		log_warn("Forward %s: %s is used instead of another address: %s", f->name, host,
		    why);
	f->target.fd = msg->fd;
	forward_name_target(f);
	if (forward_prepare(p, &f->target) == -1) {
		forward_end(p, f, strerror(errno));
		return;
	}
	forward_way_init(&f->in, f->client.fd, f->target.fd);
	forward_way_init(&f->out, f->target.fd, f->client.fd);
	forward_move(p, f);
}

static void
forward_answer(struct forwarder *p, struct forward *f)
{
	char why[FORWARD_WHY_SIZE];
	struct ipc_msg msg;
	int r;

	r = ipc_recv(f->errand.fd, p->message, IPC_ERRAND_TO_KEEPER, IPC_PHASE_DIAL, &msg);
	if (r == ERR_AGAIN)
		return;
	forward_close(p, &f->errand);
	if (r == 0 && msg.type == IPC_DIALLED) {
		forward_dialled(p, f, &msg);
		return;
	}
	if (r == 0)
		wire_text(&msg.body, why, sizeof(why));
	if (r != 0 || wire_err(&msg.body) != 0)
		snprintf(why, sizeof(why), "the errand that dials died: %s",
		    err_str(r != 0 ? r : ERR_FORMAT));
	forward_end(p, f, why);
}

/* --- what goes on --- */

void
forward_move(struct forwarder *p, struct forward *f)
{
	struct forward_way *const ways[] = { &f->in, &f->out };
	enum forward_moved moved[2];
	int i, error = 0, turn = 0;
	char why[FORWARD_WHY_SIZE];
	const char *side = NULL;

	for (i = 0; i < 2; i++) {
		moved[i] = forward_way_move(ways[i], &p->pipes);
		if (moved[i] == FORWARD_NO_PIPE) {
			snprintf(why, sizeof(why), "no pipe: %s", strerror(errno));
			forward_end(p, f, why);
			return;
		}
		turn |= moved[i] == FORWARD_GOES_ON;
		if (moved[i] == FORWARD_WAITS || moved[i] == FORWARD_GOES_ON || side != NULL)
			continue;
		/* the other way still moves what has come before */
		side = (i == 0) == (moved[i] == FORWARD_FROM_FAILED) ? "client" : "target";
		error = errno;
	}
	if (side != NULL) {
		forward_failed(p, f, side, error);
	} else if (f->in.closed && f->out.closed) {
		forward_end(p, f, NULL);
	} else if (turn && !f->in_turns) {
		TAILQ_INSERT_TAIL(&p->turns, f, turn);
		f->in_turns = 1;
	}
}

void
forward_event(struct forwarder *p, struct forward_end *end, uint32_t events)
{
	struct forward *f = end->f;
	struct forward_way *from, *to;
	socklen_t len = sizeof(int);
	const int fd = end->fd;
	int error = 0;

	if (f->over)
		return;
	if (end == &f->errand) {
		if (fd != -1)
			forward_answer(p, f);
		return;
	}
	f->last = p->now;
	if (f->target.fd != -1) {
		from = end == &f->client ? &f->in : &f->out;
		to = end == &f->client ? &f->out : &f->in;
		from->readable |= (events & ~(uint32_t)EPOLLOUT) != 0;
		to->writable |= (events & ~(uint32_t)(EPOLLIN | EPOLLRDHUP)) != 0;
		forward_move(p, f);
	}
	if (f->over || (events & EPOLLERR) == 0)
		return;
	/* A pipe that is full keeps a way from finding that.  While the errand dials, nobody reads. */
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	forward_failed(p, f, end == &f->client ? "client" : "target", error);
}

int64_t
forward_idle_at(const struct forward *f)
{
	return f->idle_ms == 0 ? CLOCK_NEVER : f->last + f->idle_ms;
}
