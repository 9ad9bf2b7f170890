/*
 * MaxStartups and PerSourceMaxStartups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "master/startups.h"

static void
test_full(void **state)
{
	struct conf_gateway gateway = { .max_startups = { 3, 100, 3 } };
	struct startups *s = startups_new(&gateway);
	const char *why;
	uint64_t id;
	int i;

	for (i = 0; i < 3; i++) {
		assert_true(startups_admit(s, "192.0.2.1", &why));
		assert_int_equal(startups_add(s, 100 + i, (uint64_t)i, "192.0.2.1"), 0);
	}
	assert_false(startups_admit(s, "192.0.2.2", &why));
	assert_string_equal(why, "MaxStartups");
	/* one that has logged in makes room, and so does one that ends */
	startups_logged_in(s, 1);
	startups_logged_in(s, 1);
	assert_true(startups_admit(s, "192.0.2.2", &why));
	assert_int_equal(startups_add(s, 200, 9, "192.0.2.2"), 0);
	assert_false(startups_admit(s, "192.0.2.2", &why));
	assert_true(startups_remove(s, 200, &id));
	assert_int_equal(id, 9);
	assert_false(startups_remove(s, 200, &id));
	assert_true(startups_admit(s, "192.0.2.2", &why));
	assert_true(startups_remove(s, 101, &id));
	assert_int_equal(startups_sessions(s), 2);
	startups_free(&s);
}

static void
test_per_source(void **state)
{
	struct conf_gateway gateway = { .max_startups = { 100, 30, 1000 },
		.per_source_max_startups = 2 };
	struct startups *s = startups_new(&gateway);
	const char *why;

	assert_int_equal(startups_add(s, 1, 1, "192.0.2.1"), 0);
	assert_int_equal(startups_add(s, 1025, 2, "192.0.2.1"), 0);
	assert_false(startups_admit(s, "192.0.2.1", &why));
	assert_string_equal(why, "PerSourceMaxStartups");
	assert_true(startups_admit(s, "192.0.2.10", &why));
	startups_logged_in(s, 2);
	assert_true(startups_admit(s, "192.0.2.1", &why));
	startups_free(&s);
}

/* Between begin and full the chance rises from rate to all. */
static void
test_random_early_drop(void **state)
{
	struct conf_gateway gateway = { .max_startups = { 10, 30, 20 } };
	struct startups *s = startups_new(&gateway);
	const char *why;
	int i, n, dropped[2] = { 0, 0 };

	for (i = 0; i < 10; i++)
		assert_int_equal(startups_add(s, i + 1, (uint64_t)i, "a"), 0);
	for (n = 0; n < 10000; n++)
		dropped[0] += !startups_admit(s, "a", &why);
	for (; i < 19; i++)
		assert_int_equal(startups_add(s, i + 1, (uint64_t)i, "a"), 0);
	for (n = 0; n < 10000; n++)
		dropped[1] += !startups_admit(s, "a", &why);
	assert_in_range(dropped[0], 2500, 3500);
	assert_in_range(dropped[1], 8800, 9800);
	startups_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_per_source),
		cmocka_unit_test(test_random_early_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
