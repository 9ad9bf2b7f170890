/*
 * base/login_dir.c: the directories below that of a login.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/login_dir.h"
#include "tmp_dir.h"

static int
add(void *ctx, const struct login_dir *dir, const char *name)
{
	char **to = ctx;

	assert_true(dir->fd != -1 && strstr(dir->path, name) != NULL);
	*to += sprintf(*to, "%s ", name);
	return strcmp(name, "git/stop") == 0 ? ERR_BADSTATE : 0;
}

/* The names found in the tree "t", each with a blank behind it. */
static int
below(const char *name, char *found, struct reason *why)
{
	const struct safe_path_rule rule = { .user = geteuid(), .owner = geteuid() };
	char tree[4096], *end = found;

	*found = '\0';
	assert_non_null(realpath("t", tree));
	return login_dir_walk(&rule, tree, name, add, &end, why);
}

static void
test_order(void **state)
{
	struct reason why;
	char found[4096];

	(void)state;
	assert_int_equal(system(
			     "mkdir -p t/git/b/z t/git/B t/git/a t/git/.hid t/git/closed t/x && "
			     "chmod 777 t/git/closed && touch t/git/file && ln -s ../x t/git/link"),
	    0);
	assert_int_equal(below("git", found, &why), 0);
	assert_string_equal(found, "git git/B git/a git/b git/b/z ");
	assert_non_null(strstr(why.text, "/t/git/closed: others may write"));
	assert_int_equal(below("x", found, &why), 0);
	assert_string_equal(found, "x ");
	assert_string_equal(why.text, "");
	assert_int_equal(below("none", found, &why), ERR_NOTFOUND);
	assert_int_equal(system("mkdir t/git/stop t/git/zzz"), 0);
	assert_int_equal(below("git", found, &why), ERR_BADSTATE);
	assert_string_equal(found, "git git/B git/a git/b git/b/z git/stop ");
	assert_int_equal(system("rm -r t"), 0);
}

static void
test_limits(void **state)
{
	struct reason why;
	char found[4096];

	(void)state;
	assert_int_equal(system("mkdir -p t/deep/1/2/3/4/5/6/7/8 && mkdir t/wide && cd t/wide && "
				"for i in $(seq 63); do mkdir d$i; done"),
	    0);
	assert_int_equal(below("deep", found, &why), 0);
	assert_int_equal(below("wide", found, &why), 0);
	assert_int_equal(system("mkdir t/deep/1/2/3/4/5/6/7/8/9 t/wide/d64"), 0);
	assert_int_equal(below("deep", found, &why), ERR_TOOBIG);
	assert_non_null(strstr(why.text, "at most 64 directories, 8 deep"));
	assert_int_equal(below("wide", found, &why), ERR_TOOBIG);
	assert_int_equal(system("rm -r t"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
