/*
 * Messages to the service manager, in datagrams of NAME=VALUE lines (sd_notify(3)).  Called by master.c
 * at its start and end and from its loop, and by reload.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proctitle.h"
#include "master/master_private.h"

/* PINGs in the time of the watchdog: the keeper may be late by two thirds of that time. */
#define PINGS 3
/* How long the master waits while the queue of the service manager is full. */
#define NOTIFY_WAIT_MS 100

/* The address in NOTIFY_SOCKET: a path, or "@name" for an abstract socket.  0, or ERR_FORMAT. */
static int
notify_address(const char *name, struct sockaddr_un *sun, socklen_t *len)
{
	size_t n = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof(sun->sun_path))
		return ERR_FORMAT;
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(sun->sun_path, name, n);
	if (name[0] == '@')
		sun->sun_path[0] = '\0';
	/* the NUL at the end belongs to a path, and would be part of an abstract name */
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'));
	return 0;
}

/* NULL, or why there is no connection. */
static const char *
notify_connect(struct notify *n, const char *name)
{
	struct sockaddr_un sun;
	socklen_t len;

	if (notify_address(name, &sun, &len) != 0)
		return "it has to be a path or an abstract name";
	n->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->sock != -1 && connect(n->sock, (const struct sockaddr *)&sun, len) == 0)
		return NULL;
	fd_close(&n->sock);
	return strerror(errno);
}

void
notify_begin(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET"), *why;
	long us = inherited_number("WATCHDOG_USEC"), pid = inherited_number("WATCHDOG_PID");

	*n = (struct notify){ .sock = -1 };
	if (name == NULL)
		return;
	why = notify_connect(n, name);
	if (why != NULL)
		log_warn("NOTIFY_SOCKET: the service manager cannot be told that the gateway is "
			 "ready: %s",
		    why);
	else if (us > 0 && (pid == -1 || pid == (long)getpid()))
		n->interval_ms = us / 1000 / PINGS + 1;
	proctitle_unsetenv("NOTIFY_SOCKET");
	proctitle_unsetenv("WATCHDOG_USEC");
	proctitle_unsetenv("WATCHDOG_PID");
}

static void __attribute__((format(printf, 2, 3)))
notify_send(struct notify *n, const char *fmt, ...)
{
	struct pollfd pfd = { n->sock, POLLOUT, 0 };
	char text[256];
	va_list ap;
	int len;

	if (n->sock == -1)
		return;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(text))
		return;
	(void)poll(&pfd, 1, NOTIFY_WAIT_MS);
	if (send(n->sock, text, (size_t)len, MSG_NOSIGNAL) == -1)
		log_warn("the service manager cannot be told that %.*s: %s",
		    (int)strcspn(text, "\n"), text, strerror(errno));
}

/* The state, and what `systemctl status` shows. */
static void
notify_status(struct master *m, const char *state)
{
	char errors[64] = "";

	if (m->notify.errors > 0)
		snprintf(errors, sizeof(errors), "; the last reload was refused, errors: %u",
		    m->notify.errors);
	notify_send(&m->notify, "%s\nSTATUS=Serving, sessions: %u%s", state,
	    startups_sessions(m->startups), errors);
}

void
notify_serving(struct master *m, unsigned int errors)
{
	m->notify.errors = errors;
	notify_status(m, "READY=1");
}

void
notify_reloading(struct master *m)
{
	notify_send(&m->notify, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reloading",
	    (long long)clock_us());
}

void
notify_stopping(struct master *m)
{
	notify_send(&m->notify, "STOPPING=1\nSTATUS=Stopping, sessions that go on: %u",
	    startups_sessions(m->startups));
}

int64_t
notify_timers(struct master *m, int64_t now)
{
	struct notify *n = &m->notify;
	struct buf b;

	if (n->interval_ms == 0)
		return CLOCK_NEVER;
	if (now < n->next_ping)
		return n->next_ping;
	n->next_ping = now + n->interval_ms;
	if (n->pinged == 0) {
		ipc_begin(&b, IPC_PING);
		/* a full socket means a keeper that does not read: the same as no answer */
		(void)!ipc_send(m->keeper, &b, -1);
		n->pinged = now;
	} else if (!n->late) {
		n->late = 1;
		log_error("the keeper has not answered for %lld ms: logins wait, and the watchdog "
			  "of the service manager is not told that all is well",
		    (long long)(now - n->pinged));
	}
	return n->next_ping;
}

void
notify_pong(struct master *m)
{
	struct notify *n = &m->notify;

	if (n->pinged == 0)
		return;
	if (n->late)
		log_info("the keeper answers again, after %lld ms",
		    (long long)(clock_ms() - n->pinged));
	n->pinged = 0;
	n->late = 0;
	notify_status(m, "WATCHDOG=1");
}
