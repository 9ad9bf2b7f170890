/*
 * base/secret.c: a secret is readable only while it is open.
 */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/secret.h"

static void
test_secret(void **state)
{
	struct secret *a, *b, *c, *none = NULL;

	(void)state;
	a = secret_from("hunter2", 7);
	b = secret_from("hunter2", 7);
	c = secret_from("hunter3", 7);
	assert_non_null(a);
	assert_int_equal(secret_len(a), 7);
	assert_true(secret_equal(a, b));
	assert_false(secret_equal(a, c));
	assert_memory_equal(secret_open(a), "hunter2", 7);
	assert_ptr_equal(secret_open(a), secret_open(a)); /* they nest */
	secret_close(a);
	secret_close(a);
	assert_memory_equal(secret_open(a), "hunter2", 7);
	secret_close(a);
	secret_close(a);
	secret_free(&a);
	assert_null(a);
	secret_free(&b);
	secret_free(&c);
	secret_free(&none);
	a = secret_new(0);
	assert_non_null(a);
	secret_free(&a);
}

/* Closed, it cannot even be read. */
static void
test_secret_is_unreadable_while_closed(void **state)
{
	struct secret *s = secret_from("hunter2", 7);
	const volatile uint8_t *p = secret_open(s);
	int status;
	pid_t pid;

	(void)state;
	secret_close(s);
	pid = fork();
	if (pid == 0) {
		/* gone from the fork, and no access anyway; the sanitizers would
		 * report the fault we want */
		signal(SIGSEGV, SIG_DFL);
		_exit(p[0] == 'h');
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	secret_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_secret_is_unreadable_while_closed),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
