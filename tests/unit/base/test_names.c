/*
 * base/names.c: which names of logins are valid, and the parts of a path.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/names.h"

static int
name_ok(const char *name)
{
	return login_name_ok(name, strlen(name));
}

static void
test_login_names(void **state)
{
	char name[300];

	(void)state;
	assert_true(name_ok("alice"));
	assert_true(name_ok("a"));
	assert_true(name_ok("alice+web"));
	assert_true(name_ok("DOMAIN\\alice"));
	assert_true(name_ok("alice@example.com"));
	assert_true(name_ok("alice smith"));
	assert_true(name_ok("..."));
	assert_true(name_ok(".alice"));
	assert_true(name_ok("%s%n"));
	assert_true(name_ok("J\303\266rg"));
	assert_true(name_ok("\346\227\245\346\234\254"));
	assert_true(name_ok("\360\237\230\200"));

	assert_false(login_name_ok("", 0));
	assert_false(name_ok("-oProxyCommand=id"));
	assert_false(name_ok("-"));
	assert_false(name_ok("."));
	assert_false(name_ok(".."));
	assert_false(name_ok("a/b"));
	assert_false(name_ok("../alice"));
	assert_false(name_ok("alice\n"));
	assert_false(name_ok("al\tice"));
	assert_false(name_ok("\033[2J"));
	assert_false(name_ok("alice\177"));
	assert_false(login_name_ok("ali\0ce", 6));
	assert_false(login_name_ok("\0", 1));
	assert_false(name_ok("\377"));		    /* not UTF-8 */
	assert_false(name_ok("\300\257"));	    /* overlong '/' */
	assert_false(name_ok("\340\200\257"));	    /* overlong '/' */
	assert_false(name_ok("\355\240\200"));	    /* surrogate */
	assert_false(name_ok("\364\220\200\200"));  /* beyond U+10FFFF */
	assert_false(name_ok("a\303"));		    /* cut short */
	assert_false(name_ok("\302\205"));	    /* C1: next line */
	assert_false(name_ok("a\342\200\256b"));    /* right-to-left override */
	assert_false(name_ok("a\342\200\213b"));    /* zero-width space */
	assert_false(name_ok("\357\273\277alice")); /* byte order mark */
	assert_false(name_ok("\357\277\276"));	    /* noncharacter */

	memset(name, 'a', sizeof(name));
	assert_true(login_name_ok(name, 255));
	assert_false(login_name_ok(name, 256));
	name[253] = '\303'; /* the limit is in bytes: a character astride it */
	name[254] = '\266';
	assert_true(login_name_ok(name, 255));
	assert_false(login_name_ok(name, 254));
}

static void
test_good_and_bad_login_names(void **state)
{
	static const char *const good[] = { "a", "alice", "alice+web", "a b", "a-", "J\xc3\xb6rg",
		"\xe6\x97\xa5\xe6\x9c\xac", "...", "a@b:c%d", "\xf0\x9f\x90\x9f" };
	static const char *const bad[] = { "", "-a", "a/b", "/", ".", "..", "a\nb", "a\tb", "\x7f",
		"\x1b[2J", "\xff", "\xc0\xaf", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80", "\xe0\x80\xaf",
		"a\xc2\x9b"
		"b",
		"a\xe2\x80\xae"
		"b",
		"a\xe2\x80\xa8"
		"b",
		"a\xe2\x80\x8b"
		"b",
		"\xef\xbb\xbf"
		"a" };
	char longest[257];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(login_name_ok(good[i], strlen(good[i])), 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(login_name_ok(bad[i], strlen(bad[i])), 0);
	memset(longest, 'a', sizeof(longest));
	longest[255] = '\0';
	assert_int_equal(login_name_ok(longest, strlen(longest)), 1);
	longest[255] = 'a';
	longest[256] = '\0';
	assert_int_equal(login_name_ok(longest, strlen(longest)), 0);
}

static void
test_parts_of_a_path(void **state)
{
	static const char *const paths[][3] = { { "key", ".", "key" }, { "/key", "/", "key" },
		{ "./key", ".", "key" }, { "/a/b/key", "/a/b", "key" }, { "a//key", "a/", "key" },
		{ "a/", "a", "" }, { "", ".", "" } };
	char *dir;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		dir = path_dir(paths[i][0]);
		assert_non_null(dir);
		assert_string_equal(dir, paths[i][1]);
		assert_string_equal(path_name(paths[i][0]), paths[i][2]);
		free(dir);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login_names),
		cmocka_unit_test(test_good_and_bad_login_names),
		cmocka_unit_test(test_parts_of_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
