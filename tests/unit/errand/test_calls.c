/*
 * errand/calls.c: a program signals its own group alone, and an errand makes only the system calls that it needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "errand/calls.h"
#include "emulated.h"

/* How a child ended that has these limits and does this. */
static int
in_child(int (*limit)(void), int (*act)(void))
{
	int status = 0;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (setsid() == -1 || limit() != 0)
			_exit(99);
		_exit(act());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* 0, or 1 to 128 for the step that went wrong. */
static int
ends_with(int (*limit)(void), int (*act)(void))
{
	int status;

	skip_if_emulated();
	status = in_child(limit, act);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int
own_signals(void)
{
	return calls_program(CALLS_SIGNALS_OWN);
}

static int
refused(int r)
{
	return r == -1 && errno == EPERM;
}

static int
act_signal_others(void)
{
	const pid_t parent = getppid();
	const long wide = (long)((1UL << 32) | (unsigned int)parent);

	if (!refused(kill(parent, SIGCONT)))
		return 1;
	if (!refused((int)syscall(SYS_kill, wide, SIGCONT)))
		return 2;
	if (!refused(kill(-1, SIGCONT)))
		return 3;
	if (!refused((int)syscall(SYS_tgkill, parent, parent, SIGCONT)))
		return 4;
	if (!refused((int)syscall(SYS_tkill, parent, SIGCONT)))
		return 5;
	if (!refused(kill(-parent, SIGCONT)))
		return 6;
	if (!refused(fcntl(0, F_SETOWN, parent)))
		return 7;
	return 0;
}

static int
act_signal_own(void)
{
	if (kill(getppid(), 0) != 0) /* asks only */
		return 1;
	(void)signal(SIGUSR1, SIG_IGN);
	if (kill(getpid(), SIGUSR1) != 0 || kill(0, SIGUSR1) != 0 || kill(-getpid(), SIGUSR1) != 0)
		return 2;
	return raise(SIGUSR1) == 0 ? 0 : 3;
}

static int
act_abort(void)
{
	abort();
}

static int
act_shell(void)
{
	const char *script = "timeout 0.1 sleep 60; [ $? -ge 124 ] || exit 1; "
			     "trap 'exit 7' USR1; kill -USR1 $$; exit 2";

	execl("/bin/sh", "sh", "-c", script, (char *)NULL);
	return 3;
}

static void
test_a_program_signals_nobody_but_its_group(void **state)
{
	assert_int_equal(ends_with(own_signals, act_signal_others), 0);
	assert_int_equal(ends_with(own_signals, act_signal_own), 0);
	assert_int_equal(ends_with(own_signals, act_abort), 1000 + SIGABRT);
	assert_int_equal(ends_with(own_signals, act_shell), 7);
}

#ifndef SALLYPORT_ASAN
static int
act_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC) == -1 ? 1 : 0;
}

static int
act_open_to_write(void)
{
	return refused(open("/dev/null", O_WRONLY | O_CLOEXEC)) ? 0 : 1;
}

static int
act_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) == -1 ? 1 : 0;
}

static int
act_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) == -1 ? 1 : 0;
}

static int
act_listen(void)
{
	return listen(0, 1) == -1 ? 1 : 0;
}

static int
act_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}

static int
act_fork(void)
{
	pid_t pid = fork();

	return refused(pid) ? 0 : 1;
}

static void
test_errand_of_a_password_computes_alone(void **state)
{
	assert_int_equal(ends_with(calls_password, act_open), 1000 + SIGSYS);
	assert_int_equal(ends_with(calls_password, act_socket), 1000 + SIGSYS);
	assert_int_equal(ends_with(calls_password, act_exec), 1000 + SIGSYS);
	assert_int_equal(ends_with(calls_password, act_fork), 1000 + SIGSYS);
}

static void
test_an_errand_that_dials_reads_and_connects(void **state)
{
	assert_int_equal(ends_with(calls_dial, act_open), 0);
	assert_int_equal(ends_with(calls_dial, act_socket), 0);
	assert_int_equal(ends_with(calls_dial, act_open_to_write), 0);
	assert_int_equal(ends_with(calls_dial, act_fork), 0);
	assert_int_equal(ends_with(calls_dial, act_exec), 1000 + SIGSYS);
	assert_int_equal(ends_with(calls_dial, act_packet_socket), 1000 + SIGSYS);
	assert_int_equal(ends_with(calls_dial, act_listen), 1000 + SIGSYS);
}

/* As approach.c does. */
static int
act_tls(void)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		return 1;
	pid = fork();
	if (pid == 0) {
		(void)!write(pair[1], "x", 1);
		_exit(0);
	}
	close(pair[1]);
	return pid != -1 && read(pair[0], (char[]){ 0 }, 1) == 1 ? 0 : 1;
}

static int
act_inet_pair(void)
{
	int pair[2];

	return socketpair(AF_INET, SOCK_STREAM, 0, pair) == -1 ? 0 : 1;
}

static void
test_an_errand_that_speaks_tls_forks(void **state)
{
	(void)state;
	assert_int_equal(ends_with(calls_tls, act_tls), 0);
	assert_int_equal(ends_with(calls_tls, act_open), 0);
	assert_int_equal(ends_with(calls_tls, act_open_to_write), 0);
	assert_int_equal(ends_with(calls_tls, act_inet_pair), 1000 + SIGSYS);
	assert_int_equal(ends_with(calls_tls, act_exec), 1000 + SIGSYS);
	assert_int_equal(ends_with(calls_dial, act_tls), 1);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_program_signals_nobody_but_its_group),
#ifndef SALLYPORT_ASAN
		cmocka_unit_test(test_errand_of_a_password_computes_alone),
		cmocka_unit_test(test_an_errand_that_dials_reads_and_connects),
		cmocka_unit_test(test_an_errand_that_speaks_tls_forks),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
