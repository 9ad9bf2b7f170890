/*
 * keeper/fairq.c: sources with many requests take turns with sources with few.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keeper/fairq.h"

#define MANY "192.0.2.1"
#define ONE "192.0.2.2"

static struct fairq_entry turns_of[64];
static struct fairq line;
static char names[64];

/* Wait under a name of one letter. */
static void
waits(char name, const char *source)
{
	names[name - '@'] = name;
	fairq_wait(&line, &turns_of[name - '@'], &names[name - '@'], source);
}

/* The next ones, as long as there are letters. */
static void
next_are(const char *want)
{
	const char *name;

	for (; *want != '\0'; want++) {
		name = fairq_next(&line, NULL);
		assert_non_null(name);
		if (*name != *want)
			fail_msg("%c instead of %s", *name, want);
	}
}

static void
begin(void)
{
	memset(turns_of, 0, sizeof(turns_of));
	fairq_init(&line);
}

static void
test_requests_of_one_source_keep_their_order(void **state)
{
	(void)state;
	begin();
	assert_null(fairq_next(&line, NULL));
	waits('a', MANY);
	waits('b', MANY);
	waits('c', MANY);
	next_are("abc");
	assert_null(fairq_next(&line, NULL));
	waits('a', "192.0.2.3");
	waits('b', "192.0.2.4");
	waits('c', "192.0.2.5");
	next_are("abc");
}

static void
test_source_with_few_requests_does_not_wait_for_one_with_many(void **state)
{
	(void)state;
	begin();
	waits('a', MANY);
	waits('b', MANY);
	waits('c', MANY);
	waits('d', MANY);
	next_are("a");
	waits('x', ONE);
	next_are("bx");
	/* not even where it comes again and again, and neither does the other one for it */
	waits('x', ONE);
	next_are("cx");
	waits('x', ONE);
	waits('e', MANY);
	next_are("dxe");
	assert_null(fairq_next(&line, NULL));
}

static void
test_sources_with_many_take_turns(void **state)
{
	(void)state;
	begin();
	waits('a', MANY);
	waits('b', MANY);
	waits('c', MANY);
	waits('x', ONE);
	waits('y', ONE);
	waits('z', ONE);
	next_are("axbycz");
}

static void
test_source_that_leaves_is_passed_over(void **state)
{
	(void)state;
	begin();
	waits('a', MANY);
	waits('b', MANY);
	waits('c', MANY);
	fairq_leave(&line, &turns_of['b' - '@']);
	fairq_leave(&line, &turns_of['b' - '@']);
	next_are("a");
	fairq_leave(&line, &turns_of['a' - '@']);
	next_are("c");
	assert_null(fairq_next(&line, NULL));
	/* a session that is added twice waits once */
	waits('a', MANY);
	waits('a', MANY);
	next_are("a");
	assert_null(fairq_next(&line, NULL));
}

/* All addresses of an IPv6 network of 64 bits are one source; others that look alike are not. */
static void
test_addresses_of_one_source(void **state)
{
	static const struct {
		const char *a, *b;
		int same;
	} cases[] = {
		{ "2001:db8::1", "2001:db8::2", 1 },
		{ "2001:db8::1", "2001:db8:0:0:ffff::2", 1 },
		{ "2001:db8::1", "2001:db8:0:1::1", 0 },
		{ "192.0.2.1", "192.0.2.11", 0 },
		{ "192.0.2.1", "2001:db8::1", 0 },
		{ "fe80::1%eth0", "fe80::1%eth0", 1 },
		{ "fe80::1%eth0", "fe80::1%eth1", 0 },
		{ "", "2001:db8::1", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		waits('a', cases[i].a);
		waits('b', cases[i].a);
		waits('x', cases[i].b);
		next_are(cases[i].same ? "abx" : "axb");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_of_one_source_keep_their_order),
		cmocka_unit_test(test_source_with_few_requests_does_not_wait_for_one_with_many),
		cmocka_unit_test(test_sources_with_many_take_turns),
		cmocka_unit_test(test_source_that_leaves_is_passed_over),
		cmocka_unit_test(test_addresses_of_one_source),
	};

	return cmocka_run_group_tests_name("q", tests, NULL, NULL);
}
