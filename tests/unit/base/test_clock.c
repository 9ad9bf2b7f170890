/*
 * base/clock.c and bucket.c: times until a deadline, and rates.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bucket.h"
#include "base/clock.h"

static void
test_clock_until(void **state)
{
	(void)state;
	assert_int_equal(clock_until(CLOCK_NEVER, 5), -1);
	assert_int_equal(clock_until(5, 5), 0);
	assert_int_equal(clock_until(4, 5), 0);
	assert_int_equal(clock_until(1005, 5), 1000);
	assert_int_equal(clock_until(INT64_MAX - 1, 5), INT_MAX);
	assert_true(clock_ms() <= clock_ms());
}

static void
test_bucket(void **state)
{
	struct bucket b = { 0 };
	int64_t now = 1000000, i;

	(void)state;
	for (i = 0; i < BUCKET_SIZE; i++)
		assert_int_equal(bucket_take(&b, now), 1);
	assert_int_equal(bucket_take(&b, now), 0);
	assert_int_equal(bucket_take(&b, now + BUCKET_INTERVAL_MS - 1), 0);
	assert_int_equal(bucket_take(&b, now + BUCKET_INTERVAL_MS), 1);
	assert_int_equal(bucket_take(&b, now + BUCKET_INTERVAL_MS), 0);
	/* however long it has been left alone, it is no more than full */
	now += 1000 * (int64_t)BUCKET_INTERVAL_MS;
	for (i = 0; i < BUCKET_SIZE; i++)
		assert_int_equal(bucket_take(&b, now), 1);
	assert_int_equal(bucket_take(&b, now), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock_until),
		cmocka_unit_test(test_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
