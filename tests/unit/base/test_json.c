/*
 * base/json.c: text of any kind becomes one JSON string.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
