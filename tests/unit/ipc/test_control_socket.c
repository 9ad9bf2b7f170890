/*
 * ipc/control_socket.c: the gateway's answers on its control socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/control_socket.h"

static void
expect_errors(unsigned int count, const char *text, const char *json)
{
	struct buf b;

	buf_init(&b, 1000);
	control_socket_put_errors(&b, count, text);
	assert_string_equal(buf_cstr(&b), json);
	buf_free(&b);
}

static void
test_errors_are_a_list_of_lines(void **state)
{
	(void)state;
	expect_errors(1, "a:1: \"x\"\n",
	    "{\"ok\":false,\"count\":1,\"errors\":[\"a:1: \\\"x\\\"\"]}\n");
	expect_errors(2, "a\nb", "{\"ok\":false,\"count\":2,\"errors\":[\"a\",\"b\"]}\n");
	expect_errors(0, "", "{\"ok\":false,\"count\":0,\"errors\":[]}\n");
}

/* Errors that do not fit are left out; those that are there are whole. */
static void
test_errors_that_do_not_fit_are_left_out(void **state)
{
	char text[8001];
	struct buf b;
	size_t i, max;

	(void)state;
	for (i = 0; i < 8000; i++)
		text[i] = i % 40 == 39 ? '\n' : '"';
	text[8000] = '\0';
	for (max = 200; max < 20000; max += 97) {
		buf_init(&b, max);
		control_socket_put_errors(&b, 200, text);
		assert_int_equal(buf_err(&b), 0);
		assert_non_null(strstr(buf_cstr(&b), max < 285 ? "[]}\n" : "\\\"\"]}\n"));
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors_are_a_list_of_lines),
		cmocka_unit_test(test_errors_that_do_not_fit_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
