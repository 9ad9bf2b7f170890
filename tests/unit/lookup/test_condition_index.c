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
static const char *const hosts[] = { "vm1", "vm2.example.org", "" };
static const char *const host_lists[] = { "vm1", "VM2.example.org vm1", "*.example.org", "vm1 vm?",
	"192.0.2.1" };
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
	unsigned int what = 1 + next_number(31);

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
	if (what & 16)
		fprintf(f, "MatchHost = %s\n", host_lists[next_number(LEN(host_lists))]);
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
		for (i = 0; i < LEN(keys) * LEN(locals) * LEN(clients) * 3 * LEN(hosts); i++) {
			request.fingerprint = keys[i % LEN(keys)];
			request.local_address = locals[i / LEN(keys) % LEN(locals)];
			request.client_address =
			    clients[i / LEN(keys) / LEN(locals) % LEN(clients)];
			request.local_port = 22 + i / LEN(keys) / LEN(locals) / LEN(clients) % 3;
			request.host = hosts[i / LEN(keys) / LEN(locals) / LEN(clients) / 3];
			compare(&lab, &request);
		}
		lookup_lab_free(&lab);
		free(text);
	}
}

/* --- and without trying each --- */

enum by {
	BY_KEY,
	BY_NETWORK,
	BY_HOST
};

/* The condition of a section with this number; with asked, a value for which it holds. */
static void
condition_of(enum by by, uint32_t number, int asked, char out[64])
{
	switch (by) {
	case BY_KEY:
		snprintf(out, 64, "SHA256:%043u", number);
		break;
	case BY_NETWORK:
		snprintf(out, 64, "2001:db8:%x:%x::%s", number >> 16, number & 0xffff,
		    asked ? "7" : "/64");
		break;
	case BY_HOST:
		snprintf(out, 64, "%s%u.example.org", asked ? "vm" : "VM", number);
		break;
	}
}

/* What an index of so many sections of one name has: each with a key, a network or a host of its own. */
static struct condition_index *
index_of(uint32_t n, enum by by)
{
	struct condition_index *x;
	char text[64], *word = text;
	struct route r = { 0 };
	uint32_t i;

	assert_int_equal(condition_index_new(&x), 0);
	for (i = 1; i <= n; i++) {
		condition_of(by, i, 0, text);
		if (by == BY_KEY)
			r.match_fingerprints = (struct strlist){ &word, 1 };
		else if (by == BY_NETWORK)
			r.match_local_address = text;
		else
			r.match_hosts = (struct strlist){ &word, 1 };
		assert_int_equal(condition_index_add(x, 7, i, &r), 0);
	}
	return x;
}

/* Nanoseconds of the processor's time for finding one of n sections. */
static double
find_each(uint32_t n, enum by by)
{
	struct condition_index *x = index_of(n, by);
	char text[64] = "";
	struct lookup_request request = { .login = "git",
		.fingerprint = by == BY_KEY ? text : "",
		.local_address = by == BY_NETWORK ? text : "",
		.host = by == BY_HOST ? text : "" };
	struct condition_walk walk;
	uint32_t i, number, rounds = 20000;
	clock_t start = clock();

	for (i = 0; i < rounds; i++) {
		number = 1 + (i * 7919) % n;
		condition_of(by, number, 1, text);
		condition_walk_begin(&walk, x, 7, &request);
		assert_int_equal(condition_walk_next(&walk), number);
		assert_int_equal(condition_walk_next(&walk), 0);
	}
	start = clock() - start;
	/* of all that want a key, the first stands for the others */
	condition_walk_keys(&walk, x, 7);
	assert_int_equal(condition_walk_next(&walk), by == BY_KEY ? 1 : 0);
	assert_int_equal(condition_walk_next(&walk), 0);
	condition_walk_begin(&walk, x, 8, &request);
	assert_int_equal(condition_walk_next(&walk), 0);
	condition_index_free(&x);
	return (double)start * 1e9 / CLOCKS_PER_SEC / rounds;
}

static void
test_only_those_that_may_match_are_tried(void **state)
{
	static const char *const names[] = { "keys", "networks", "hosts" };
	double few, many;
	int by;

	(void)state;
	for (by = BY_KEY; by <= BY_HOST; by++) {
		few = find_each(100, (enum by)by);
		many = find_each(100000, (enum by)by);
		print_message("%s: %.0f ns among 100, %.0f ns among 100000\n", names[by], few,
		    many);
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
