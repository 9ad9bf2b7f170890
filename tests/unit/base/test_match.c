/*
 * base/match.c: patterns with '*' and '?'.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/match.h"

static int
match_len(const void *text, size_t text_len, const void *pattern, size_t pattern_len,
    enum match_case letters)
{
	return match_pattern((struct bytes){ text, text_len },
	    (struct bytes){ pattern, pattern_len }, letters);
}

static int
match(const char *text, const char *pattern, enum match_case letters)
{
	return match_len(text, strlen(text), pattern, strlen(pattern), letters);
}

static void
test_wildcards(void **state)
{
	static const struct {
		const char *text, *pattern;
		int yes;
	} t[] = {
		{ "", "", 1 },
		{ "", "*", 1 },
		{ "", "**", 1 },
		{ "", "?", 0 },
		{ "a", "", 0 },
		{ "a", "?*", 1 },
		{ "a", "*?", 1 },
		{ "a", "?*?", 0 },
		{ "abc", "abc", 1 },
		{ "abc", "ab", 0 },
		{ "abc", "abcd", 0 },
		{ "abc", "a*c", 1 },
		{ "abc", "a?", 0 },
		{ "abc", "a**c", 1 },
		{ "abcabc", "*abc", 1 },
		{ "abcabc", "*b*c", 1 },
		{ "abcab", "*abc", 0 },
		{ "abcab", "*ab*ab*", 1 },
		{ "abcab", "*ab*ab*ab*", 0 },
		{ "a*c", "a*c", 1 },
		{ "\xff\x01", "??", 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(match(t[i].text, t[i].pattern, MATCH_CASE), t[i].yes);
		assert_int_equal(match(t[i].text, t[i].pattern, MATCH_FOLD), t[i].yes);
	}
}

static void
test_letters(void **state)
{
	(void)state;
	assert_true(match("ABC", "abc", MATCH_FOLD));
	assert_true(match("abc", "A?C", MATCH_FOLD));
	assert_true(match("xAbC", "*aBc", MATCH_FOLD));
	assert_false(match("ABC", "abc", MATCH_CASE));
	assert_false(match("abc", "A?C", MATCH_CASE));
	/* only letters have a case, and only those of US-ASCII */
	assert_false(match("[", "{", MATCH_FOLD));
	assert_false(match("@", "`", MATCH_FOLD));
	assert_false(match("\xc4", "\xe4", MATCH_FOLD));
}

/* Neither is terminated, and a NUL is a character. */
static void
test_lengths(void **state)
{
	(void)state;
	assert_true(match_len("abX", 2, "a*Y", 2, MATCH_CASE));
	assert_false(match_len("ab", 2, "a\0b", 3, MATCH_CASE));
	assert_true(match_len("a\0b", 3, "a?b", 3, MATCH_CASE));
	assert_false(match_len("a\0b", 3, "a", 1, MATCH_CASE));
	assert_true(match_len(NULL, 0, "*", 1, MATCH_CASE));
	assert_true(match_len(NULL, 0, NULL, 0, MATCH_CASE));
}

/* Patterns that take an age, or a deep stack, where each '*' is tried anew: here this is
 * some millions of steps, there more than there are atoms. */
static void
test_many_stars_are_quick(void **state)
{
	static char text[20000], pattern[4001];
	size_t i;

	(void)state;
	memset(text, 'a', sizeof(text));
	for (i = 0; i < sizeof(pattern) - 1; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[sizeof(pattern) - 1] = 'b';
	assert_false(match_len(text, sizeof(text), pattern, sizeof(pattern), MATCH_FOLD));
	text[sizeof(text) - 1] = 'b';
	assert_true(match_len(text, sizeof(text), pattern, sizeof(pattern), MATCH_FOLD));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_letters),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_many_stars_are_quick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
