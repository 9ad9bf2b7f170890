#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/privs.h"
#include "errand/run.h"

/* Even what writes without a pause gives way to the clock every now and then. */
#define READ_SIZE 16384

struct run {
	pid_t pid;
	int out, err;  /* -1: at its end */
	int exec_fail; /* says errno if exec(2) fails, else nothing */
	size_t err_len;
	int status;
	int ended;
};

/* To where PWD says, or, if that is not for everybody, to where nothing is in the way. */
static int
change_dir(char *const *env)
{
	for (; *env != NULL; env++)
		if (strncmp(*env, "PWD=", 4) == 0 && chdir(*env + 4) == 0)
			return 0;
	return chdir("/");
}

/* What a program that does not come to be has failed at. */
struct run_failure {
	int confining; /* an ERR_*; 0: executing it */
	int error;     /* errno */
};

/* In the child: nothing of ours but 0 to 2. */
static void
become(const struct run_order *order, int out, int err, int exec_fail)
{
	struct run_failure failure = { 0 };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;
	int null, i;

	errno = EPERM;
	/* before the death signal, which a change of user undoes */
	if (privs_drop(order->user) != 0)
		goto fail;
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 1; i < NSIG; i++)
		(void)sigaction(i, &dfl, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null == -1 || dup2(null, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 ||
	    dup2(err, STDERR_FILENO) == -1 || change_dir(order->env) == -1)
		goto fail;
	fd_close_others(3, &exec_fail, 1);
	failure.confining = errand_confine_program(&order->confined);
	if (failure.confining == 0)
		execve(order->argv[0], order->argv, order->env);
fail:
	failure.error = errno;
	(void)!write(exec_fail, &failure, sizeof(failure));
	_exit(127);
}

/* Make sure no pipe end of ours is 0 to 2, where dup2() would step on it. */
static int
pipe_high(int fds[2])
{
	int i, fd;

	if (pipe2(fds, O_CLOEXEC) == -1) {
		fds[0] = fds[1] = -1;
		return ERR_SYS;
	}
	for (i = 0; i < 2; i++) {
		if (fds[i] > STDERR_FILENO)
			continue;
		fd = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (fd == -1)
			return ERR_SYS;
		close(fds[i]);
		fds[i] = fd;
	}
	return 0;
}

static int
start(struct run *run, const struct run_order *order)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, fail[2] = { -1, -1 }, r = ERR_SYS;

	if (pipe_high(out) == 0 && pipe_high(err) == 0 && pipe_high(fail) == 0 &&
	    fd_set_nonblock(out[0]) == 0 && fd_set_nonblock(err[0]) == 0) {
		run->pid = fork();
		if (run->pid == 0)
			become(order, out[1], err[1], fail[1]);
		r = run->pid == -1 ? ERR_SYS : 0;
	}
	fd_close(&out[1]);
	fd_close(&err[1]);
	fd_close(&fail[1]);
	if (r != 0) {
		fd_close(&out[0]);
		fd_close(&err[0]);
		fd_close(&fail[0]);
	}
	run->out = out[0];
	run->err = err[0];
	run->exec_fail = fail[0];
	return r;
}

/* Take what is there.  0, or ERR_TOOBIG. */
static int
take_out(struct run *run, struct run_result *result)
{
	uint8_t *to, probe[1];
	size_t room = result->out.max - result->out.len;
	ssize_t n;

	to = room == 0 ? probe : buf_reserve(&result->out, room < READ_SIZE ? room : READ_SIZE);
	if (to == NULL)
		return ERR_NOMEM;
	n = read(run->out, to, room == 0 ? 1 : room < READ_SIZE ? room : READ_SIZE);
	if (n > 0 && room == 0)
		return ERR_TOOBIG;
	if (n > 0)
		result->out.len += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		fd_close(&run->out);
	return 0;
}

static int
take_err(struct run *run, struct run_result *result)
{
	char text[READ_SIZE];
	size_t len = strlen(result->said), room = RUN_SAID_MAX - len, i;
	ssize_t n = read(run->err, text, sizeof(text));

	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		fd_close(&run->err);
	if (n <= 0)
		return 0;
	run->err_len += (size_t)n;
	/* the first line will do */
	for (i = 0; i < (size_t)n && i < room && strchr(result->said, '\n') == NULL; i++) {
		result->said[len++] = text[i] == '\0' ? '?' : text[i];
		result->said[len] = '\0';
	}
	return run->err_len > result->out.max ? ERR_TOOBIG : 0;
}

/* Until it has ended and nobody holds its pipes, or something is wrong. */
static void
attend(struct run *run, int64_t deadline, int watched, struct run_result *result)
{
	struct pollfd fds[3];
	siginfo_t info;
	int64_t now;
	int wait_ms;

	while (!run->ended || run->out != -1 || run->err != -1) {
		now = clock_ms();
		if (now >= deadline) {
			snprintf(result->failure, sizeof(result->failure), "%s",
			    run->ended ? "a process it has left behind keeps its output open" :
					 "it took too long and was killed");
			return;
		}
		wait_ms = clock_until(deadline, now);
		/* with its pipes closed, its end makes no sound */
		if (!run->ended && run->out == -1 && run->err == -1 && wait_ms > 10)
			wait_ms = 10;
		else if (!run->ended && wait_ms > 200)
			wait_ms = 200;
		fds[0] = (struct pollfd){ run->out, POLLIN, 0 };
		fds[1] = (struct pollfd){ run->err, POLLIN, 0 };
		fds[2] = (struct pollfd){ watched, 0, 0 };
		if (poll(fds, 3, wait_ms) > 0) {
			if (fds[2].revents != 0) {
				snprintf(result->failure, sizeof(result->failure),
				    "nobody waits for it");
				return;
			}
			if ((fds[0].revents != 0 && take_out(run, result) != 0) ||
			    (fds[1].revents != 0 && take_err(run, result) != 0)) {
				snprintf(result->failure, sizeof(result->failure),
				    "it said more than %zu bytes and was killed", result->out.max);
				return;
			}
		}
		info.si_pid = 0;
		/* not reaped before its group has been killed: the number stays taken */
		if (!run->ended &&
		    waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
			run->ended = info.si_pid == run->pid;
	}
}

#define NO_SESSION (-1)

/* Our children, for next_child(); NULL: out of descriptors. */
static FILE *
open_children(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	return fopen(path, "re");
}

/* The next but for those of this session, which may be 0 for one that began outside our PID
 * namespace; 0: there is none left. */
static pid_t
next_child(FILE *children, pid_t spared)
{
	char word[24], *end;
	size_t len;
	long pid;
	int c;

	/* the numbers, a blank behind each; a master may have more than fit in one read */
	for (;;) {
		for (len = 0; len < sizeof(word) - 1 && (c = getc(children)) != EOF && c != ' ';)
			word[len++] = (char)c;
		word[len] = '\0';
		pid = strtol(word, &end, 10);
		if (end == word || pid <= 0)
			return 0;
		if (spared == NO_SESSION || getsid((pid_t)pid) != spared)
			return (pid_t)pid;
	}
}

static void
kill_children(pid_t spared)
{
	FILE *children = open_children();
	pid_t pid;

	if (children == NULL)
		return;
	while ((pid = next_child(children, spared)) > 0)
		(void)kill(pid, SIGKILL);
	(void)fclose(children);
}

size_t
run_orphans(pid_t pids[RUN_ORPHANS_MAX])
{
	FILE *children = open_children();
	size_t n = 0;
	pid_t pid;

	if (children == NULL)
		return 0;
	while (n < RUN_ORPHANS_MAX && (pid = next_child(children, getsid(0))) > 0)
		pids[n++] = pid;
	(void)fclose(children);
	return n;
}

void
run_adopt(void)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void
run_sweep(void)
{
	kill_children(getsid(0));
}

/* What is left of it: its group, and, as it comes to us, what has left its group. */
static void
clean_up(struct run *run)
{
	const struct timespec tick = { 0, 1000000 };
	int tries;

	(void)kill(-run->pid, SIGKILL);
	(void)kill(run->pid, SIGKILL);
	while (waitpid(run->pid, &run->status, 0) == -1 && errno == EINTR)
		;
	for (tries = 0; tries < 1000; tries++) {
		kill_children(NO_SESSION);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD)
			return;
		(void)nanosleep(&tick, NULL);
	}
}

static void
fail_start(const struct run_failure *failure, struct run_result *result)
{
	errno = failure->error;
	if (failure->confining != 0)
		snprintf(result->failure, sizeof(result->failure),
		    "cannot be kept from the key store: %s", err_str(failure->confining));
	else
		snprintf(result->failure, sizeof(result->failure), "cannot be run: %s",
		    strerror(errno));
}

void
run_program(const struct run_order *order, struct run_result *result)
{
	struct run run = { .out = -1, .err = -1, .exec_fail = -1 };
	int64_t deadline = clock_ms() + order->timeout_ms;
	struct run_failure failure;
	char *newline;

	*result = (struct run_result){ 0 };
	buf_init(&result->out, order->max);
	/* what it leaves behind becomes ours, to be ended */
	run_adopt();
	if (start(&run, order) != 0) {
		snprintf(result->failure, sizeof(result->failure), "cannot be run: %s",
		    strerror(errno));
		return;
	}
	if (read(run.exec_fail, &failure, sizeof(failure)) == (ssize_t)sizeof(failure))
		fail_start(&failure, result);
	else
		attend(&run, deadline, order->watched, result);
	clean_up(&run);
	fd_close(&run.out);
	fd_close(&run.err);
	fd_close(&run.exec_fail);
	newline = strchr(result->said, '\n');
	if (newline != NULL)
		*newline = '\0';
	if (result->failure[0] == '\0' && WIFSIGNALED(run.status))
		snprintf(result->failure, sizeof(result->failure), "killed by signal %d",
		    WTERMSIG(run.status));
	result->status = WIFEXITED(run.status) ? WEXITSTATUS(run.status) : 255;
	if (result->failure[0] == '\0' && buf_err(&result->out) != 0)
		snprintf(result->failure, sizeof(result->failure), "%s",
		    err_str(buf_err(&result->out)));
}
