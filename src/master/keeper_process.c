/*
 * The master's side of the keeper (keeper_process.h).  Called by master.c; reload.c tries host keys.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/reexec.h"
#include "ipc/messages.h"
#include "master/errands.h"
#include "master/keeper_process.h"
#include "master/master_private.h"

/* Messages of the keeper that are handled before the listeners are looked at again. */
#define KEEPER_BURST 64
/* A keeper that closed its socket is waited for so long: it ends within microseconds, and a restart
 * should take less than a second. */
#define KEEPER_END_MS 500

/* HALF_PROVEN: a session has FactorTimeout. */
static void
keeper_half_proven(struct master *m, struct wire *body)
{
	uint64_t id = wire_u64(body), until = wire_u64(body);

	if (wire_end(body) == 0 && until <= INT64_MAX)
		startups_half_proven(m->startups, id, (int64_t)until);
}

/* LOGIN_ENDED: what a failed login costs its source. */
static void
keeper_login_ended(struct master *m, struct wire *body)
{
	uint64_t id = wire_u64(body);
	uint8_t end = wire_u8(body);

	if (wire_end(body) == 0 && end < IPC_LOGINS)
		startups_login_ended(m->startups, id, (enum ipc_login)end, clock_ms());
}

/* 1 if the keeper has ended; it is then reaped, with its status in m->keeper_status. */
static int
keeper_ended(struct master *m)
{
	if (m->keeper_pid > 0 && waitpid(m->keeper_pid, &m->keeper_status, WNOHANG) > 0)
		m->keeper_pid = -1;
	return m->keeper_pid == -1;
}

/* The keeper closed its socket: wait a moment for its exit status, which comes just after. */
static void
keeper_await_end(struct master *m)
{
	int64_t end = clock_ms() + KEEPER_END_MS;

	while (!keeper_ended(m) && clock_ms() < end)
		(void)poll(NULL, 0, 5);
}

void
keeper_gone(struct master *m, int r)
{
	char how[64];

	snprintf(how, sizeof(how), "%s", err_str(r));
	if (m->keeper_pid == -1)
		master_how_ended(m->keeper_status, how);
	/* without a keeper there are no logins: end, so that the service manager starts us again */
	log_error("the keeper has died (%s): exiting; of %u sessions, those that are logged in "
		  "continue, but are not logged any more",
	    how, startups_sessions(m->startups));
	m->done = 1;
	m->status = 1;
}

/* Handle one message of the keeper.  0, or an ERR_* if there is none. */
static int
keeper_message(struct master *m)
{
	struct ipc_msg msg;
	int r;

	r = ipc_recv(m->keeper, m->message, IPC_KEEPER_TO_MASTER, IPC_PHASE_ANY, &msg);
	if (r == ERR_AGAIN)
		return r;
	if (r == ERR_NOFILE) {
		/* the errand's socket closes, by which the keeper learns of it */
		log_error("an errand cannot be run: %s", err_str(r));
		return 0;
	}
	if (r != 0) {
		if (r == ERR_EOF)
			keeper_await_end(m);
		keeper_gone(m, r);
		return r;
	}
	if (msg.type == IPC_ERRAND)
		errands_start(m, &msg);
	else if (msg.type == IPC_LOGGED_IN)
		startups_logged_in(m->startups, wire_u64(&msg.body));
	else if (msg.type == IPC_HALF_PROVEN)
		keeper_half_proven(m, &msg.body);
	else if (msg.type == IPC_LOGIN_ENDED)
		keeper_login_ended(m, &msg.body);
	else if (msg.type == IPC_TLS_OPEN)
		tls_opened(m, &msg.body);
	else if (msg.type == IPC_RELOADED)
		reload_answer(m, &msg.body);
	else if (msg.type == IPC_PASSWORD_CHECKED)
		connect_checked(m, &msg.body);
	else if (msg.type == IPC_PONG)
		notify_pong(m);
	else if (msg.type == IPC_TUNNEL_BIND)
		granted_bind(m, &msg.body);
	else if (msg.type == IPC_TUNNEL_UNBIND)
		granted_unbind(m, &msg.body);
	fd_close(&msg.fd);
	return 0;
}

void
keeper_input(struct master *m)
{
	int i;

	for (i = 0; i < KEEPER_BURST && keeper_message(m) == 0; i++)
		;
}

int
keeper_try_host_keys(const struct master *m, struct wire *body, const char **why)
{
	struct ipc_host_keys keys;

	*why = "unreadable message from the keeper";
	if (ipc_host_keys_get(body, &keys) != 0)
		return ERR_FORMAT;
	return m->roles->try_host_keys(keys.v, keys.n, why);
}

int
keeper_start(struct master *m, const char *conf_dir, const char *run_as)
{
	struct pollfd pfd = { .events = POLLIN };
	struct ipc_msg msg;
	int pair[2], r;
	const char *why;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1) {
		log_error("socketpair: %s", strerror(errno));
		return 1;
	}
	m->keeper_pid = fork();
	if (m->keeper_pid == 0) {
		sigprocmask(SIG_SETMASK, &m->old_mask, NULL);
		reexec_role(pair[1],
		    (const char *const[]){ "role-keeper", conf_dir == NULL ? "" : conf_dir,
			run_as == NULL ? "" : run_as, NULL });
	}
	close(pair[1]);
	m->keeper = pair[0];
	if (m->keeper_pid == -1) {
		log_error("cannot fork: %s", strerror(errno));
		return 1;
	}
	pfd.fd = m->keeper;
	/* no time limit, because the keeper may ask for a passphrase; signals end the wait */
	while ((r = poll(&pfd, 1, 200)) == 0 || (r == -1 && errno == EINTR)) {
		master_signal_input(m);
		if (m->done)
			return 1;
	}
	r = ipc_recv(m->keeper, m->message, IPC_KEEPER_TO_MASTER, IPC_PHASE_ANY, &msg);
	if (r == 0 && msg.type == IPC_READY) {
		if (keeper_try_host_keys(m, &msg.body, &why) == 0)
			return 0;
		log_error("HostKey: sessions cannot start with these keys: %s", why);
		return 78;
	}
	keeper_await_end(m);
	/* the keeper has printed what is wrong */
	if (m->keeper_pid == -1 && WIFEXITED(m->keeper_status) &&
	    WEXITSTATUS(m->keeper_status) != 0)
		return WEXITSTATUS(m->keeper_status);
	keeper_gone(m, r == 0 ? ERR_FORMAT : r);
	return 1;
}
