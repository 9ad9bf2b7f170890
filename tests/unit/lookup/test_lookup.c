/*
 * lookup/lookup.c: from a login to its route, by exact names and patterns, for hostile logins, and
 * with 100,000 routes.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lookup_lab.h"
#include "tmp_dir.h"

/* A login leads to this host, as this user ("" for NULL), with this key. */
static void
leads_to(struct lookup_lab *lab, const char *login, const char *host, const char *user,
    const char *key)
{
	struct route *r;

	assert_int_equal(lookup_lab_find(lab, login, &r), LOOKUP_FOUND);
	assert_string_equal(r->hosts.v[0], host);
	assert_string_equal(r->user == NULL ? "" : r->user, user);
	assert_string_equal(r->key, key);
	assert_string_equal(r->backend, "ini");
	route_free(&r);
	assert_null(r);
}

static void
not_found(struct lookup_lab *lab, const char *login)
{
	struct route *r;

	assert_int_equal(lookup_lab_find(lab, login, &r), LOOKUP_NOT_FOUND);
	assert_null(r);
}

#define PATTERN(name, host, rest)                                                 \
	"[route " name "]\nHostName = " host "\n" rest "AuthorizedKey = t AAAA\n" \
	"StrictHostKeyChecking = no\n"

static void
test_patterns(void **state)
{
	struct lookup_lab lab;

	(void)state;
	lookup_lab_load(&lab,
	    PATTERN("dev-*", "%1.dev", "User = root\nKey = dev\n") PATTERN("*+web", "web",
		"User = %1\nKey = %u\n") PATTERN("*+*", "%2.any", "User = %1%%\nKey = any\n")
		PATTERN("dev-x", "exact-%u", "Key = exact\n"));
	leads_to(&lab, "dev-db1", "db1.dev", "root", "dev");
	leads_to(&lab, "dev-x", "exact-dev-x", "", "exact");
	not_found(&lab, "dev-a+web"); /* the first pattern fits, its host name does not */
	leads_to(&lab, "alice+web", "web", "alice", "alice+web");
	leads_to(&lab, "alice+db", "db.any", "alice%", "any");
	not_found(&lab, "alice");
	lookup_lab_free(&lab);
}

/* A login must not name a host, a file or a key that its pattern does not mean. */
static void
test_hostile_logins(void **state)
{
	static const char *const logins[] = { "h-a b", "h-:22", "h-[::1]", "h-a@b", "h-%eth0", "h-",
		"h--x", "h-.x", "h-a,b", "h-$(x)", "h-\xc3\xa4", "k-", "k-.x", "k-a b", "k-x.pub",
		"k-host_ed25519", "f-", "f-.", "f-..", "f-.ssh", "" };
	enum lookup_result result = LOOKUP_NOT_FOUND;
	struct lookup_lab lab;
	struct route *r;
	size_t i;
	int saved, null;

	(void)state;
	lookup_lab_load(&lab,
	    "[route h-*]\nHostName = %1\nKey = k\nAuthorizedKey = t AAAA\n"
	    "StrictHostKeyChecking = no\n"
	    "[route k-*]\nHostName = h\nKey = %1\nAuthorizedKey = t AAAA\n"
	    "StrictHostKeyChecking = no\n"
	    "[route f-*]\nHostName = h\nKey = k\nAuthorizedKeysFile = users/%1/keys\n"
	    "StrictHostKeyChecking = no\n");
	saved = dup(STDERR_FILENO); /* each is logged */
	assert_int_not_equal(saved, -1);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_int_equal(dup2(null, STDERR_FILENO), STDERR_FILENO);
	for (i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		result = lookup_lab_find(&lab, logins[i], &r);
		if (result != LOOKUP_NOT_FOUND)
			break;
	}
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	close(null);
	if (result != LOOKUP_NOT_FOUND)
		fail_msg("\"%s\" was found", logins[i]);
	leads_to(&lab, "h-a.b", "a.b", "", "k");
	leads_to(&lab, "k-alice", "h", "", "alice");
	assert_int_equal(lookup_lab_find(&lab, "f-a..b", &r), LOOKUP_FOUND);
	assert_non_null(strstr(r->authorized_keys_file, "/users/a..b/keys"));
	route_free(&r);
	lookup_lab_free(&lab);
}

/* As in sshd, what follows the first ':' is a style; but a login with it is looked up first. */
static void
test_style(void **state)
{
	static const char routes[] = PATTERN("alice", "a", "Key = %u\n")
	    PATTERN("alice:ci", "ci", "Key = ci\n") PATTERN("*:ops", "ops", "Key = k\nUser = %1\n")
		PATTERN("h-*", "%1", "Key = k\n");
	struct lookup_lab lab;
	struct route *r;

	(void)state;
	assert_int_equal(lookup_style("alice"), 5);
	assert_int_equal(lookup_style("alice:a:b"), 5);
	assert_int_equal(lookup_style("alice:"), 5);
	assert_int_equal(lookup_style(":x"), 2); /* nothing would be left */
	assert_int_equal(lookup_style("-a:x"), 4);
	lookup_lab_load(&lab, routes);
	leads_to(&lab, "alice", "a", "", "alice");
	leads_to(&lab, "alice:ci", "ci", "", "ci");
	leads_to(&lab, "alice:ops", "ops", "alice", "k");
	leads_to(&lab, "alice:ci:x", "a", "", "alice");
	leads_to(&lab, "h-db:22", "db", "", "k"); /* no host is named "db:22" */
	assert_int_equal(lookup_lab_find(&lab, "alice:other", &r), LOOKUP_FOUND);
	assert_string_equal(r->login, "alice");
	route_free(&r);
	assert_int_equal(lookup_lab_find(&lab, "alice:ci", &r), LOOKUP_FOUND);
	assert_string_equal(r->login, "alice:ci");
	route_free(&r);
	not_found(&lab, "bob:ci");
	not_found(&lab, ":alice");
	lookup_lab_free(&lab);
}

/* CPU time, which a busy machine does not change. */
static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Ten times the time in proportion is allowed. */
#define SLACK 10

/* The time in microseconds to find one of n routes; *loading: the seconds to load them all. */
static double
many_routes(int n, double *loading)
{
	double start, loaded, found;
	struct lookup_lab lab;
	struct route *r;
	char login[32];
	FILE *to;
	int i;

	to = fopen("conf.d/a.ini", "w");
	assert_non_null(to);
	for (i = 0; i < n; i++)
		fprintf(to,
		    "[route user%06d]\nHostName = 10.%d.%d.%d\nUser = ubuntu\n"
		    "AuthorizedKeysFile = conf.d/users/user%06d.pub\nKey = user%06d\n"
		    "UserKnownHostsFile = conf.d/known_hosts\n\n",
		    i, i >> 16, (i >> 8) & 255, i & 255, i, i);
	assert_int_equal(fclose(to), 0);
	start = seconds();
	lookup_lab_load(&lab, NULL);
	loaded = seconds();
	for (i = 0; i < 100000; i++) {
		snprintf(login, sizeof(login), "user%06d", (int)(i * 7919LL % n));
		assert_int_equal(lookup_lab_find(&lab, login, &r), LOOKUP_FOUND);
		assert_string_equal(r->key, login);
		route_free(&r);
	}
	found = seconds();
	snprintf(login, sizeof(login), "user%06d", n);
	not_found(&lab, login);
	print_message("%d routes: loaded in %.3f s, one found in %.2f us\n", n, loaded - start,
	    (found - loaded) * 10);
	*loading = loaded - start;
	lookup_lab_free(&lab);
	return (found - loaded) * 10;
}

/* Among 100,000 routes, finding one takes longer only by cache misses: a search would take 100 times as long.
 * Loading each takes as long as loading one of a thousand. */
static void
test_100000_routes(void **state)
{
	double one, loading, loading_all;

	(void)state;
	one = many_routes(1000, &loading);
	assert_true(many_routes(100000, &loading_all) < one * SLACK);
	assert_true(loading_all < 100 * loading * SLACK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_hostile_logins),
		cmocka_unit_test(test_style),
		cmocka_unit_test(test_100000_routes),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
