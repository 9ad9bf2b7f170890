/*
 * The master's side of TLS connections: see tls.h.  Called by detect.c for new ones, by master.c for what the keeper says
 * and for processes that have ended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/messages.h"
#include "master/master_private.h"
#include "master/tls.h"

/* MaxStartups limits how many there are: each counts as a connection before its login. */
struct tls_waiting {
	LIST_ENTRY(tls_waiting) entry;
	uint64_t number;
	pid_t pid;
	struct connection c; /* its descriptor is our end of what is inside */
};

/* The three pairs of descriptors of a process, [0] is ours. */
struct tls_ends {
	int keeper[2], inner[2];
};

/* TLS_CONNECTION */
static int
tls_announce(struct master *m, const struct conf_tls *section, const struct connection *c,
    uint64_t number, int sock)
{
	const struct ipc_tls_connection message = {
		.connection = number,
		.section = section->name,
		.host = c->host,
		.client = c->client,
		.client_port = c->client_port,
		.local = c->local,
		.local_port = c->local_port,
	};
	struct buf b;

	ipc_begin(&b, IPC_TLS_CONNECTION);
	ipc_tls_connection_put(&b, &message);
	return ipc_send(m->keeper, &b, sock);
}

/* Fork the process, and count it.  0 or an ERR_*. */
static int
tls_fork(struct master *m, const struct connection *c, const struct tls_ends *ends,
    struct tls_waiting *w)
{
	struct master_session session = { w->number, NULL, &m->conf->gateway };
	char client[128];

	w->pid = fork();
	if (w->pid == 0) {
		master_child_begin(m, (const int[]){ c->fd, ends->keeper[1], ends->inner[1] }, 3);
		snprintf(client, sizeof(client), "%s port %u", c->client, c->client_port);
		session.client = client;
		m->roles->tls(c->fd, ends->keeper[1], ends->inner[1], &session);
		_exit(0);
	}
	if (w->pid == -1)
		return ERR_SYS;
	return startups_add_tls(m->startups, w->pid, w->number, &c->address, c->client_port,
	    clock_ms());
}

/* 0 or an ERR_*. */
static int
tls_start(struct master *m, const struct conf_tls *section, const struct connection *c)
{
	struct tls_ends ends = { { -1, -1 }, { -1, -1 } };
	struct tls_waiting *w = calloc(1, sizeof(*w));
	int r = ERR_SYS;

	if (w == NULL)
		return ERR_NOMEM;
	w->number = startups_new_id(m->startups);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.keeper) ==
		0 &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.inner) == 0)
		r = tls_fork(m, c, &ends, w);
	if (r == 0) {
		r = tls_announce(m, section, c, w->number, ends.keeper[0]);
		if (r != 0) /* not the client's fault; the keeper will not report on it */
			startups_login_ended(m->startups, w->number, IPC_LOGIN_EXCUSED, clock_ms());
	}
	if (r == 0) {
		w->c = *c;
		w->c.fd = ends.inner[0];
		w->c.tls = w->number;
		ends.inner[0] = -1;
		LIST_INSERT_HEAD(&m->tls, w, entry);
	} else {
		free(w);
	}
	fd_close(&ends.keeper[0]);
	fd_close(&ends.keeper[1]);
	fd_close(&ends.inner[0]);
	fd_close(&ends.inner[1]);
	return r;
}

void
tls_take(struct master *m, const struct conf_tls *section, struct connection *c)
{
	const int64_t now = clock_ms();
	enum startup_verdict verdict;
	const char *why;
	int r;

	verdict = startups_admit(m->startups, &c->address, now, &why);
	if (verdict != STARTUP_ADMITTED) {
		drops_refuse(&m->drops, c, verdict, why, now);
	} else {
		m->keeper_room = 0;
		if ((r = tls_start(m, section, c)) != 0)
			drops_log(c, LOG_LVL_ERROR, err_str(r));
	}
	fd_close(&c->fd);
}

void
tls_opened(struct master *m, struct wire *body)
{
	const uint64_t number = wire_u64(body);
	const int raw = wire_bool(body);
	struct tls_waiting *w;
	struct connection c;

	LIST_FOREACH(w, &m->tls, entry)
		if (w->number == number)
			break;
	if (wire_end(body) != 0 || w == NULL)
		return; /* its process has ended meanwhile */
	LIST_REMOVE(w, entry);
	c = w->c;
	c.login_only = !raw;
	free(w);
	startups_logged_in(m->startups, number);
	detect_take(m, &c);
}

void
tls_reap(struct master *m, pid_t pid)
{
	struct tls_waiting *w;

	LIST_FOREACH(w, &m->tls, entry)
		if (w->pid == pid)
			break;
	if (w == NULL)
		return;
	LIST_REMOVE(w, entry);
	fd_close(&w->c.fd);
	free(w);
}
