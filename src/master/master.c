/*
 * The master's loop: it accepts connections, forks a session for each, and takes signals.  Called by `sallyport
 * serve`.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/privs.h"
#include "base/proctitle.h"
#include "conf/users.h"
#include "errand/run.h"
#include "ipc/messages.h"
#include "master/errands.h"
#include "master/keeper_process.h"
#include "master/leaving.h"
#include "master/master_private.h"

/* How long accepting pauses when descriptors run out or the keeper's socket is full. */
#define ACCEPT_PAUSE_MS 50
/* As the first process of a container: how long sessions may take to end.  Docker kills after 10 s. */
#define CONTAINER_END_MS 5000

void
master_child_begin(struct master *m, const int *keep, size_t n)
{
	fd_close_others(3, keep, n);
	sigprocmask(SIG_SETMASK, &m->old_mask, NULL);
}

/* Refuse a connection for lack of resources.  Clients show text that comes before the version string. */
static void
master_refuse(const struct connection *c, int err)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "Gateway is out of resources, try again later: %s\r\n",
	    err_str(err));

	drops_log(c, LOG_LVL_ERROR, err_str(err));
	(void)!send(c->fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* CONNECTION: tell the keeper about a session, and give it its end of their socket pair. */
static int
master_announce(struct master *m, const struct connection *c, uint64_t id, int sock)
{
	const struct ipc_connection connection = {
		.session = id,
		.client = c->client,
		.client_port = c->client_port,
		.local = c->local,
		.local_port = c->local_port,
		.host = c->host,
		.tls = c->tls,
	};
	struct buf b;

	ipc_begin(&b, IPC_CONNECTION);
	ipc_connection_put(&b, &connection);
	return ipc_send(m->keeper, &b, sock);
}

/* Fork a session for this connection.  0 or an ERR_*. */
static int
master_serve(struct master *m, struct connection *c)
{
	struct master_session session = { startups_new_id(m->startups), NULL, &m->conf->gateway };
	int pair[2] = { -1, -1 }, r = ERR_SYS;
	int64_t now = clock_ms();
	char client[128 + DESTINATION_HOST_SIZE];
	pid_t pid;

	if (connection_name(c) != 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1)
		return ERR_SYS;
	/* fork before announcing, so that the keeper never learns of a session whose fork failed */
	pid = fork();
	if (pid == 0) {
		master_child_begin(m, (const int[]){ c->fd, pair[1] }, 2);
		snprintf(client, sizeof(client), "%s%s%s", c->client,
		    c->host[0] != '\0' ? " host " : "", c->host);
		session.client = client;
		m->roles->session(c->fd, pair[1], &session);
		_exit(0);
	}
	if (pid != -1)
		r = startups_add(m->startups, pid, session.id, &c->address, c->client_port, now);
	if (r == 0) {
		r = master_announce(m, c, session.id, pair[0]);
		if (r != 0) /* not the client's fault; the keeper will not report on this login */
			startups_login_ended(m->startups, session.id, IPC_LOGIN_EXCUSED, now);
	}
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	return r;
}

/* While the keeper's socket is full, connections wait in the kernel's queue. */
int
master_has_room(struct master *m)
{
	struct pollfd pfd = { m->keeper, POLLOUT, 0 };

	/* what is refused sends the keeper nothing, so its socket is looked at after a message only */
	if (!m->keeper_room)
		m->keeper_room = poll(&pfd, 1, 0) == 1;
	if (!m->keeper_room)
		m->accept_at = clock_ms() + ACCEPT_PAUSE_MS;
	return m->keeper_room;
}

void
master_admit(struct master *m, struct connection *c)
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
		if ((r = master_serve(m, c)) != 0)
			master_refuse(c, r);
	}
	fd_close(&c->fd);
}

void
master_arrived(struct master *m, struct connection *c)
{
	if (c->detect)
		detect_take(m, c);
	else
		master_admit(m, c);
}

/* Accept one connection and serve or refuse it, or have its header read before that.  0, or an ERR_*: no
 * connection waits, or there is no descriptor for it. */
static int
master_accept_one(struct master *m, const struct listener *l)
{
	static const char stray[] = "This address is not served: it is not a ListenAddress\r\n";
	struct connection c;
	int r;

	r = listener_accept(l, &c);
	if (r == ERR_TOOBIG) {
		log_warn("accept: %s; waiting", strerror(errno));
		m->accept_at = clock_ms() + ACCEPT_PAUSE_MS;
	}
	if (r != 0)
		return r;
	c.detect = l->address != NULL && conf_detects(m->conf, l->address);
	if (l->address == NULL) {
		(void)!send(c.fd, stray, sizeof(stray) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		fd_close(&c.fd);
	} else if (proxied_wanted(m, &c.address)) {
		proxied_take(m, &c);
	} else {
		master_arrived(m, &c);
	}
	return 0;
}

void
master_accept(struct master *m, const struct listener *l, int most)
{
	int i;

	for (i = 0; i < most && master_has_room(m); i++)
		if (master_accept_one(m, l) != 0)
			return;
}

void
master_how_ended(int status, char out[64])
{
	if (WIFSIGNALED(status))
		snprintf(out, 64, "killed by signal %d%s", WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ? " (system call not allowed)" : "");
	else
		snprintf(out, 64, "exit status %d", WEXITSTATUS(status));
}

static void
master_reap(struct master *m)
{
	int64_t now = clock_ms();
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == m->keeper_pid) {
			m->keeper_pid = -1;
			m->keeper_status = status;
			continue;
		}
		if (arrivals_reap(m, pid, status) || forwards_reap(m, pid, status))
			continue;
		tls_reap(m, pid);
		if (startups_reap(m->startups, pid, status, now))
			m->accept_at = 0; /* its descriptors are free again */
		else if (WIFSIGNALED(status))
			run_sweep();
	}
}

/* 1 as the first process of a container: when it ends, the kernel kills all others. */
static int
master_is_init(void)
{
	return getpid() == 1;
}

static void
master_log_stopping(const struct master *m, unsigned int signo)
{
	const unsigned int n = startups_sessions(m->startups);
	struct log_fields f;

	log_fields_begin(&f, "stopping");
	log_field_number(&f, "signal", signo);
	log_field_number(&f, "sessions", n);
	log_event(LOG_LVL_INFO, &f, "Received signal %u; terminating. %u sessions %s.", signo, n,
	    master_is_init() ? "end" : "go on");
}

void
master_signal_input(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD) {
			master_reap(m);
			/* a child forked just then may still hold the keeper's socket, so that it does not
			 * close */
			if (m->keeper_pid == -1 && m->serving && !m->done)
				keeper_gone(m, ERR_EOF);
		} else if (info.ssi_signo == SIGHUP) {
			log_info("Received SIGHUP; reloading.");
			reload_begin(m);
		} else {
			master_log_stopping(m, info.ssi_signo);
			notify_stopping(m);
			m->done = 1;
		}
	}
}

/* Do what is due now.  Returns when the next thing is due, or CLOCK_NEVER. */
static int64_t
master_timers(struct master *m, int64_t now)
{
	int64_t next = now < m->accept_at ? m->accept_at : CLOCK_NEVER, due;

	startups_sweep(m->startups, now);
	drops_flush(&m->drops, now);
	due = startups_next_sweep(m->startups);
	if (due < next)
		next = due;
	due = notify_timers(m, now);
	if (due < next)
		next = due;
	due = arrivals_timers(m, now);
	if (due < next)
		next = due;
	due = forwards_timers(m, now);
	if (due < next)
		next = due;
	return drops_next(&m->drops) < next ? drops_next(&m->drops) : next;
}

static void
master_loop(struct master *m)
{
	struct pollfd fds[CONTROL_FDS + LISTENERS_MAX + 5], *listening = &fds[CONTROL_FDS + 5];
	int64_t now, next;
	size_t i;
	int paused;

	m->serving = 1;
	while (!m->done) {
		now = clock_ms();
		paused = now < m->accept_at;
		next = master_timers(m, now);
		fds[0] = (struct pollfd){ m->keeper, POLLIN, 0 };
		fds[1] = (struct pollfd){ m->signals, POLLIN, 0 };
		arrivals_poll(m, &fds[2], paused);
		forwards_poll(m, &fds[3]);
		granted_poll(m, &fds[4], paused);
		control_poll(m->control, &fds[5]);
		for (i = 0; i < m->n_listeners; i++)
			listening[i] = (struct pollfd){ paused ? -1 : m->listeners[i].fd, POLLIN,
				0 };
		if (poll(fds, m->n_listeners + CONTROL_FDS + 5, clock_until(next, now)) == -1)
			continue;
		if (fds[1].revents != 0)
			master_signal_input(m);
		if (fds[0].revents != 0 && !m->done)
			keeper_input(m);
		control_input(m->control, &fds[5], m);
		if (fds[4].revents != 0 && !m->done)
			granted_input(m);
		if (fds[3].revents != 0 && !m->done)
			forwards_input(m, fds[3].revents);
		if (fds[2].revents != 0 && !m->done)
			arrivals_input(m, fds[2].revents);
		/*
		 * A reload may have closed a listener and opened another with the same descriptor.
		 * One connection for each listener and round: accept(2) allocates a socket before it
		 * finds the queue empty, which costs more than another poll(2).
		 */
		for (i = 0; i < m->n_listeners && !m->done; i++)
			if (listening[i].revents != 0 && listening[i].fd == m->listeners[i].fd)
				master_accept(m, &m->listeners[i], 1);
	}
}

/* In a container: end the sessions while they can still tell their clients and the log. */
static void
master_end_sessions(struct master *m)
{
	struct pollfd pfd = { m->signals, POLLIN, 0 };
	int64_t end = clock_ms() + CONTAINER_END_MS, now;
	struct signalfd_siginfo info;

	listeners_drop(m->listeners, m->n_listeners, NULL, 0);
	startups_signal(m->startups, SIGTERM);
	forwards_end(m);
	fd_close(&m->keeper);
	for (now = clock_ms(); now < end; now = clock_ms()) {
		master_reap(m);
		if (m->keeper_pid == -1 && startups_processes(m->startups) == 0 &&
		    !forwards_running(m))
			return;
		if (poll(&pfd, 1, clock_until(end, now)) == 1)
			(void)!read(m->signals, &info, sizeof(info));
	}
}

/* Everything before the first connection.  0, or the exit status to end with. */
static int
master_start(struct master *m, const char *conf_dir)
{
	const struct conf_gateway *gateway = &m->conf->gateway;
	struct users users;
	struct reason how;
	size_t i;
	int r;

	m->n_listeners = gateway->n_listen;
	m->startups = startups_new(gateway);
	if (m->startups == NULL || m->n_listeners > LISTENERS_MAX ||
	    fd_signals(&m->signals, &m->old_mask) != 0)
		return 1;
	run_adopt();
	/* the keeper and the forwarder, which inherit it, have descriptors for each connection */
	if (fd_raise_limit() != 0)
		log_warn("cannot raise the limit of descriptors: %s", strerror(errno));
	notify_begin(&m->notify);
	if (users_choose(m->conf, &users) != 0)
		return 78;
	if (inherited_take(&m->inherited) != 0)
		return 1;
	privs_make_as(users.network);
	r = listeners_bind(&m->inherited, gateway, m->listeners);
	privs_make_as(NULL);
	/* an address of another program is a mistake that stays: no service manager is to try for ever */
	if (r != 0)
		return r == ERR_EXISTS ? 78 : 1;
	m->n_listeners = listeners_add_strays(&m->inherited, gateway, m->listeners, m->n_listeners);
	for (i = 0; i < m->n_listeners; i++)
		if (listener_differs(&m->inherited, &m->listeners[i], &how))
			log_warn("%s", how.text);
	r = keeper_start(m, conf_dir, users.keeper);
	if (r != 0)
		return r;
	if (errands_begin(m, &users) != 0)
		return 1;
	/* logins work without a control socket, so a failure is no reason not to serve */
	if (strcmp(gateway->control_socket, "none") != 0)
		(void)!control_open(gateway->control_socket, &m->control);
	r = privs_drop(users.network);
	if (r != 0) {
		log_error("cannot become user %s: %s", users.network, err_str(r));
		return 1;
	}
	r = master_confine();
	if (r != 0) {
		log_error("the master cannot confine itself: %s", err_str(r));
		return 1;
	}
	proctitle_set("master");
	arrivals_configure(m);
	forwards_configure(m);
	return listeners_listen(m->listeners, m->n_listeners) != 0;
}

int
master_run(const struct conf *conf, const char *conf_dir, const struct master_roles *roles)
{
	static struct master m;

	m = (struct master){ .conf = conf,
		.roles = roles,
		.keeper = -1,
		.starter = -1,
		.notify = { .sock = -1 },
		.signals = -1 };
	m.status = master_start(&m, conf_dir);
	if (m.status == 0) {
		notify_serving(&m, 0);
		master_loop(&m);
		arrivals_end(&m);
		if (master_is_init())
			master_end_sessions(&m);
		else if (m.status == 0)
			leaving_begin(&m);
	}
	control_close(&m.control);
	arrivals_free(&m.arrivals);
	forwards_free(&m.forwards);
	granted_free(&m.granted);
	connects_free(&m.connects);
	startups_free(&m.startups);
	conf_free(&m.reloaded);
	return m.status;
}
