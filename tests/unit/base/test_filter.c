/*
 * base/filter.c: filters of system calls, each in a child, for a filter cannot be taken off.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/filter.h"
#include "emulated.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* What the child ended with. */
static int
in_child(enum filter_kind kind, const struct filter_rule *rules, size_t n, int (*try)(void))
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (filter_enter(kind, rules, n) != 0)
			_exit(99);
		_exit(try());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int
try_allowed(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return 1;
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	    MAP_FAILED)
		return 2;
	if (socket(AF_UNIX, SOCK_STREAM, 0) != -1 || errno != EPERM)
		return 3;
	return syscall(SYS_tgkill, getpid(), getpid(), 0) == 0 ? 0 : 4;
}

static int
try_other_family(void)
{
	int pair[2];

	return socketpair(AF_INET, SOCK_STREAM, 0, pair) == -1 && errno == EPERM ? 50 : 51;
}

static int
try_memory_to_run(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		    MAP_FAILED &&
		errno == EPERM ?
	    50 :
	    51;
}

static int
try_another_process(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0) == -1 && errno == EPERM ? 50 : 51;
}

static int
try_not_named(void)
{
	return listen(0, 1) == -1 && errno == EPERM ? 50 : 51;
}

static void
assert_violation(int status)
{
#ifdef SALLYPORT_ASAN
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 50);
#else
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
#endif
}

static void
test_forbidden_call_kills(void **state)
{
	static const struct filter_rule rules[] = {
		{ "exit_group", { { 0 } } },
		{ "munmap", { { 0 } } },      /* free(3) of musl, at the end of filter_enter() */
		{ "sigaltstack", { { 0 } } }, /* the address sanitizer, at the end */
		{ "getpid", { { 0 } } },
		{ "getppid", { { 0 } } },
		{ "no_such_call_anywhere", { { 0 } } },
		{ "socketpair", { { FILTER_IS, 0, AF_UNIX } } },
		{ "socket", { { FILTER_FAILS, 0, EPERM } } },
		{ "mmap", { { FILTER_LACKS, 2, PROT_EXEC } } },
		{ "tgkill", { { FILTER_IS_OURSELVES, 0, 0 }, { FILTER_IS, 2, 0 } } },
	};

	(void)state;
	skip_if_emulated();
	assert_int_equal(in_child(FILTER_ALLOW, rules, N(rules), try_allowed), 0);
	assert_violation(in_child(FILTER_ALLOW, rules, N(rules), try_other_family));
	assert_violation(in_child(FILTER_ALLOW, rules, N(rules), try_memory_to_run));
	assert_violation(in_child(FILTER_ALLOW, rules, N(rules), try_another_process));
	assert_violation(in_child(FILTER_ALLOW, rules, N(rules), try_not_named));
}

static int
try_refused(void)
{
	if (socket(AF_INET, SOCK_DGRAM, 0) != -1 || errno != EPERM)
		return 1;
	return socket(AF_UNIX, SOCK_DGRAM, 0) == -1 ? 2 : 0;
}

static void
test_refused_call_fails_and_others_work(void **state)
{
	static const struct filter_rule rules[] = { { "socket", { { FILTER_IS, 0, AF_INET } } } };

	(void)state;
	skip_if_emulated();
	assert_int_equal(in_child(FILTER_REFUSE, rules, N(rules), try_refused), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden_call_kills),
		cmocka_unit_test(test_refused_call_fails_and_others_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
