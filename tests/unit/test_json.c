/*
 * JSON: text of any kind becomes one string, and answers of any length stay whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "ipc/control_socket.h"

static void
becomes(const char *text, size_t len, const char *json)
{
	struct buf b;

	buf_init(&b, 1000);
	json_put_text(&b, text, len);
	assert_string_equal(buf_cstr(&b), json);
	buf_free(&b);
}

static void
test_text(void **state)
{
	(void)state;
	becomes("", 0, "\"\"");
	becomes("a b", 3, "\"a b\"");
	becomes("\"\\", 2, "\"\\\"\\\\\"");
	becomes("\n\t\x1b[2J\x7f", 7, "\"\\u000a\\u0009\\u001b[2J\\u007f\"");
	becomes("a\0b", 3, "\"a\\u0000b\"");
	becomes("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", 9,
	    "\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"");
	/* not UTF-8: alone, cut off, too long a form, a surrogate, beyond the last */
	becomes("\xff", 1, "\"\\ufffd\"");
	becomes("x\xc3", 2, "\"x\\ufffd\"");
	becomes("\xc0\xaf", 2, "\"\\ufffd\\ufffd\"");
	becomes("\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\"");
	becomes("\xf4\x90\x80\x80", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
	/* turns the direction of writing */
	becomes("\xe2\x80\xae", 3, "\"\\ufffd\\ufffd\\ufffd\"");
}

static void
says(unsigned int count, const char *text, const char *json)
{
	struct buf b;

	buf_init(&b, 1000);
	control_socket_put_errors(&b, count, text);
	assert_string_equal(buf_cstr(&b), json);
	buf_free(&b);
}

static void
test_errors(void **state)
{
	(void)state;
	says(1, "a:1: \"x\"\n", "{\"ok\":false,\"count\":1,\"errors\":[\"a:1: \\\"x\\\"\"]}\n");
	says(2, "a\nb", "{\"ok\":false,\"count\":2,\"errors\":[\"a\",\"b\"]}\n");
	says(0, "", "{\"ok\":false,\"count\":0,\"errors\":[]}\n");
}

/* What does not fit is left out, and what is there is whole. */
static void
test_more_errors_than_fit(void **state)
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
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_more_errors_than_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
