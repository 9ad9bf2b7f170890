/*
 * errand/run.c: a program that misbehaves ends in time, with all processes that it has started.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "errand/run.h"
#include "emulated.h"

#define MAX 1000
#define LONG_MS 20000
#define SHORT_MS 300
#define SWEEP_ONLY "sweep"

static void
run(char *const *argv, char *const *env, int timeout_ms, int watched, struct run_result *result)
{
	const struct run_order order = { .argv = argv,
		.env = env,
		.timeout_ms = timeout_ms,
		.max = MAX,
		.watched = watched };

	skip_if_emulated();
	run_program(&order, result);
}

/* Run sh -c SCRIPT, with a limit of bytes and of time. */
static void
shell_for(const char *script, int timeout_ms, struct run_result *result)
{
	char *const argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
		(char *)(uintptr_t)script, NULL };
	char *const env[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin", NULL };

	run(argv, env, timeout_ms, -1, result);
	/* whatever it was: nobody is left */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void
shell(const char *script, struct run_result *result)
{
	shell_for(script, LONG_MS, result);
}

/* It fails with this reason, before LONG_MS are over. */
static void
fails(const char *script, int timeout_ms, const char *why)
{
	int64_t start = clock_ms();
	struct run_result result;

	shell_for(script, timeout_ms, &result);
	if (strstr(result.failure, why) == NULL)
		fail_msg("%s: \"%s\"", script, result.failure);
	assert_true(clock_ms() - start < LONG_MS / 2);
	buf_free(&result.out);
}

static void
test_output_and_status(void **state)
{
	struct run_result result;

	shell("echo out; echo one >&2; echo two >&2; exit 7", &result);
	assert_string_equal(result.failure, "");
	assert_int_equal(result.status, 7);
	assert_string_equal(buf_cstr(&result.out), "out\n");
	assert_string_equal(result.said, "one");
	buf_free(&result.out);
}

static void
test_arguments_and_environment(void **state)
{
	struct run_result result;
	const char *ignored;
	char text[64];
	int fd;

	/* a descriptor of ours that is not closed on exec, ignored and blocked signals */
	fd = dup(STDERR_FILENO);
	assert_true(fd > 2);
	signal(SIGPIPE, SIG_IGN);
	shell("env -u PWD -u OLDPWD -u SHLVL -u _ | sort; pwd; cat; "
	      "for f in /proc/$$/fd/*; do echo ${f##*/}; done; grep SigIgn /proc/$$/status",
	    &result);
	signal(SIGPIPE, SIG_DFL);
	close(fd);
	assert_string_equal(result.failure, "");
	snprintf(text, sizeof(text), "PATH=/usr/bin:/bin\n/\n0\n1\n2\n");
	assert_memory_equal(result.out.data, text, strlen(text));
	ignored = strstr(buf_cstr(&result.out), "SigIgn:");
	assert_non_null(ignored);
	/* 32 and 33 are the C library's, and some makes hand them on ignored */
	assert_int_equal(strtoull(ignored + strlen("SigIgn:"), NULL, 16) & ~(UINT64_C(3) << 31), 0);
	buf_free(&result.out);
}

static void
test_output_up_to_its_limit(void **state)
{
	struct run_result result;

	shell("head -c 1000 /dev/zero", &result);
	assert_string_equal(result.failure, "");
	assert_int_equal(result.out.len, MAX);
	buf_free(&result.out);
	fails("head -c 1001 /dev/zero", LONG_MS, "more than 1000 bytes");
}

static void
test_too_much_output_ends_it(void **state)
{
	fails("cat /dev/zero", LONG_MS, "more than 1000 bytes");
	fails("cat /dev/zero >&2", LONG_MS, "more than 1000 bytes");
	fails("trap '' PIPE TERM; while :; do echo x; echo y >&2; done", LONG_MS,
	    "more than 1000 bytes");
}

static void
test_deadline_ends_it(void **state)
{
	fails("sleep 1000", SHORT_MS, "took too long");
	fails("while :; do :; done", SHORT_MS, "took too long");
}

static void
test_dribble_does_not_extend_it(void **state)
{
	fails("while :; do printf x; sleep 0.05; done", SHORT_MS, "took too long");
	fails("while :; do printf x >&2; sleep 0.05; done", SHORT_MS, "took too long");
}

static void
test_closed_pipes_do_not_either(void **state)
{
	struct run_result result;

	fails("exec >&- 2>&-; sleep 1000", SHORT_MS, "took too long");
	shell("echo in time; exec >&- 2>&-; sleep 0.1; exit 3", &result);
	assert_string_equal(result.failure, "");
	assert_int_equal(result.status, 3);
	assert_string_equal(buf_cstr(&result.out), "in time\n");
	buf_free(&result.out);
}

static void
test_ignored_signals(void **state)
{
	fails("trap '' TERM INT HUP QUIT; while :; do sleep 1000; done", SHORT_MS, "took too long");
}

static void
test_stopped(void **state)
{
	fails("kill -STOP $$", SHORT_MS, "took too long");
}

static void
test_grandchild_holds_the_pipe(void **state)
{
	fails("echo fine; sleep 1000 & exit 0", SHORT_MS, "left behind keeps its output open");
	/* and one that has left the process group */
	fails("echo fine; setsid sleep 1000 & exit 0", SHORT_MS, "left behind keeps its output");
	fails("echo fine; setsid sh -c 'setsid sleep 1000 & sleep 1000' & exit 0", SHORT_MS,
	    "left behind keeps its output open");
}

/* Its children end with it, also those that hold nothing of ours: shell() has seen to that; here
 * by their number, as nobody's children any more. */
static void
test_whole_group_is_killed(void **state)
{
	struct run_result result;
	char *end, *text;
	long pid;
	int n;

	shell("for i in 1 2 3; do sleep 1000 >/dev/null 2>&1 & echo $!; done; "
	      "setsid sleep 1000 >/dev/null 2>&1 & echo $!; exit 0",
	    &result);
	assert_string_equal(result.failure, "");
	text = (char *)(uintptr_t)buf_cstr(&result.out);
	for (n = 0; (pid = strtol(text, &end, 10)) > 0; n++, text = end) {
		assert_int_equal(kill((pid_t)pid, 0), -1);
		assert_int_equal(errno, ESRCH);
	}
	assert_int_equal(n, 4);
	buf_free(&result.out);
}

/* More of them than one look into /proc shows. */
static void
test_many_that_fork(void **state)
{
	struct run_result result;

	shell("i=0; while [ $i -lt 100 ]; do setsid sleep 1000 >/dev/null 2>&1 & i=$((i+1)); done",
	    &result);
	assert_string_equal(result.failure, "");
	buf_free(&result.out);
}

static void
test_crash(void **state)
{
	fails("echo fine; kill -SEGV $$", LONG_MS, "killed by signal 11");
	fails("echo fine; kill -KILL $$", LONG_MS, "killed by signal 9");
}

static void
test_cannot_be_run(void **state)
{
	char *argv[] = { (char *)(uintptr_t) "/no/such/program", NULL }, *env[] = { NULL };
	struct run_result result;

	run(argv, env, LONG_MS, -1, &result);
	assert_string_equal(result.failure, "cannot be run: No such file or directory");
	buf_free(&result.out);
	argv[0] = (char *)(uintptr_t) "/etc/passwd";
	run(argv, env, LONG_MS, -1, &result);
	assert_string_equal(result.failure, "cannot be run: Permission denied");
	buf_free(&result.out);
	argv[0] = (char *)(uintptr_t) "/etc";
	run(argv, env, LONG_MS, -1, &result);
	assert_non_null(strstr(result.failure, "cannot be run: "));
	buf_free(&result.out);
}

/* Nobody waits for it any more. */
static void
test_watched_socket_closes(void **state)
{
	char *const argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
		(char *)(uintptr_t) "sleep 1000", NULL };
	char *const env[] = { NULL };
	int64_t start = clock_ms();
	struct run_result result;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	fd_close(&pair[0]);
	run(argv, env, LONG_MS, pair[1], &result);
	fd_close(&pair[1]);
	assert_string_equal(result.failure, "nobody waits for it");
	assert_true(clock_ms() - start < LONG_MS / 2);
	buf_free(&result.out);
}

static void
test_words_are_bytes(void **state)
{
	char *const argv[] = { (char *)(uintptr_t) "/usr/bin/printf", (char *)(uintptr_t) "%s|",
		(char *)(uintptr_t) "$(touch x)", (char *)(uintptr_t) "a b\n`id`;&",
		(char *)(uintptr_t) "\xff", NULL };
	char *const env[] = { NULL };
	struct run_result result;

	run(argv, env, LONG_MS, -1, &result);
	assert_string_equal(result.failure, "");
	assert_string_equal(buf_cstr(&result.out), "$(touch x)|a b\n`id`;&|\xff|");
	buf_free(&result.out);
}

/* Among many children, that of a killed errand is found though it is the last. */
static void
test_sweep_of_many(void **state)
{
	pid_t ours[900], left;
	size_t i, n = sizeof(ours) / sizeof(ours[0]);
	int pipe_fds[2], status;
	char byte;

	assert_int_equal(pipe(pipe_fds), 0);
	for (i = 0; i < n + 1; i++) {
		left = fork();
		assert_int_not_equal(left, -1);
		if (left == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (i == n && (setsid() == -1 || write(pipe_fds[1], "", 1) != 1))
				_exit(1);
			pause();
			_exit(0);
		}
		if (i < n)
			ours[i] = left;
	}
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	run_sweep();
	/* one that is missed would never end */
	alarm(20);
	assert_int_equal(waitpid(left, &status, 0), left);
	alarm(0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(waitpid(-1, &status, WNOHANG), 0);
	for (i = 0; i < n; i++) {
		assert_int_equal(kill(ours[i], SIGTERM), 0);
		assert_int_equal(waitpid(ours[i], &status, 0), ours[i]);
		assert_int_equal(WTERMSIG(status), SIGTERM);
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* The exit status of a program that is not confined as run_program()'s are; -1: a signal ended it. */
static int
status_of(const char *const *argv)
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		alarm(60);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The same where our session began outside our PID namespace, and has no number: a container. */
static void
test_sweep_in_a_container(void **state)
{
	char exe[4096] = "/bin/true";
	const char *const argv[] = { "/usr/bin/unshare", "--pid", "--fork", "--mount-proc", exe,
		SWEEP_ONLY, NULL };

	if (status_of(argv) != 0)
		skip(); /* not root, or in a container that may hold no other */
	memset(exe, 0, sizeof(exe));
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_int_equal(status_of(argv), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest sweep[] = {
		cmocka_unit_test(test_sweep_of_many),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_and_status),
		cmocka_unit_test(test_arguments_and_environment),
		cmocka_unit_test(test_output_up_to_its_limit),
		cmocka_unit_test(test_too_much_output_ends_it),
		cmocka_unit_test(test_deadline_ends_it),
		cmocka_unit_test(test_dribble_does_not_extend_it),
		cmocka_unit_test(test_closed_pipes_do_not_either),
		cmocka_unit_test(test_ignored_signals),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_grandchild_holds_the_pipe),
		cmocka_unit_test(test_whole_group_is_killed),
		cmocka_unit_test(test_many_that_fork),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_cannot_be_run),
		cmocka_unit_test(test_watched_socket_closes),
		cmocka_unit_test(test_words_are_bytes),
		cmocka_unit_test(test_sweep_of_many),
		cmocka_unit_test(test_sweep_in_a_container),
	};

	if (argc == 2 && strcmp(argv[1], SWEEP_ONLY) == 0)
		return cmocka_run_group_tests(sweep, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
