/*
 * lookup/condition_index.c: sections are found as if each were tried in its order, and without trying each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lookup/condition_index.h"
#include "lookup/plugin.h"
#include "lookup_lab.h"
#include "tmp_dir.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* --- the same result as one after another --- */

static const char *const keys[] = { "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
	"SHA256:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC", "" };
static const char *const locals[] = { "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1",
	"::ffff:192.0.2.2", "fe80::1%eth0", "" };
static const char *const local_lists[] = { "2001:db8::1", "2001:DB8:0:0::2", "2001:db8::/64",
	"2001:db8::/32 !2001:db8::1", "::/0", "192.0.2.1", "192.0.2.0/24", "192.0.2.*",
	"192.0.2.2, 2001:db8::2", "fe80::%eth0/10", "fe80::%eth1/10", "!192.0.2.1 0.0.0.0/0",
	"!::1" };
static const char *const clients[] = { "10.0.0.1", "10.0.0.2" };

/* So that a failure can be repeated. */
static unsigned int
next_number(unsigned int below)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (state >> 16) % below;
}

/* A section of one of two names, with some of the conditions. */
static void
put_section(FILE *f, unsigned int number)
{
	unsigned int what = 1 + next_number(15);

	fprintf(f, "[route %s/s%u]\nHostName = h%u\n" REST_OF_ROUTE,
	    next_number(3) == 0 ? "b*" : "bob", number, number);
	if (what & 1)
		fprintf(f, "MatchFingerprint = %s %s\n", keys[next_number(2)], keys[2]);
	if (what & 2)
		fprintf(f, "MatchLocalAddress = %s\n", local_lists[next_number(LEN(local_lists))]);
	if (what & 4)
		fprintf(f, "MatchLocalPort = %u\n", 22 + next_number(3));
	if (what & 8)
		fprintf(f, "MatchAddress = %s\n", clients[next_number(2)]);
}

/* Try each section, first those of bob and then those of b*; the number of the section, or -1. */
static int
try_each(const struct conf *conf, struct lookup_request *request)
{
	static const char *const names[] = { "bob/", "b*/" };
	struct conf_errors errors = { 0 };
	struct route *r;
	int number = -1;
	size_t i, j;

	*request->by_key = 0;
	for (j = 0; j < LEN(names); j++) {
		for (i = 0; number == -1 && i < conf->n_routes; i++) {
			if (strncmp(conf->routes[i].name, names[j], strlen(names[j])) != 0)
				continue;
			assert_int_equal(route_new(conf, &conf->routes[i], &errors, &r), 0);
			if (route_matches(r, request))
				assert_int_equal(sscanf(r->hosts.v[0], "h%d", &number), 1);
			route_free(&r);
		}
	}
	return number;
}

static void
compare(struct lookup_lab *lab, struct lookup_request *request)
{
	int number = try_each(lab->conf, request), by_key = *request->by_key;
	struct lookup_pending pending;
	struct route *r;
	char host[16];

	assert_int_equal(lookup_begin(lab->lookup, request, &pending, &r),
	    number == -1 ? LOOKUP_NOT_FOUND : LOOKUP_FOUND);
	if (number != -1) {
		snprintf(host, sizeof(host), "h%d", number);
		assert_string_equal(r->hosts.v[0], host);
	}
	assert_int_equal(*request->by_key, by_key);
	route_free(&r);
}

static void
test_as_if_each_were_tried(void **state)
{
	struct lookup_lab lab;
	int by_key;
	struct lookup_request request = { .login = "bob", .by_key = &by_key };
	unsigned int round, i, sections;
	char *text;
	size_t len;
	FILE *f;

	(void)state;
	for (round = 0; round < 60; round++) {
		f = open_memstream(&text, &len);
		assert_non_null(f);
		sections = 1 + next_number(12);
		for (i = 0; i < sections; i++)
			put_section(f, i);
		fclose(f);
		lookup_lab_load(&lab, text);
		for (i = 0; i < LEN(keys) * LEN(locals) * LEN(clients) * 3; i++) {
			request.fingerprint = keys[i % LEN(keys)];
			request.local_address = locals[i / LEN(keys) % LEN(locals)];
			request.client_address =
			    clients[i / LEN(keys) / LEN(locals) % LEN(clients)];
			request.local_port = 22 + i / LEN(keys) / LEN(locals) / LEN(clients);
			compare(&lab, &request);
		}
		lookup_lab_free(&lab);
		free(text);
	}
}

/* --- and without trying each --- */

/* What an index of so many sections of one name has: each with a key of its own, or with a network. */
static struct condition_index *
index_of(uint32_t n, int by_key)
{
	struct condition_index *x;
	char text[64], *word = text;
	struct route r = { 0 };
	uint32_t i;

	assert_int_equal(condition_index_new(&x), 0);
	for (i = 1; i <= n; i++) {
		if (by_key) {
			snprintf(text, sizeof(text), "SHA256:%043u", i);
			r.match_fingerprints = (struct strlist){ &word, 1 };
		} else {
			snprintf(text, sizeof(text), "2001:db8:%x:%x::/64", i >> 16, i & 0xffff);
			r.match_local_address = text;
		}
		assert_int_equal(condition_index_add(x, 7, i, &r), 0);
	}
	return x;
}

/* Nanoseconds of the processor's time for finding one of n sections. */
static double
find_each(uint32_t n, int by_key)
{
	struct condition_index *x = index_of(n, by_key);
	char text[64] = "";
	struct lookup_request request = { .login = "git",
		.fingerprint = by_key ? text : "",
		.local_address = by_key ? "" : text };
	struct condition_walk walk;
	uint32_t i, number, rounds = 20000;
	clock_t start = clock();

	for (i = 0; i < rounds; i++) {
		number = 1 + (i * 7919) % n;
		if (by_key)
			snprintf(text, sizeof(text), "SHA256:%043u", number);
		else
			snprintf(text, sizeof(text), "2001:db8:%x:%x::7", number >> 16,
			    number & 0xffff);
		condition_walk_begin(&walk, x, 7, &request);
		assert_int_equal(condition_walk_next(&walk), number);
		assert_int_equal(condition_walk_next(&walk), 0);
	}
	start = clock() - start;
	/* of all that want a key, the first stands for the others */
	condition_walk_keys(&walk, x, 7);
	assert_int_equal(condition_walk_next(&walk), by_key ? 1 : 0);
	assert_int_equal(condition_walk_next(&walk), 0);
	condition_walk_begin(&walk, x, 8, &request);
	assert_int_equal(condition_walk_next(&walk), 0);
	condition_index_free(&x);
	return (double)start * 1e9 / CLOCKS_PER_SEC / rounds;
}

static void
test_only_those_that_may_match_are_tried(void **state)
{
	int by_key;
	double few, many;

	(void)state;
	for (by_key = 0; by_key <= 1; by_key++) {
		few = find_each(100, by_key);
		many = find_each(100000, by_key);
		print_message("%s: %.0f ns among 100, %.0f ns among 100000\n",
		    by_key ? "keys" : "networks", few, many);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_if_each_were_tried),
		cmocka_unit_test(test_only_those_that_may_match_are_tried),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
