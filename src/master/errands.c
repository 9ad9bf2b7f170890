/*
 * Starting the errands that the keeper asks for (IPC_ERRAND).  Where lookup programs have a user of
 * their own, the starter starts the errands that run them.  Called by master.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/reexec.h"
#include "errand/confine.h"
#include "errand/errand.h"
#include "errand/starter.h"
#include "master/errands.h"

/* Of all FactorPrograms: as one argument of a process may have. */
#define ERRANDS_PROGRAMS_MAX 65536

int
errands_fork(const struct master *m, int sock, const char *const *argv, pid_t *pid)
{
	const pid_t child = fork();

	if (child == 0) {
		sigprocmask(SIG_SETMASK, &m->old_mask, NULL);
		reexec_role(sock, argv);
	}
	*pid = child;
	return child == -1 ? ERR_SYS : 0;
}

/* The carrier of a hop is forked as a session is: there may be as many. */
static int
errands_fork_hop(struct master *m, int sock)
{
	const pid_t pid = fork();

	if (pid == 0) {
		master_child_begin(m, &sock, 1);
		m->roles->hop(sock);
		_exit(0);
	}
	return pid == -1 ? ERR_SYS : 0;
}

/* For errand_factor(): taken from the configuration at the start, as the keeper sends that of a reload. */
static int
errands_set_factor_programs(struct master *m, const struct users *users)
{
	const struct strlist *programs = &m->conf->gateway.factor_programs;
	struct buf b;
	size_t i;

	buf_init(&b, ERRANDS_PROGRAMS_MAX);
	if (programs->n == 0 && users->programs == NULL)
		buf_putf(&b, "%s", ERRAND_FACTOR_ANY);
	for (i = 0; i < programs->n; i++)
		buf_putf(&b, "%s%s", i > 0 ? " " : "", programs->v[i]);
	m->factor_programs = buf_cstr(&b) != NULL ? strdup(buf_cstr(&b)) : NULL;
	buf_free(&b);
	return m->factor_programs != NULL ? 0 : ERR_NOMEM;
}

int
errands_begin(struct master *m, const struct users *users)
{
	const struct conf_entry *command = conf_lookup_entry(m->conf, "exec", "Command");
	const char *lacks = errand_confine_lacks();
	int pair[2], r = ERR_SYS;
	pid_t pid;
	char *line;

	if (lacks != NULL && strlist_has(&m->conf->lookup.order, "exec"))
		log_info("lookup programs: this kernel has %s", lacks);
	if (errands_set_factor_programs(m, users) != 0)
		return ERR_NOMEM;
	if (users->programs == NULL || command == NULL)
		return 0;
	line = conf_path(m->conf, command->value);
	if (line == NULL)
		return ERR_NOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0) {
		r = errands_fork(m, pair[1],
		    (const char *const[]){ "role-starter", users->programs,
			users->keeper == NULL ? "" : users->keeper, m->conf->base, line, NULL },
		    &pid);
		close(pair[1]);
		m->starter = pair[0];
		if (r == 0)
			r = starter_wait(m->starter);
	}
	if (r != 0)
		log_error("the starter of lookup programs did not start: %s", err_str(r));
	free(line);
	return r;
}

void
errands_start(struct master *m, struct ipc_msg *msg)
{
	static const char *const roles[] = { [IPC_ERRAND_DIAL] = "role-dial",
		[IPC_ERRAND_RUN] = "role-run",
		[IPC_ERRAND_PASSWORD] = "role-password",
		[IPC_ERRAND_LOOK] = "role-look",
		[IPC_ERRAND_FACTOR] = "role-factor",
		[IPC_ERRAND_CA] = "role-ca" };
	const unsigned int kind = wire_u8(&msg->body);
	pid_t pid;
	int r;

	if (wire_end(&msg->body) != 0 || kind == 0 || kind > IPC_ERRAND_HOP) {
		log_error("the keeper asks for an unknown errand");
		return;
	}
	if (kind == IPC_ERRAND_RUN && m->starter != -1)
		r = starter_ask(m->starter, msg->fd);
	else if (kind == IPC_ERRAND_HOP)
		r = errands_fork_hop(m, msg->fd);
	else
		r = errands_fork(m, msg->fd,
		    (const char *const[]){ roles[kind],
			kind == IPC_ERRAND_FACTOR ? m->factor_programs : NULL, NULL },
		    &pid);
	/* the errand's socket closes, by which the keeper learns of a failure */
	if (r != 0)
		log_error("an errand cannot be started: %s", err_str(r));
	if (r == ERR_EOF) {
		/* without the starter there are no lookups: end, so that the service manager starts us
		 * again */
		log_error(
		    "the starter of lookup programs has died: exiting; running sessions continue");
		m->done = 1;
		m->status = 1;
	}
}
