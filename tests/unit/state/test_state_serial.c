/*
 * Serial numbers: no two are equal, whatever the clock says and however many gateways there are.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "state/state.h"
#include "state_dir.h"
#include "tmp_dir.h"

#define NOW 1800000000

static uint64_t
serial(struct state *st, unsigned int gateway, time_t now)
{
	struct reason why;
	uint64_t n;

	if (state_serial_at(st, gateway, now, &n, &why) != 0)
		fail_msg("%s", why.text);
	return n;
}

static uint64_t
number(uint64_t block, unsigned int gateway, unsigned int count)
{
	return block << 26 | (uint64_t)gateway << 16 | count;
}

static void
test_numbers_follow_the_clock(void **state)
{
	struct state *st = open_state();

	assert_int_equal(serial(st, 0, NOW), number(NOW, 0, 0));
	assert_int_equal(serial(st, 0, NOW + 5), number(NOW, 0, 1));
	assert_int_equal(serial(st, 1023, NOW + 5), number(NOW, 1023, 2));
	state_free(&st);
	/* a restart, in the same second and later */
	st = open_state();
	assert_int_equal(serial(st, 0, NOW), number(NOW + 1, 0, 0));
	state_free(&st);
	st = open_state();
	assert_int_equal(serial(st, 0, NOW + 100), number(NOW + 100, 0, 0));
	state_free(&st);
}

static void
test_clock_jumps(void **state)
{
	static const time_t clocks[] = { NOW, NOW - 3600, 0, -1, NOW + 3600, NOW,
		NOW + (time_t)1000000000, NOW };
	uint64_t before = 0, n;
	struct state *st;
	size_t i;

	for (i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		st = open_state();
		n = serial(st, 0, clocks[i]);
		assert_true(n >> 26 > before >> 26);
		before = serial(st, 0, clocks[i]);
		assert_int_equal(before, n + 1);
		state_free(&st);
	}
}

/* 65,536 of a block, and then another. */
static void
test_block_ends(void **state)
{
	struct state *st = open_state();
	uint64_t before = serial(st, 7, NOW), n;
	unsigned int i;

	for (i = 1; i < 65536; i++) {
		n = serial(st, 7, NOW);
		assert_true(n == before + 1);
		before = n;
	}
	assert_int_equal(before, number(NOW, 7, 65535));
	assert_int_equal(serial(st, 7, NOW), number(NOW + 1, 7, 0));
	state_free(&st);
}

/* As the keeper of a gateway that is being replaced, and its successor; and a subcommand. */
static void
test_several_at_once(void **state)
{
	struct state *st[3] = { open_state(), open_state(), open_state() };
	uint64_t seen[30];
	size_t i, j;

	for (i = 0; i < 30; i++) {
		seen[i] = serial(st[i % 3], 0, NOW);
		for (j = 0; j < i; j++)
			assert_true(seen[j] != seen[i]);
	}
	for (i = 0; i < 3; i++)
		state_free(&st[i]);
}

static void
test_gateways_without_a_common_directory(void **state)
{
	struct state *st = open_state();
	uint64_t a, b;

	a = serial(st, 1, NOW);
	state_free(&st);
	assert_int_equal(state_dir_begin(NULL), 0);
	st = open_state();
	b = serial(st, 2, NOW);
	assert_int_equal(a >> 26, b >> 26);
	assert_true(a != b);
	state_free(&st);
}

static void
test_what_is_refused(void **state)
{
	static const char *const bad[] = { "block 0x7\n", "block 274877906943\n", "number 7\n",
		"block 7\nblock x\n" };
	struct state *st = open_state();
	struct reason why;
	char text[128];
	uint64_t n;
	size_t i;

	assert_int_equal(state_serial(st, 1024, &n, &why), ERR_BADSTATE);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "sallyport-serial 1\n%s", bad[i]);
		write_bytes("state/serial/last", text, strlen(text), 0600);
		assert_int_equal(state_serial(st, 0, &n, &why), ERR_FORMAT);
		assert_non_null(strstr(why.text, "state/serial/last: "));
		assert_non_null(strstr(why.text, "; if the clock is right, remove the file"));
		assert_int_equal(n, 0);
		assert_int_equal(state_serial_check(st, &why), ERR_FORMAT);
		assert_non_null(strstr(why.text, "; if the clock is right, remove the file"));
	}
	unlink("state/serial/last");
	assert_int_equal(state_serial_check(st, &why), 0);
	assert_int_equal(state_serial(st, 0, &n, &why), 0);
	assert_true(n >> 26 > NOW / 2);
	assert_int_equal(state_serial_check(st, &why), 0);
	state_free(&st);
}

#define T(name) cmocka_unit_test_setup(name, state_dir_begin)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_numbers_follow_the_clock),
		T(test_clock_jumps),
		T(test_block_ends),
		T(test_several_at_once),
		T(test_gateways_without_a_common_directory),
		T(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, state_dir_setup, tmp_dir_teardown);
}
