/*
 * base/buf.c and strlist.c: a buffer grows to its limit, and lists of strings.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/strlist.h"

static void
test_buf_grows_to_its_limit_and_no_further(void **state)
{
	struct buf b;
	char block[100];
	int i;

	(void)state;
	memset(block, 'x', sizeof(block));
	buf_init(&b, 1000);
	for (i = 0; i < 10; i++)
		buf_put(&b, block, sizeof(block));
	assert_int_equal(buf_err(&b), 0);
	assert_int_equal(b.len, 1000);
	buf_put_u8(&b, 'y');
	assert_int_equal(buf_err(&b), ERR_TOOBIG);
	assert_int_equal(b.len, 1000);
	/* the error sticks, even for what would fit */
	buf_consume(&b, 500);
	buf_put_u8(&b, 'y');
	assert_int_equal(b.len, 500);
	assert_int_equal(buf_err(&b), ERR_TOOBIG);
	buf_reset(&b);
	assert_int_equal(buf_err(&b), 0);
	buf_put_u8(&b, 'y');
	assert_int_equal(b.len, 1);
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_int_equal(buf_err(&b), ERR_TOOBIG);
	buf_free(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 1000);
}

static void
test_buf_text(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 300);
	assert_string_equal(buf_cstr(&b), "");
	buf_putf(&b, "%s %d", "port", 22);
	assert_int_equal(b.len, 7);
	assert_string_equal(buf_cstr(&b), "port 22");
	assert_int_equal(b.len, 7);
	buf_consume(&b, 5);
	assert_string_equal(buf_cstr(&b), "22");
	buf_consume(&b, 100);
	assert_int_equal(b.len, 0);
	buf_put(&b, "a\0b", 3);
	assert_null(buf_cstr(&b));
	buf_wipe(&b);
}

static void
test_strlist(void **state)
{
	struct strlist l = { 0 };

	(void)state;
	assert_int_equal(strlist_add_words(&l, "  one\ttwo   three "), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[2], "three");
	assert_true(strlist_has(&l, "two"));
	assert_false(strlist_has(&l, "tw"));
	assert_int_equal(strlist_add(&l, "fourth", 4), 0);
	assert_true(strlist_has(&l, "four"));
	strlist_free(&l);
	assert_int_equal(l.n, 0);
	assert_int_equal(strlist_add_words(&l, " \t "), 0);
	assert_int_equal(l.n, 0);
	strlist_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_grows_to_its_limit_and_no_further),
		cmocka_unit_test(test_buf_text),
		cmocka_unit_test(test_strlist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
