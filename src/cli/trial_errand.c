/*
 * Errands for `sallyport route --dial` (trial_errand.h).  Called by keyscan.c and route_issue.c.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/privs.h"
#include "base/reexec.h"
#include "cli/trial_errand.h"

static void __attribute__((noreturn))
trial_errand_child(const struct as_user *as, const char *role, int sock)
{
	const struct users *users = &as->users;

	as_user_self();
	if (privs_drop(users->network != NULL ? users->network : users->keeper) != 0)
		_exit(1);
	reexec_role(sock, (const char *const[]){ role, NULL });
}

int
trial_errand_start(struct trial_errand *t, const struct as_user *as, const char *role,
    struct buf *order)
{
	int pair[2] = { -1, -1 }, r = ERR_SYS;

	*t = (struct trial_errand){ .sock = -1, .pid = -1 };
	fflush(stdout);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0)
		r = ipc_send(pair[0], order, -1);
	else
		buf_wipe(order);
	if (r == 0 && (t->pid = fork()) == 0)
		trial_errand_child(as, role, pair[1]);
	if (r == 0 && t->pid == -1)
		r = ERR_SYS;
	fd_close(&pair[1]);
	t->sock = pair[0];
	return r;
}

int
trial_errand_receive(struct trial_errand *t, enum ipc_phase phase, int64_t deadline,
    struct ipc_msg *msg)
{
	static uint8_t message[IPC_MAX];
	struct pollfd pfd = { t->sock, POLLIN, 0 };
	int n;

	do {
		n = poll(&pfd, 1, clock_until(deadline, clock_ms()));
	} while (n == -1 && errno == EINTR);
	if (n != 1)
		return ERR_TIMEOUT;
	return ipc_recv(t->sock, message, IPC_ERRAND_TO_KEEPER, phase, msg);
}

void
trial_errand_end(struct trial_errand *t, const struct as_user *as)
{
	fd_close(&t->sock);
	if (t->pid == -1)
		return;
	/* as ourselves: the errand may have another user than the keeper */
	as_user_self();
	(void)kill(t->pid, SIGKILL);
	as_user_keeper(as);
	while (waitpid(t->pid, NULL, 0) == -1 && errno == EINTR)
		;
}
