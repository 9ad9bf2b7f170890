/*
 * Several sections for one login: which one is meant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/address.h"
#include "lookup/lookup.h"
#include "tmp_dir.h"

#define FP_A "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
#define FP_B "SHA256:57DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"

static struct conf *conf;
static struct lookup *lookup;
static struct conf_errors errors;

static void
load(const char *text)
{
	write_text("conf.d/a.ini", text);
	assert_int_equal(conf_load("conf.d", CONF_ALL, &conf, &errors), 0);
	if (lookup_new(conf, &errors, &lookup) != 0)
		conf_errors_print(&errors, stderr);
	assert_non_null(lookup);
}

static int
unload(void **state)
{
	(void)state;
	lookup_free(&lookup);
	conf_free(&conf);
	conf_errors_free(&errors);
	errors = (struct conf_errors){ 0 };
	return 0;
}

/* The login, so asked for, leads to this host (NULL: nowhere), and it depends on the key or not. */
static void
leads(const char *login, const char *client, const char *local, const char *key, const char *host,
    int by_key)
{
	int asked = -1;
	struct lookup_request request = { .login = login,
		.client_address = client,
		.local_address = local,
		.fingerprint = key,
		.by_key = &asked };
	struct lookup_pending pending;
	struct route *r;

	assert_int_equal(lookup_begin(lookup, &request, &pending, &r),
	    host == NULL ? LOOKUP_NOT_FOUND : LOOKUP_FOUND);
	if (host != NULL)
		assert_string_equal(r->hosts.v[0], host);
	else
		assert_null(r);
	assert_int_equal(asked, by_key ? LOOKUP_WANTS_KEY : 0);
	route_unref(&r);
}

#define REST "Key = k\nAuthorizedKey = t AAAA\nStrictHostKeyChecking = no\n"
#define ROUTE(name, host, match) "[route " name "]\nHostName = " host "\n" match REST

static void
test_labels(void **state)
{
	(void)state;
	load(ROUTE("alice", "plain", "") ROUTE("alice/office", "office",
	    "MatchAddress = 10.0.0.0/8 !10.9.0.0/16\n")
		ROUTE("alice/v6", "v6", "MatchAddress = fe80::%eth0/10, 2001:db8::/32, 10.9.0.1\n")
		    ROUTE("alice/back", "back", "MatchLocalAddress = 192.0.2.*\n"));
	leads("alice", "203.0.113.1", "198.51.100.1", "", "plain", 0);
	leads("alice", "10.1.0.1", "198.51.100.1", "", "office", 0);
	leads("alice", "::ffff:10.1.0.1", "198.51.100.1", "", "office", 0);
	leads("alice", "10.9.0.1", "198.51.100.1", "", "v6", 0);
	leads("alice", "10.9.0.2", "198.51.100.1", "", "plain", 0);
	leads("alice", "::ffff:10.9.0.1", "198.51.100.1", "", "v6", 0);
	leads("alice", "2001:db8::1", "198.51.100.1", "", "v6", 0);
	leads("alice", "fe80::1%eth0", "198.51.100.1", "", "v6", 0);
	leads("alice", "fe80::1%eth1", "198.51.100.1", "", "plain", 0);
	leads("alice", "10.9.0.2", "192.0.2.7", "", "back", 0);
	leads("alice", "", "", "", "plain", 0);
	leads("alice/office", "10.1.0.1", "192.0.2.7", "", NULL, 0);
}

static void
test_fingerprints(void **state)
{
	(void)state;
	load(ROUTE("git/a", "a", "MatchFingerprint = " FP_A "\n")
		ROUTE("git/b", "b", "MatchFingerprint = " FP_B "\nMatchAddress = 10.0.0.1\n")
		    ROUTE("bob", "bob", "") ROUTE("one", "one", "MatchFingerprint = " FP_A "\n"));
	leads("git", "10.0.0.1", "", "", NULL, 1);
	leads("git", "10.0.0.1", "", FP_A, "a", 1);
	leads("git", "10.0.0.1", "", FP_B, "b", 1);
	leads("git", "10.0.0.2", "", FP_B, NULL, 1);
	leads("bob", "10.0.0.1", "", "", "bob", 0);
	leads("one", "10.0.0.1", "", FP_B, NULL, 1);
	leads("one", "10.0.0.1", "", FP_A, "one", 1);
	leads("nobody", "10.0.0.1", "", FP_A, NULL, 0);
}

/* An exact name whose conditions do not hold is not there; patterns keep their order. */
static void
test_patterns(void **state)
{
	(void)state;
	load(ROUTE("dev-*", "first-%1", "") ROUTE("*-x", "second-%1", "")
		ROUTE("dev-*/night", "night-%1", "MatchAddress = 10.0.0.1\n")
		    ROUTE("dev-x/only", "exact", "MatchAddress = 10.0.0.2\n"));
	leads("dev-x", "10.0.0.1", "", "", "night-x", 0);
	leads("dev-x", "10.0.0.2", "", "", "exact", 0);
	leads("dev-x", "10.0.0.3", "", "", "first-x", 0);
	leads("a-x", "10.0.0.1", "", "", "second-a", 0);
	leads("dev-*", "10.0.0.3", "", "", NULL, 0); /* no host name comes of it */
}

static void
test_address_lists(void **state)
{
	static const char *const good[] = { "1.2.3.4", "!10.0.0.0/8,*", "::1", "2001:db8::/32",
		"10.0.*", "10.?.0.1", "fe80::*", "fe80::%eth0/10" };
	static const char *const bad[] = { "", ",", "a,", "1.2.3.4,", "host", "*.example.com",
		"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "::1/129", "!", "1.2.3", "1.2.3.4 5",
		"0x7f.0.0.1", "10.1/16", "10.0.0.0/+8", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104",
		"1.2.3.4%eth0" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(address_list_ok(good[i]), 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(address_list_ok(bad[i]), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_labels, unload),
		cmocka_unit_test_teardown(test_fingerprints, unload),
		cmocka_unit_test_teardown(test_patterns, unload),
		cmocka_unit_test(test_address_lists),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
