/*
 * Running a lookup program, or that of a second factor, with limits on its time, its output and its
 * descendants.  Called by errand_run.c and errand_factor.c, and by `sallyport route` and `check`; run_adopt() and run_sweep() also by the master.
 */
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
#include "errand/run_private.h"

/* Bytes of one read(2): the deadline is looked at between two. */
#define READ_SIZE 16384

/* Change to the directory of $PWD, or to / if its user may not enter that. */
static int
run_change_dir(char *const *env)
{
	for (; *env != NULL; env++)
		if (strncmp(*env, "PWD=", 4) == 0 && chdir(*env + 4) == 0)
			return 0;
	return chdir("/");
}

/* Why a program was not executed. */
struct run_failure {
	int confining; /* the ERR_* of errand_confine_program(), or 0: execve(2) or a step before failed */
	int error; /* errno */
};

/* In the child: give up everything but descriptors 0 to 2, and execute the program. */
static void
run_execute(const struct run_order *order, int in, int out, int err, int exec_fail)
{
	struct run_failure failure = { 0 };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;
	int i;

	errno = EPERM;
	/* before PR_SET_PDEATHSIG, which a change of user clears */
	if (privs_drop(order->user) != 0)
		goto fail;
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 1; i < NSIG; i++)
		(void)sigaction(i, &dfl, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (in == -1)
		in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (in == -1 || dup2(in, STDIN_FILENO) == -1 || dup2(out, STDOUT_FILENO) == -1 ||
	    dup2(err, STDERR_FILENO) == -1 || run_change_dir(order->env) == -1)
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

/* A pipe whose ends are not 0 to 2, where the dup2() of the child would overwrite them. */
static int
run_pipe(int fds[2])
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
run_start(struct run *run, const struct run_order *order)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 }, fail[2] = { -1, -1 };
	int r = ERR_SYS;

	if ((order->talk == NULL || (run_pipe(in) == 0 && fd_set_nonblock(in[1]) == 0)) &&
	    run_pipe(out) == 0 && run_pipe(err) == 0 && run_pipe(fail) == 0 &&
	    fd_set_nonblock(out[0]) == 0 && fd_set_nonblock(err[0]) == 0) {
		run->pid = fork();
		if (run->pid == 0)
			run_execute(order, in[0], out[1], err[1], fail[1]);
		r = run->pid == -1 ? ERR_SYS : 0;
	}
	fd_close(&in[0]);
	fd_close(&out[1]);
	fd_close(&err[1]);
	fd_close(&fail[1]);
	if (r != 0) {
		fd_close(&in[1]);
		fd_close(&out[0]);
		fd_close(&err[0]);
		fd_close(&fail[0]);
	}
	run->in = in[1];
	run->out = out[0];
	run->err = err[0];
	run->exec_fail = fail[0];
	return r;
}

int
run_read_out(struct run *run, struct run_result *result)
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

int
run_read_err(struct run *run, struct run_result *result)
{
	char text[READ_SIZE];
	size_t len = strlen(result->said), room = RUN_SAID_MAX - len, i;
	ssize_t n = read(run->err, text, sizeof(text));

	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		fd_close(&run->err);
	if (n <= 0)
		return 0;
	run->err_len += (size_t)n;

	for (i = 0; i < (size_t)n && i < room && strchr(result->said, '\n') == NULL; i++) {
		result->said[len++] = text[i] == '\0' ? '?' : text[i];
		result->said[len] = '\0';
	}
	return run->err_len > result->out.max ? ERR_TOOBIG : 0;
}

int
run_has_ended(struct run *run)
{
	siginfo_t info = { 0 };

	/* WNOWAIT: it is reaped after its process group is killed, so that the number stays its own */
	if (!run->ended && waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		run->ended = info.si_pid == run->pid;
	return run->ended;
}

void
run_fail_output(const struct run_result *result, char failure[RUN_FAILURE_SIZE])
{
	snprintf(failure, RUN_FAILURE_SIZE, "it printed more than %zu bytes and was killed",
	    result->out.max);
}

/* Wait until the program has ended and its pipes are closed, or a limit is exceeded. */
static void
run_wait(struct run *run, int64_t deadline, int watched, struct run_result *result)
{
	struct pollfd fds[3];
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
		/* once its pipes are closed, nothing wakes poll(2) when it ends */
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
			if ((fds[0].revents != 0 && run_read_out(run, result) != 0) ||
			    (fds[1].revents != 0 && run_read_err(run, result) != 0)) {
				run_fail_output(result, result->failure);
				return;
			}
		}
		(void)run_has_ended(run);
	}
}

#define NO_SESSION (-1)

/* The kernel's list of our children, for run_next_child(); NULL: out of descriptors. */
static FILE *
run_open_children(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	return fopen(path, "re");
}

/* The next child that is not in the session (setsid(2)) spared; 0: there is none left.  spared may be 0:
 * a session that began outside our PID namespace. */
static pid_t
run_next_child(FILE *children, pid_t spared)
{
	char word[24], *end;
	size_t len;
	long pid;
	int c;

	/* numbers, each followed by a blank; a master's list may be longer than one read(2) */
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
run_kill_children(pid_t spared)
{
	FILE *children = run_open_children();
	pid_t pid;

	if (children == NULL)
		return;
	while ((pid = run_next_child(children, spared)) > 0)
		(void)kill(pid, SIGKILL);
	(void)fclose(children);
}

size_t
run_orphans(pid_t pids[RUN_ORPHANS_MAX])
{
	FILE *children = run_open_children();
	size_t n = 0;
	pid_t pid;

	if (children == NULL)
		return 0;
	while (n < RUN_ORPHANS_MAX && (pid = run_next_child(children, getsid(0))) > 0)
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
	run_kill_children(getsid(0));
}

/* Kill what the program leaves behind: its process group, and then those that left the group, who become
 * our children as their parents end. */
static void
run_clean_up(struct run *run)
{
	const struct timespec tick = { 0, 1000000 };
	int tries;

	(void)kill(-run->pid, SIGKILL);
	(void)kill(run->pid, SIGKILL);
	while (waitpid(run->pid, &run->status, 0) == -1 && errno == EINTR)
		;
	for (tries = 0; tries < 1000; tries++) {
		run_kill_children(NO_SESSION);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD)
			return;
		(void)nanosleep(&tick, NULL);
	}
}

static void
run_fail_start(const struct run_failure *failure, struct run_result *result)
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
	struct run run = { .in = -1, .out = -1, .err = -1, .exec_fail = -1 };
	int64_t deadline = clock_ms() + order->timeout_ms;
	struct run_failure failure;
	char *newline;

	*result = (struct run_result){ 0 };
	buf_init(&result->out, order->max);
	/* orphans of the program become our children, and run_clean_up() ends them */
	run_adopt();
	if (run_start(&run, order) != 0) {
		snprintf(result->failure, sizeof(result->failure), "cannot be run: %s",
		    strerror(errno));
		return;
	}
	if (read(run.exec_fail, &failure, sizeof(failure)) == (ssize_t)sizeof(failure))
		run_fail_start(&failure, result);
	else if (order->talk != NULL)
		run_converse(&run, order, deadline, result);
	else
		run_wait(&run, deadline, order->watched, result);
	run_clean_up(&run);
	fd_close(&run.in);
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
