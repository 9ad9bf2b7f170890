/*
 * wire/wire.c: what was written is read back, and nothing is read beyond the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

static void
put_message(struct buf *b)
{
	buf_put_u8(b, 50);
	wire_put_u32(b, 0x01020304);
	wire_put_u64(b, 0x0102030405060708);
	wire_put_bool(b, 7);
	wire_put_text(b, "alice");
	wire_put_string(b, "a\0b", 3);
	wire_put_bytes(b, (struct bytes){ (const uint8_t *)"", 0 });
	wire_put_text(b, "rest");
}

/* Read it; 1 if every field is as it was put. */
static int
read_message(const uint8_t *p, size_t len, int *err)
{
	struct wire w;
	char text[6];
	int same;

	wire_init(&w, p, len);
	same = wire_u8(&w) == 50;
	same &= wire_u32(&w) == 0x01020304;
	same &= wire_u64(&w) == 0x0102030405060708;
	same &= wire_bool(&w) == 1;
	wire_text(&w, text, sizeof(text));
	same &= strcmp(text, "alice") == 0;
	same &= bytes_equal(wire_string(&w), (struct bytes){ (const uint8_t *)"a\0b", 3 });
	same &= wire_string(&w).len == 0;
	same &= bytes_is(wire_bytes(&w, 8), "\0\0\0\4rest") || wire_err(&w) == 0;
	*err = wire_end(&w);
	return same;
}

static void
test_round_trip(void **state)
{
	struct buf b;
	int err;

	(void)state;
	buf_init(&b, 1000);
	put_message(&b);
	assert_int_equal(buf_err(&b), 0);
	assert_memory_equal(b.data + 1, "\1\2\3\4\1\2\3\4\5\6\7\10\1\0\0\0\5alice", 21);
	assert_true(read_message(b.data, b.len, &err));
	assert_int_equal(err, 0);
	buf_free(&b);
}

/* Each truncation sits in memory of its own, so that a sanitizer sees a read
 * behind its end. */
static void
test_every_truncation_is_an_error(void **state)
{
	struct buf b;
	uint8_t *cut;
	size_t len;
	int err;

	(void)state;
	buf_init(&b, 1000);
	put_message(&b);
	for (len = 0; len < b.len; len++) {
		cut = malloc(len == 0 ? 1 : len);
		memcpy(cut, b.data, len);
		read_message(cut, len, &err);
		assert_int_equal(err, ERR_FORMAT);
		free(cut);
	}
	buf_free(&b);
}

static void
test_one_byte_more_is_an_error(void **state)
{
	struct buf b;
	int err;

	(void)state;
	buf_init(&b, 1000);
	put_message(&b);
	buf_put_u8(&b, 0);
	assert_true(read_message(b.data, b.len, &err));
	assert_int_equal(err, ERR_FORMAT);
	buf_free(&b);
}

static void
test_error_sticks(void **state)
{
	static const uint8_t message[] = { 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4 };
	struct wire w;
	struct bytes s;

	(void)state;
	wire_init(&w, message, sizeof(message));
	s = wire_string(&w);
	assert_int_equal(s.len, 0);
	assert_non_null(s.p);
	assert_int_equal(wire_err(&w), ERR_FORMAT);
	assert_int_equal(wire_u8(&w), 0);
	assert_int_equal(wire_u32(&w), 0);
	assert_int_equal(wire_u64(&w), 0);
	assert_int_equal(wire_bool(&w), 0);
	assert_int_equal(wire_rest(&w).len, 0);
	assert_int_equal(wire_end(&w), ERR_FORMAT);
}

static void
test_text_refuses_nul_and_what_does_not_fit(void **state)
{
	struct wire w;
	char out[4];

	(void)state;
	wire_init(&w, "\0\0\0\3abc", 7);
	wire_text(&w, out, sizeof(out));
	assert_int_equal(wire_end(&w), 0);
	assert_string_equal(out, "abc");
	wire_init(&w, "\0\0\0\4abcd", 8);
	wire_text(&w, out, sizeof(out));
	assert_int_equal(wire_end(&w), ERR_FORMAT);
	assert_string_equal(out, "");
	wire_init(&w, "\0\0\0\3a\0c", 7);
	wire_text(&w, out, sizeof(out));
	assert_int_equal(wire_end(&w), ERR_FORMAT);
	assert_string_equal(out, "");
}

static void
test_empty_and_rest(void **state)
{
	struct wire w;

	(void)state;
	wire_init(&w, NULL, 0);
	assert_int_equal(wire_end(&w), 0);
	assert_int_equal(wire_rest(&w).len, 0);
	assert_int_equal(wire_end(&w), 0);
	assert_int_equal(wire_u8(&w), 0);
	assert_int_equal(wire_end(&w), ERR_FORMAT);
	wire_init(&w, "abc", 3);
	(void)wire_u8(&w);
	assert_true(bytes_is(wire_rest(&w), "bc"));
	assert_int_equal(wire_end(&w), 0);
}

static void
test_writer_stops_at_its_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	wire_put_text(&b, "123456");
	assert_int_equal(buf_err(&b), 0);
	wire_put_text(&b, "");
	assert_int_equal(buf_err(&b), ERR_TOOBIG);
	wire_put_u32(&b, 1);
	assert_int_equal(b.len, 10);
	buf_free(&b);
}

static void
test_bytes(void **state)
{
	struct bytes abc = { (const uint8_t *)"abc", 3 };

	(void)state;
	assert_true(bytes_is(abc, "abc"));
	assert_false(bytes_is(abc, "ab"));
	assert_false(bytes_is(abc, "abcd"));
	assert_false(bytes_is((struct bytes){ (const uint8_t *)"a\0c", 3 }, "a"));
	assert_true(bytes_equal(abc, (struct bytes){ (const uint8_t *)"abcd", 3 }));
	assert_false(bytes_equal(abc, (struct bytes){ (const uint8_t *)"abcd", 4 }));
}

static void
test_namelist(void **state)
{
	(void)state;
	assert_true(namelist_has("publickey", "publickey"));
	assert_true(namelist_has("password,publickey", "publickey"));
	assert_true(namelist_has("publickey,password", "publickey"));
	assert_false(namelist_has("", "publickey"));
	assert_false(namelist_has("publickeys", "publickey"));
	assert_false(namelist_has("publickey", "publickeys"));
	assert_false(namelist_has("a,b", "a,b"));
	assert_false(namelist_has("a,,b", "c"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_truncation_is_an_error),
		cmocka_unit_test(test_one_byte_more_is_an_error),
		cmocka_unit_test(test_error_sticks),
		cmocka_unit_test(test_text_refuses_nul_and_what_does_not_fit),
		cmocka_unit_test(test_empty_and_rest),
		cmocka_unit_test(test_writer_stops_at_its_limit),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_namelist),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
