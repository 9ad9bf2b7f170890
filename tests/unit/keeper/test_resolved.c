/*
 * keeper/resolved.c: addresses of names are used again for a while.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keeper/resolved.h"

static struct resolved r;

static int
setup(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	return 0;
}

static void
test_address_is_remembered_for_a_while(void **state)
{
	(void)state;
	assert_string_equal(resolved_find(&r, "a", 1000, 500), "");
	resolved_add(&r, "a", "192.0.2.1", 1000);
	assert_string_equal(resolved_find(&r, "A", 1499, 500), "192.0.2.1");
	assert_string_equal(resolved_find(&r, "a", 1500, 500), "");
	assert_string_equal(resolved_find(&r, "a", 1000, 0), "");
	assert_string_equal(resolved_find(&r, "b", 1000, 500), "");
	resolved_add(&r, "a", "192.0.2.2", 1600);
	assert_int_equal(r.n, 1);
	assert_string_equal(resolved_find(&r, "a", 1700, 500), "192.0.2.2");
}

static void
test_address_without_its_interface_is_not_kept(void **state)
{
	(void)state;
	resolved_add(&r, "a", "fe80::1", 0);
	assert_int_equal(r.n, 0);
}

/* A login may name any number of hosts. */
static void
test_table_of_names_is_bounded(void **state)
{
	char host[RESOLVED_HOST_SIZE + 1];
	int i;

	(void)state;
	for (i = 0; i <= RESOLVED_MAX; i++) {
		snprintf(host, sizeof(host), "h%d", i);
		resolved_add(&r, host, "2001:db8::1", i);
	}
	assert_int_equal(r.n, RESOLVED_MAX);
	assert_string_equal(resolved_find(&r, "h0", RESOLVED_MAX, 10000), "");
	assert_string_equal(resolved_find(&r, "h1", RESOLVED_MAX, 10000), "2001:db8::1");
	assert_string_equal(resolved_find(&r, host, RESOLVED_MAX, 10000), "2001:db8::1");
	memset(host, 'x', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	resolved_add(&r, host, "192.0.2.1", 0);
	assert_string_equal(resolved_find(&r, host, 0, 10000), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_address_is_remembered_for_a_while, setup),
		cmocka_unit_test_setup(test_address_without_its_interface_is_not_kept, setup),
		cmocka_unit_test_setup(test_table_of_names_is_bounded, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
