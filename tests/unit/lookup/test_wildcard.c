/*
 * lookup/wildcard.c and lookup/percent.c: names of sections with *, and values with %1 and %u.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lookup/percent.h"
#include "lookup/wildcard.h"

static void
test_wildcard(void **state)
{
	struct wildcard_match m;
	static const struct {
		const char *pattern, *text, *captures; /* NULL: no match */
	} cases[] = {
		{ "alice", "alice", "" },
		{ "alice", "alic", NULL },
		{ "alice", "alicee", NULL },
		{ "*", "x", "x|" },
		{ "*", "", "|" },
		{ "dev-*", "dev-", "|" },
		{ "dev-*", "dev", NULL },
		{ "*+web", "a+web", "a|" },
		{ "*+web", "a+web+web", "a+web|" },
		{ "*+*", "a+b+c", "a|b+c|" },
		{ "*aa*", "aaa", "|a|" },
		{ "ab*ba", "aba", NULL },
		{ "a*b*c", "axbxbxc", "x|xbx|" },
		{ "**", "ab", "|ab|" },
		{ "*a*b*", "b a", NULL },
		{ "?", "x", NULL },
		{ "[a]", "a", NULL },
	};
	char got[64], *p;
	size_t i;
	unsigned int j;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!wildcard_find(cases[i].pattern, cases[i].text, &m)) {
			assert_null(cases[i].captures);
			continue;
		}
		assert_non_null(cases[i].captures);
		for (j = 0, p = got, *p = '\0'; j < m.n; j++)
			p += sprintf(p, "%.*s|", (int)m.captures[j].len, m.captures[j].text);
		assert_string_equal(got, cases[i].captures);
		assert_int_equal(m.n, wildcard_stars(cases[i].pattern));
	}
}

/* A matcher that backtracks would not end here. */
static void
test_wildcard_is_linear(void **state)
{
	struct wildcard_match m;
	char text[256];
	int i;

	(void)state;
	memset(text, 'a', 255);
	text[255] = '\0';
	for (i = 0; i < 1000; i++)
		assert_int_equal(wildcard_find("*a*a*a*a*a*a*a*a*b", text, &m), 0);
}

static void
test_percent(void **state)
{
	struct wildcard_match m = { .login = "%1",
		.captures = { { "a/b", 1 }, { "..", 2 } },
		.n = 2 };
	const char *why;
	char *out;

	(void)state;
	assert_int_equal(percent_expand("%u-%1-%%-%%u", &m, 0, &out), 0);
	assert_string_equal(out, "%1-a-%-%u");
	free(out);
	assert_int_equal(percent_expand("x%2", &m, 1, &out), ERR_FORMAT);
	assert_null(out);
	assert_int_equal(percent_expand("%3", &m, 0, &out), ERR_FORMAT);
	assert_int_equal(percent_expand("%", &m, 0, &out), ERR_FORMAT);
	assert_int_equal(percent_check("%1%2%%%u", 2, &why), 0);
	assert_int_equal(percent_check("%3", 2, &why), ERR_FORMAT);
	assert_int_equal(percent_check("%0", 2, &why), ERR_FORMAT);
	assert_int_equal(percent_check("%", 2, &why), ERR_FORMAT);
	assert_int_equal(percent_check("%h", 2, &why), ERR_FORMAT);
	out = percent_quote("a%b");
	assert_string_equal(out, "a%%b");
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wildcard),
		cmocka_unit_test(test_wildcard_is_linear),
		cmocka_unit_test(test_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
