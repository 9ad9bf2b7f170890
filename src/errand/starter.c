/*
 * The starter of lookup programs (starter.h), a role that the master executes (cli/role.c), and the two
 * functions by which the master talks to it.
 */
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/privs.h"
#include "base/reexec.h"
#include "base/proctitle.h"
#include "errand/confine.h"
#include "errand/run.h"
#include "errand/starter.h"

/* Errands at once: the keeper runs 16, and as many that it has cancelled may still be ending. */
#define STARTER_ERRANDS_MAX 32
#define STARTER_GROUPS_MAX 64
#define STARTER_WAIT_MS 10000
#define STARTER_CAPABILITIES (1ULL << CAP_SETUID | 1ULL << CAP_SETGID)

struct starter {
	const struct starter_config *config;
	uid_t uid; /* of the user */
	gid_t gid;
	gid_t groups[STARTER_GROUPS_MAX];
	int n_groups;
	int master;
	int signals;
	sigset_t old_mask;
	pid_t errands[STARTER_ERRANDS_MAX]; /* 0: free */
};

/* --- becoming --- */

/* Look the user up once, so that no file has to be opened later. */
static int
starter_find_user(struct starter *s)
{
	const struct passwd *pw = getpwnam(s->config->user);

	if (pw == NULL)
		return ERR_NOTFOUND;
	s->uid = pw->pw_uid;
	s->gid = pw->pw_gid;
	s->n_groups = STARTER_GROUPS_MAX;
	if (s->uid == 0 || getgrouplist(pw->pw_name, pw->pw_gid, s->groups, &s->n_groups) == -1)
		return ERR_PERM;
	return 0;
}

/* Keep the two capabilities, in a way that no execve(2) gives others back. */
static int
starter_confine(const struct starter *s)
{
	const char *self = s->config->self;
	int r;

	/* this fails without CAP_SETPCAP, in a container for example, whose bounding set is small anyway */
	(void)prctl(PR_SET_SECUREBITS,
	    SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
		SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED);
	if (prctl(PR_SET_KEEPCAPS, 1) == -1)
		return ERR_SYS;
	/* also before the change of user, after which the bounding set can no longer be limited */
	r = privs_limit_capabilities(STARTER_CAPABILITIES);
	if (r == 0)
		r = privs_drop(self[0] == '\0' ? NULL : self);
	if (r == 0)
		r = errand_confine_starter(STARTER_CAPABILITIES);
	return r == 0 && prctl(PR_SET_KEEPCAPS, 0) == -1 ? ERR_SYS : r;
}

/* In a child: become the user for good, without any capability. */
static void
starter_become_user(const struct starter *s)
{
	if (setgroups((size_t)s->n_groups, s->groups) == -1 ||
	    setresgid(s->gid, s->gid, s->gid) == -1 || setresuid(s->uid, s->uid, s->uid) == -1 ||
	    privs_limit_capabilities(0) != 0 || setuid(0) != -1)
		_exit(1);
}

/* --- errands --- */

static void
starter_fork(struct starter *s, int sock)
{
	pid_t *place = NULL;
	size_t i;

	for (i = 0; i < STARTER_ERRANDS_MAX && place == NULL; i++)
		if (s->errands[i] == 0)
			place = &s->errands[i];
	/* the errand's socket closes, by which the keeper learns of it */
	if (place == NULL) {
		log_error("a lookup program is not started: %d are running already",
		    STARTER_ERRANDS_MAX);
		return;
	}
	*place = fork();
	if (*place == 0) {
		sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
		starter_become_user(s);
		reexec_role(sock,
		    (const char *const[]){ "role-run-only", s->config->base, s->config->command,
			NULL });
	}
	if (*place == -1) {
		*place = 0;
		log_error("cannot fork: %s", err_str(ERR_SYS));
	}
}

/* Kill what an errand that was killed left behind: orphans become the starter's children, but only their
 * user may signal them. */
static void
starter_sweep(const struct starter *s)
{
	pid_t left[RUN_ORPHANS_MAX], pid;
	size_t n = run_orphans(left), i;

	if (n == 0)
		return;
	pid = fork();
	if (pid == 0) {
		starter_become_user(s);
		for (i = 0; i < n; i++)
			(void)kill(left[i], SIGKILL);
		_exit(0);
	}
	/* orphans are reaped after this, so that no number is given to another process meanwhile */
	if (pid != -1)
		(void)waitpid(pid, NULL, 0);
}

static void
starter_reap(struct starter *s)
{
	struct signalfd_siginfo info;
	pid_t pid;
	size_t i;

	while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (i = 0; i < STARTER_ERRANDS_MAX; i++)
			if (s->errands[i] == pid)
				s->errands[i] = 0;
	starter_sweep(s);
}

/* Take one byte with a socket, and start an errand on it.  0, or an ERR_*: the master is gone. */
static int
starter_take(struct starter *s)
{
	int sock = -1;
	uint8_t byte;
	ssize_t n;

	n = fd_recv(s->master, &byte, sizeof(byte), &sock, MSG_DONTWAIT);
	if (n == ERR_AGAIN)
		return 0;
	/* out of descriptors: the errand's socket closes, by which the keeper learns of it */
	if (n == ERR_NOFILE)
		return 0;
	if (n != 1 || sock == -1) {
		fd_close(&sock);
		return n == 0 ? ERR_EOF : ERR_FORMAT;
	}
	starter_fork(s, sock);
	fd_close(&sock);
	return 0;
}

int
starter_run(int master, const struct starter_config *config)
{
	struct starter s = { .config = config, .master = master };
	struct pollfd fds[2];
	const uint8_t ready = 1;
	int r;

	proctitle_set("starter");
	r = starter_find_user(&s);
	/* the starter ends when the master does, not by a signal to their process group */
	if (r == 0)
		r = fd_signals(&s.signals, &s.old_mask);
	run_adopt();
	if (r == 0)
		r = starter_confine(&s);
	if (r == 0)
		r = fd_send(master, &ready, sizeof(ready), -1);
	if (r != 0) {
		log_error("RunAs of [lookup exec]: cannot start programs as %s: %s", config->user,
		    err_str(r));
		return 1;
	}
	while (r == 0) {
		fds[0] = (struct pollfd){ master, POLLIN, 0 };
		fds[1] = (struct pollfd){ s.signals, POLLIN, 0 };
		if (poll(fds, 2, -1) == -1)
			continue;
		if (fds[1].revents != 0)
			starter_reap(&s);
		if (fds[0].revents != 0)
			r = starter_take(&s);
	}
	/* the kernel frees everything */
	_exit(0);
}

/* --- for the master --- */

int
starter_wait(int starter)
{
	struct pollfd pfd = { starter, POLLIN, 0 };
	uint8_t byte;
	ssize_t n;
	int fd;

	if (poll(&pfd, 1, STARTER_WAIT_MS) != 1)
		return ERR_TIMEOUT;
	n = fd_recv(starter, &byte, sizeof(byte), &fd, MSG_DONTWAIT);
	fd_close(&fd);
	return n == 1 ? 0 : ERR_EOF;
}

int
starter_ask(int starter, int errand)
{
	const uint8_t byte = 1;

	return fd_send(starter, &byte, sizeof(byte), errand);
}
