/*
 * The process that connects to numeric addresses and Unix sockets (dialler.h).  Nothing in it waits for one
 * order alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proctitle.h"
#include "errand/approach.h"
#include "errand/confine.h"
#include "errand/dial.h"
#include "errand/dialler.h"
#include "ipc/messages.h"

#define DIALLER_EVENTS 64
/* Orders at one time, each with two descriptors and less than 16 KiB.  Further ones wait in the socket of the
 * master, which has errands do what does not fit in there. */
#define DIALLER_ORDERS_MAX 1024
/* How soon a Unix socket is tried again whose server has not accepted those that wait. */
#define DIALLER_AGAIN_MS 10
#define DIALLER_WHY_MAX 400

struct dialler_order {
	TAILQ_ENTRY(dialler_order) entry;
	int answer;	   /* its socket */
	int fd;		   /* that is being connected, or -1 */
	size_t next;	   /* the target to be tried next */
	int64_t deadline;  /* of all of them, */
	int64_t try_until; /* and of the one that is tried now */
	int64_t again_at;  /* a Unix socket without room; else CLOCK_NEVER */
	struct reason why;
	struct ipc_dial dial;
};

TAILQ_HEAD(dialler_list, dialler_order);

struct dialler {
	int master, epoll;
	int full; /* nothing is taken from the master */
	unsigned int n;
	struct dialler_list orders;
	uint8_t message[IPC_MAX];
};

union dialler_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un sun;
};

/* The address of a target: its length, or 0 if there is none in it. */
static socklen_t
dialler_address(const char *target, union dialler_address *a)
{
	const char *colon = strrchr(target, ':');
	const int v6 = target[0] == '[';
	char host[INET6_ADDRSTRLEN + 2];
	unsigned long port;

	memset(a, 0, sizeof(*a));
	if (strncmp(target, "unix:", 5) == 0) {
		if (strlen(target + 5) >= sizeof(a->sun.sun_path))
			return 0;
		a->sun.sun_family = AF_UNIX;
		snprintf(a->sun.sun_path, sizeof(a->sun.sun_path), "%s", target + 5);
		return sizeof(a->sun);
	}
	port = colon == NULL ? 0 : strtoul(colon + 1, NULL, 10);
	if (port == 0 || port > UINT16_MAX || (size_t)(colon - target) >= sizeof(host) ||
	    (v6 && colon[-1] != ']'))
		return 0;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - target - 2 * v6), target + v6);
	if (!v6 && inet_pton(AF_INET, host, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons((uint16_t)port);
		return sizeof(a->in);
	}
	if (v6 && inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1) {
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons((uint16_t)port);
		return sizeof(a->in6);
	}
	return 0;
}

/* --- orders --- */

static void
dialler_close(const struct dialler *d, int *fd)
{
	/* the receiver of the answer has the same socket */
	if (*fd != -1)
		(void)!epoll_ctl(d->epoll, EPOLL_CTL_DEL, *fd, NULL);
	fd_close(fd);
}

/* Give up an order, answered or not. */
static void
dialler_drop(struct dialler *d, struct dialler_order *o)
{
	dialler_close(d, &o->fd);
	dialler_close(d, &o->answer);
	ipc_dial_free(&o->dial);
	TAILQ_REMOVE(&d->orders, o, entry);
	d->n--;
	free(o);
}

static void
dialler_answer(struct dialler *d, struct dialler_order *o, enum ipc_type type)
{
	struct buf b;

	ipc_begin(&b, type);
	if (type == IPC_DIALLED)
		wire_put_text(&b, o->dial.hosts.v[o->next - 1]);
	else if (o->why.text[0] == '\0')
		reason_set(&o->why, "no address");
	wire_put_string(&b, o->why.text, strnlen(o->why.text, DIALLER_WHY_MAX));
	wire_put_u32(&b, 0);
	/* its receiver may be gone */
	(void)!ipc_send(o->answer, &b, o->fd);
	dialler_drop(d, o);
}

static void
dialler_put_why(struct dialler_order *o, const char *target, const char *error)
{
	const char *before = o->why.text[0] != '\0' ? "; " : "", *colon = strrchr(target, ':');
	const int v6 = target[0] == '[';

	if (strncmp(target, "unix:", 5) == 0)
		reason_add(&o->why, "%s%s: %s", before, target, error);
	else
		reason_add(&o->why, "%s%.*s port %s: %s", before, (int)(colon - target - 2 * v6),
		    target + v6, colon + 1, error);
}

/* The one that is tried now has failed with an errno. */
static void
dialler_failed(const struct dialler *d, struct dialler_order *o, int error)
{
	const char *target = o->dial.hosts.v[o->next - 1];

	dialler_put_why(o, target,
	    strncmp(target, "unix:", 5) == 0 ? dial_unix_error(error) : strerror(error));
	dialler_close(d, &o->fd);
	o->again_at = CLOCK_NEVER;
}

/* Connect to the target before next: 0 if that is done or goes on, or an errno. */
static int
dialler_connect(const struct dialler *d, struct dialler_order *o)
{
	const char *target = o->dial.hosts.v[o->next - 1];
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = o };
	union dialler_address a;
	const socklen_t len = dialler_address(target, &a);

	if (len == 0)
		return EINVAL;
	o->again_at = CLOCK_NEVER;
	if (o->fd == -1)
		o->fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (o->fd == -1)
		return errno;
	if (connect(o->fd, &a.sa, len) == 0)
		return 0;
	if (errno == EAGAIN && a.sa.sa_family == AF_UNIX)
		o->again_at = clock_ms() + DIALLER_AGAIN_MS;
	else if (errno != EINPROGRESS)
		return errno;
	else if (epoll_ctl(d->epoll, EPOLL_CTL_ADD, o->fd, &event) == -1)
		return errno;
	return EINPROGRESS;
}

/* It is connected: the header of SendProxy, and the answer. */
static void
dialler_connected(struct dialler *d, struct dialler_order *o)
{
	(void)!epoll_ctl(d->epoll, EPOLL_CTL_DEL, o->fd, NULL);
	o->fd = approach_announce(&o->dial.approach, o->fd, o->dial.hosts.v[o->next - 1], &o->why);
}

/* Try one target after another, as far as that goes without waiting. */
static void
dialler_go_on(struct dialler *d, struct dialler_order *o)
{
	int r;

	for (;;) {
		if (o->again_at == CLOCK_NEVER) {
			if (o->next == o->dial.hosts.n) {
				dialler_answer(d, o, IPC_DIAL_FAILED);
				return;
			}
			o->try_until = dial_share(o->deadline,
			    (unsigned int)(o->dial.hosts.n - o->next));
			o->next++;
		}
		r = dialler_connect(d, o);
		if (r == EINPROGRESS)
			return;
		if (r != 0) {
			dialler_failed(d, o, r);
			continue;
		}
		dialler_connected(d, o);
		if (o->fd != -1) {
			dialler_answer(d, o, IPC_DIALLED);
			return;
		}
	}
}

/* An event of one of its sockets: that of the answer has closed, or the connection is there, or not. */
static void
dialler_event(struct dialler *d, struct dialler_order *o)
{
	socklen_t len = sizeof(int);
	char byte;
	int error = 0;

	if (recv(o->answer, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != -1 || errno != EAGAIN) {
		dialler_drop(d, o);
		return;
	}
	if (o->fd == -1 || o->again_at != CLOCK_NEVER)
		return;
	if (getsockopt(o->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error == 0) {
		dialler_connected(d, o);
		if (o->fd != -1) {
			dialler_answer(d, o, IPC_DIALLED);
			return;
		}
	} else {
		dialler_failed(d, o, error);
	}
	dialler_go_on(d, o);
}

/* --- the master --- */

/* Read the order that waits in a socket, and begin. */
static void
dialler_take(struct dialler *d, int answer)
{
	struct dialler_order *o = calloc(1, sizeof(*o));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = o };
	struct ipc_msg msg;

	if (o == NULL ||
	    ipc_recv(answer, d->message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg) != 0 ||
	    msg.type != IPC_DIAL || ipc_dial_get(&msg.body, &o->dial) != 0) {
		free(o);
		fd_close(&answer);
		return;
	}
	if (o->dial.destinations.n > 0 || o->dial.approach.via[0] != '\0') {
		/* an errand's */
		ipc_dial_free(&o->dial);
		free(o);
		fd_close(&answer);
		return;
	}
	o->answer = answer;
	o->fd = -1;
	o->again_at = CLOCK_NEVER;
	o->deadline = clock_ms() + o->dial.timeout_ms;
	TAILQ_INSERT_TAIL(&d->orders, o, entry);
	d->n++;
	if (epoll_ctl(d->epoll, EPOLL_CTL_ADD, answer, &event) == -1)
		dialler_drop(d, o);
	else
		dialler_go_on(d, o);
}

static void
dialler_input(struct dialler *d)
{
	struct epoll_event event = { 0 };
	int answer;
	uint8_t byte;
	ssize_t n = 1;

	while (d->n < DIALLER_ORDERS_MAX && n > 0) {
		n = fd_recv(d->master, &byte, sizeof(byte), &answer, MSG_DONTWAIT);
		if (n > 0 && answer != -1)
			dialler_take(d, answer);
	}
	if (n <= 0 && n != ERR_AGAIN && n != ERR_NOFILE)
		fd_close(&d->master);
	if (d->full != (d->n == DIALLER_ORDERS_MAX)) {
		d->full = !d->full;
		event.events = d->full ? 0 : EPOLLIN;
		(void)!epoll_ctl(d->epoll, EPOLL_CTL_MOD, d->master, &event);
	}
}

/* What is due now.  Returns when to call it next, or CLOCK_NEVER. */
static int64_t
dialler_timers(struct dialler *d)
{
	const int64_t now = clock_ms();
	struct dialler_order *o, *after;
	int64_t next = CLOCK_NEVER;

	for (o = TAILQ_FIRST(&d->orders); o != NULL; o = after) {
		after = TAILQ_NEXT(o, entry);
		if (o->try_until <= now) {
			dialler_failed(d, o, o->again_at != CLOCK_NEVER ? EAGAIN : ETIMEDOUT);
			dialler_go_on(d, o);
		} else if (o->again_at <= now) {
			dialler_go_on(d, o);
		}
	}
	TAILQ_FOREACH(o, &d->orders, entry) {
		if (o->try_until < next)
			next = o->try_until;
		if (o->again_at < next)
			next = o->again_at;
	}
	return next;
}

static void
dialler_round(struct dialler *d)
{
	struct epoll_event events[DIALLER_EVENTS];
	const int64_t next = dialler_timers(d);
	int i, j, n;

	n = epoll_wait(d->epoll, events, DIALLER_EVENTS, clock_until(next, clock_ms()));
	for (i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL)
			continue;
		/* both sockets of an order may have an event, of which the first may end it */
		for (j = 0; j < i && events[j].data.ptr != events[i].data.ptr; j++)
			;
		if (j == i)
			dialler_event(d, events[i].data.ptr);
	}
	if (d->master != -1)
		dialler_input(d);
}

void
dialler_run(int sock)
{
	static struct dialler d;
	struct epoll_event event = { .events = EPOLLIN };

	signal(SIGTERM, SIG_IGN); /* it ends after the master, whose socket closes */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	proctitle_set("dialler");
	TAILQ_INIT(&d.orders);
	d.master = sock;
	d.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (d.epoll == -1 || epoll_ctl(d.epoll, EPOLL_CTL_ADD, sock, &event) == -1 ||
	    errand_confine_dialler() != 0) {
		log_error("dialler cannot start: %s", strerror(errno));
		_exit(1);
	}
	while (d.master != -1 || !TAILQ_EMPTY(&d.orders))
		dialler_round(&d);
	_exit(0);
}

/* --- for the master --- */

int
dialler_takes(const char *target)
{
	union dialler_address a;

	return dialler_address(target, &a) != 0;
}

int
dialler_ask(int dialler, int order)
{
	const uint8_t byte = 1;

	return fd_send(dialler, &byte, sizeof(byte), order);
}
