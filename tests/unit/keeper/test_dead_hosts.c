/*
 * keeper/dead_hosts.c: hosts that did not answer are not dialled again for a while.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keeper/dead_hosts.h"

static struct dead_hosts d;

static int
setup(void **state)
{
	(void)state;
	memset(&d, 0, sizeof(d));
	return 0;
}

static void
test_dead_host_is_remembered_for_a_while(void **state)
{
	(void)state;
	assert_false(dead_hosts_has(&d, "a", 22, 1000));
	dead_hosts_add(&d, "a", 22, 1000);
	assert_true(dead_hosts_has(&d, "a", 22, 1000));
	assert_true(dead_hosts_has(&d, "a", 22, 1000 + DEAD_HOSTS_MS - 1));
	assert_false(dead_hosts_has(&d, "a", 22, 1000 + DEAD_HOSTS_MS));
	assert_false(dead_hosts_has(&d, "a", 23, 1000));
	assert_false(dead_hosts_has(&d, "b", 22, 1000));
	/* dead once more: from now on */
	dead_hosts_add(&d, "a", 22, 20000);
	assert_int_equal(d.n, 1);
	assert_true(dead_hosts_has(&d, "a", 22, 40000));
}

static void
test_host_that_answers_is_forgotten(void **state)
{
	(void)state;
	dead_hosts_add(&d, "a", 22, 0);
	dead_hosts_add(&d, "b", 22, 0);
	dead_hosts_remove(&d, "a", 22);
	dead_hosts_remove(&d, "c", 22);
	assert_false(dead_hosts_has(&d, "a", 22, 1));
	assert_true(dead_hosts_has(&d, "b", 22, 1));
	dead_hosts_remove(&d, "b", 22);
	assert_int_equal(d.n, 0);
}

/* A login that fills holes of HostName may name any number of them. */
static void
test_table_is_bounded(void **state)
{
	char host[DEAD_HOST_SIZE + 1];
	unsigned int i;

	(void)state;
	for (i = 0; i < 10 * DEAD_HOSTS_MAX; i++) {
		snprintf(host, sizeof(host), "h%u", i);
		dead_hosts_add(&d, host, 22, i);
	}
	assert_int_equal(d.n, DEAD_HOSTS_MAX);
	assert_true(dead_hosts_has(&d, host, 22, i));
	snprintf(host, sizeof(host), "h%u", 9 * DEAD_HOSTS_MAX);
	assert_true(dead_hosts_has(&d, host, 22, i));
	snprintf(host, sizeof(host), "h%u", 9 * DEAD_HOSTS_MAX - 1);
	assert_false(dead_hosts_has(&d, host, 22, i));
	memset(host, 'x', DEAD_HOST_SIZE);
	host[DEAD_HOST_SIZE] = '\0';
	dead_hosts_add(&d, host, 22, i);
	assert_false(dead_hosts_has(&d, host, 22, i));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_dead_host_is_remembered_for_a_while, setup),
		cmocka_unit_test_setup(test_host_that_answers_is_forgotten, setup),
		cmocka_unit_test_setup(test_table_is_bounded, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
