/*
 * The errands that dial for [forward NAME]: where they may, and their orders.  Called by forwards.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "errand/dialler.h"
#include "master/errands.h"
#include "master/forwards_private.h"

/* How soon after its last start the dialler is started again. */
#define FORWARDS_DIALLER_MS 1000

const char *
forwards_denied(const struct conf_forward *f, const struct ipc_opening *o)
{
	const char *port;
	size_t i;

	for (i = 0; i < f->targets.n; i++) {
		if (strncmp(f->targets.v[i], "%h:", 3) != 0)
			continue;
		port = f->targets.v[i] + 3;
		if (o->host[0] == '\0')
			return "the client names no host";
		if (!destination_may_ask(&f->destinations, o->host,
			strcmp(port, "%p") == 0 ? o->port : (uint32_t)strtoul(port, NULL, 10)))
			return "AllowDestinations does not permit the host that the client names";
	}
	return NULL;
}

/* A target with %h and %p replaced; an IPv6 address goes into brackets. */
static void
forwards_expand(const char *target, const char *host, uint32_t port, char *out, size_t size)
{
	const char *colon = strrchr(target, ':');
	const int v6 = strchr(host, ':') != NULL;
	char digits[6];

	if (strncmp(target, "%h:", 3) != 0) {
		snprintf(out, size, "%s", target);
		return;
	}
	snprintf(digits, sizeof(digits), "%u", (unsigned int)(uint16_t)port);
	snprintf(out, size, "%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "",
	    strcmp(colon + 1, "%p") == 0 ? digits : colon + 1);
}

/* The order for the errand. */
static void
forwards_put_dial(struct buf *b, const struct conf_forward *f, const struct forwards_waiting *w)
{
	static char texts[IPC_HOSTS_MAX][DESTINATION_HOST_SIZE + 16];
	char *hosts[IPC_HOSTS_MAX + 1] = { NULL };
	struct ipc_dial dial = {
		.session = w->number,
		.timeout_ms = (uint32_t)f->connect_timeout_ms,
		.hosts = { hosts, 0 },
		.destinations = f->destinations,
		.approach = ipc_approach_direct,
	};
	size_t i;

	for (i = 0; i < f->targets.n && i < IPC_HOSTS_MAX; i++) {
		forwards_expand(f->targets.v[i], w->host, w->port, texts[i], sizeof(texts[i]));
		hosts[dial.hosts.n++] = texts[i];
	}
	dial.approach.send_proxy = (unsigned int)f->send_proxy;
	dial.approach.client = w->c.client;
	dial.approach.client_port = w->c.client_port;
	dial.approach.local = w->c.local;
	dial.approach.local_port = w->c.local_port;
	ipc_begin(b, IPC_DIAL);
	ipc_dial_put(b, &dial);
}

/* Does no target take an errand, which looks up names and checks addresses? */
static int
forwards_direct(const struct conf_forward *f)
{
	size_t i;

	for (i = 0; i < f->targets.n; i++)
		if (!dialler_takes(f->targets.v[i]))
			return 0;
	return f->destinations.n == 0;
}

/* Have the dialler take the order that waits in a socket.  0, or an ERR_*: it has to be an errand. */
static int
forwards_ask_dialler(struct master *m, int order)
{
	struct forwards *t = m->forwards;
	const int64_t now = clock_ms();
	int pair[2] = { -1, -1 }, r = 0;
	pid_t pid;

	if (t->dialler == -1 && t->dialler_at <= now) {
		t->dialler_at = now + FORWARDS_DIALLER_MS;
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) ==
		    0)
			r = errands_fork(m, pair[1], (const char *const[]){ "role-dialler", NULL },
			    &pid);
		if (r == 0)
			t->dialler = pair[0];
		else
			fd_close(&pair[0]);
		fd_close(&pair[1]);
	}
	r = t->dialler == -1 ? ERR_EOF : dialler_ask(t->dialler, order);
	if (r == ERR_EOF && t->dialler != -1) {
		log_error("the dialler has died: errands dial until it is started again");
		fd_close(&t->dialler);
	}
	return r;
}

int
forwards_dial(struct master *m, const struct conf_forward *f, const struct forwards_waiting *w)
{
	struct forwards *t = m->forwards;
	struct forwards_dial *d = t->dials;
	int pair[2], r;
	struct buf b;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1)
		return -1;
	forwards_put_dial(&b, f, w);
	r = ipc_send(pair[0], &b, -1);
	if (r == 0 && forwards_direct(f) && forwards_ask_dialler(m, pair[1]) == 0) {
		fd_close(&pair[1]);
		return pair[0];
	}
	while (d->pid != 0)
		d++;
	if (r == 0)
		r = errands_fork(m, pair[1], (const char *const[]){ "role-dial", NULL }, &d->pid);
	if (r == 0) {
		d->source = w->source;
		t->n_dials++;
	} else {
		d->pid = 0;
		log_error("[forward %s]: no errand can be started: %s", f->name, err_str(r));
	}
	fd_close(&pair[1]);
	return pair[0];
}
