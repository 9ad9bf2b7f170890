/*
 * lookup/login_pattern.c: names of sections that are regular expressions; and such sections in a lookup.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lookup/login_pattern.h"
#include "lookup_lab.h"
#include "tmp_dir.h"

static void
test_expressions(void **state)
{
	static const struct {
		const char *name, *login, *captures; /* NULL: no match */
	} cases[] = {
		{ "/^(.+)\\+(.+)$/", "web+bob", "web|bob|" },
		{ "/(.+)\\+(.+)/", "a+b+c", "a+b|c|" },
		{ "/(.+?)\\+(.+)/", "a+b+c", "a|b+c|" },
		{ "/dev/", "dev", "" },
		{ "/dev/", "dev-1", NULL }, /* the whole login has to match */
		{ "/dev/", "xdev", NULL },
		{ "/a|ab/", "ab", "" },
		{ "/[a-z]+\\d/", "db1", "" },
		{ "/[a-z]+\\d/", "DB1", NULL },
		{ "/(?i)[a-z]+\\d/", "DB1", "" },
		{ "/(?<who>[^+]+)(?:\\+(.*))?/", "bob", "bob||" },
		{ "/(.)/", "\xc3\xb6", "\xc3\xb6|" }, /* one character of two bytes */
		{ "/\\d/", "\xd9\xa3", NULL },	      /* an Arabic digit */
		{ "/[^/]+/x", "bob", "" },	      /* the label is no part of it */
		{ "/dev$\n?/", "dev", "" },
		{ "/(?=(.)(.))..\\K/", "ab", "a|b|" },
		{ "a*", "ab", "b|" },
	};
	struct login_pattern *p;
	struct wildcard_match m;
	struct reason why;
	char got[64], *to;
	unsigned int j;
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(login_pattern_new(cases[i].name, &p, &why), 0);
		r = login_pattern_find(p, cases[i].login, &m, &why);
		if (cases[i].captures == NULL) {
			assert_int_equal(r, 0);
		} else {
			assert_int_equal(r, 1);
			assert_int_equal(m.n, login_pattern_captures(p));
			for (j = 0, to = got, *to = '\0'; j < m.n; j++)
				to += sprintf(to, "%.*s|", (int)m.captures[j].len,
				    m.captures[j].text);
			assert_string_equal(got, cases[i].captures);
		}
		login_pattern_free(&p);
	}
}

static void
test_names(void **state)
{
	static const struct {
		const char *name, *label;
		size_t len;
		int pattern;
	} cases[] = {
		{ "alice", NULL, 5, 0 },
		{ "alice/key", "key", 5, 0 },
		{ "a*/key", "key", 2, 1 },
		{ "/a/", NULL, 3, 1 },
		{ "/a/key", "key", 3, 1 },
		{ "/[^/]+/key", "key", 7, 1 },
		{ "/a", NULL, 2, 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(route_name_len(cases[i].name), cases[i].len);
		assert_int_equal(login_pattern_is(cases[i].name), cases[i].pattern);
		if (cases[i].label == NULL)
			assert_null(route_name_label(cases[i].name));
		else
			assert_string_equal(route_name_label(cases[i].name), cases[i].label);
	}
}

#define NAMED(name, rest) "[route " name "]\nHostName = h\n" REST_OF_ROUTE rest

static void
test_mistakes(void **state)
{
	char text[4096];

	(void)state;
	lookup_lab_refuses(NAMED("/(a/", "") NAMED("/a", "") NAMED("//", "") NAMED("/^[a]+$", ""),
	    "conf.d/a.ini:1: the regular expression is wrong at byte 2: missing closing parenthesis\n"
	    "conf.d/a.ini:6: a regular expression is written between slashes: [route /^dev-[0-9]+$/]\n"
	    "conf.d/a.ini:11: a regular expression is written between slashes: [route /^dev-[0-9]+$/]\n"
	    "conf.d/a.ini:16: a regular expression is written between slashes: [route /^dev-[0-9]+$/]\n");
	lookup_lab_refuses(NAMED("/(a)/", "User = %2\n"),
	    "conf.d/a.ini:6: User: \"%2\": the name of this [route] has no such * or group: %1 is what "
	    "the first one matched, and so on\n");
	lookup_lab_refuses(NAMED("/()()()()()()()()()()/", ""),
	    "conf.d/a.ini:1: more than 9 groups: write (?:...) for those that no %1 uses\n");
	lookup_lab_refuses(NAMED("/a/x y", "MatchAddress = 192.0.2.1\n"),
	    "conf.d/a.ini:1: [route /a/x y]: the label after the / may have A-Z a-z 0-9 . _ @ + -\n");
	lookup_lab_refuses(NAMED("/a/x", ""),
	    "conf.d/a.ini:1: [route /a/x] needs MatchAddress, MatchLocalAddress, "
	    "MatchLocalPort, MatchHost or MatchFingerprint: when to use it instead of [route /a/]\n");
	memset(text, 'a', sizeof(text));
	memcpy(text, "[route /", 8);
	snprintf(text + 8 + LOGIN_PATTERN_MAX + 1, 100, "/]\nHostName = h\n" REST_OF_ROUTE);
	lookup_lab_refuses(text,
	    "conf.d/a.ini:1: the regular expression is longer than 1024 bytes\n");
}

/* The log is not of interest. */
static enum lookup_result
quietly(struct lookup_lab *lab, const char *login, struct route **r)
{
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	enum lookup_result result;

	assert_int_equal(dup2(null, STDERR_FILENO), STDERR_FILENO);
	result = lookup_lab_find(lab, login, r);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	close(null);
	return result;
}

/* A pattern that backtracks without end is a failure of that login, not a wait, and not the next pattern. */
static void
test_match_limit(void **state)
{
	struct lookup_lab lab;
	struct route *r;

	(void)state;
	lookup_lab_load(&lab,
	    NAMED("/(a+)+[bd]/", "User = first\n") NAMED("*", "User = last\n")
		NAMED("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaae", "User = exact\n"));
	assert_int_equal(quietly(&lab, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", &r),
	    LOOKUP_FAILED);
	assert_null(r);
	assert_int_equal(lookup_lab_find(&lab, "aaab", &r), LOOKUP_FOUND);
	assert_string_equal(r->user, "first");
	route_free(&r);
	assert_int_equal(lookup_lab_find(&lab, "c", &r), LOOKUP_FOUND);
	assert_string_equal(r->user, "last");
	route_free(&r);
	/* no pattern is tried for an exact name */
	assert_int_equal(lookup_lab_find(&lab, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaae",
			     &r),
	    LOOKUP_FOUND);
	assert_string_equal(r->user, "exact");
	route_free(&r);
	lookup_lab_free(&lab);
}

/* What an operator would write stays below the limit with the longest login. */
static void
test_limit_is_enough(void **state)
{
	static const char *const names[] = { "/^(.+)\\+(.+)$/", "/^(.+)\\+(.+)\\+(.+)$/",
		"/^([a-z0-9_-]+)\\.([a-z0-9_.-]+)@(.*)$/", "/^(?:[a-z]+-)*x$/" };
	struct login_pattern *p;
	struct wildcard_match m;
	struct reason why;
	char login[256];
	size_t i;

	(void)state;
	memset(login, 'a', 255);
	login[255] = '\0';
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(login_pattern_new(names[i], &p, &why), 0);
		assert_int_equal(login_pattern_find(p, login, &m, &why), 0);
		login_pattern_free(&p);
	}
	memset(login, '+', 255);
	assert_int_equal(login_pattern_new("/^(.+)\\+(.+)\\+(.+)x$/", &p, &why), 0);
	assert_int_equal(login_pattern_find(p, login, &m, &why), 0);
	login_pattern_free(&p);
}

/* Patterns of both kinds in the order of the file; a label; and captures that are no host, file or key. */
static void
test_in_lookup(void **state)
{
	static const char *const hostile[] = { "h-a b", "h-:22", "h-", "h--x", "k-.x", "k-a b",
		"k-host_ed25519", "f-..", "f-.ssh", "f-" };
	struct lookup_lab lab;
	struct route *r;
	size_t i;

	(void)state;
	lookup_lab_load(&lab,
	    NAMED("web*", "User = star\n") NAMED("/web\\d+/",
		"User = never\n") "[route /^[]a-c]?[0-9]+$/] ; [a comment]\nHostName = h\nUser = digits\n" REST_OF_ROUTE
		NAMED("/db(\\d)/here",
		    "User = here%1\nMatchAddress = 192.0.2.1\n") NAMED("/db(\\d)/",
		    "User = else\n") NAMED("/db(\\d)/there",
		    "User = there\nMatchAddress = 192.0.2.9\n") "[route /h-(.*)/]\nHostName = %1\n" REST_OF_ROUTE
								"[route /k-(.*)/]\nHostName = h\nKey = %1\nAuthorizedKey = t AAAA\n"
								"StrictHostKeyChecking = no\n"
								"[route /f-(.*)/]\nHostName = h\nKey = k\nAuthorizedKeysFile = u/%1\n"
								"StrictHostKeyChecking = no\n");
	for (i = 0; i < 3; i++) {
		static const char *const logins[] = { "web1", "]1", "db7" };
		static const char *const users[] = { "star", "digits", "here7" };

		assert_int_equal(lookup_lab_find(&lab, logins[i], &r), LOOKUP_FOUND);
		assert_string_equal(r->user, users[i]);
		route_free(&r);
	}
	for (i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
		if (quietly(&lab, hostile[i], &r) != LOOKUP_NOT_FOUND)
			fail_msg("\"%s\" was found", hostile[i]);
	assert_int_equal(lookup_lab_find(&lab, "h-10.0.0.1", &r), LOOKUP_FOUND);
	assert_string_equal(r->hosts.v[0], "10.0.0.1");
	route_free(&r);
	lookup_lab_free(&lab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expressions),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_match_limit),
		cmocka_unit_test(test_limit_is_enough),
		cmocka_unit_test(test_in_lookup),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
