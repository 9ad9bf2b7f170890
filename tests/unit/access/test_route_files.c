/*
 * access/route_files.c: the keeper never waits for a file that a route names.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "access/route_files.h"
#include "tmp_dir.h"

static int
append(const char *path, struct reason *why)
{
	struct route route = { .file_rule = tmp_dir_rule() };
	struct reason would;
	int fd, r, may;

	/* one that waits is killed, and fails */
	alarm(20);
	may = route_file_may_append(&route, path, &would);
	r = route_file_append(&route, path, &fd, why);
	alarm(0);
	assert_int_equal(may, r);
	if (r != 0)
		assert_string_equal(would.text, why->text);
	assert_true(r == 0 ? fd >= 0 : fd == -1);
	fd_close(&fd);
	return r;
}

static void
test_append_to_another_type_fails(void **state)
{
	struct reason why;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(append("fifo", &why), ERR_FORMAT);
	assert_string_equal(why.text, "fifo: is not a regular file");
	assert_int_equal(append("/dev/null", &why), ERR_FORMAT);
	assert_int_equal(mkdir("directory", 0700), 0);
	assert_int_equal(append("directory", &why), ERR_SYS);
	assert_int_equal(symlink("elsewhere", "link"), 0);
	assert_int_equal(append("link", &why), ERR_SYS);
	assert_int_equal(access("elsewhere", F_OK), -1);
}

static void
test_append_to_a_writable_file_fails(void **state)
{
	struct reason why;

	(void)state;
	write_text("shared", "");
	assert_int_equal(chmod("shared", 0620), 0);
	assert_int_equal(append("shared", &why), ERR_PERM);
	assert_string_equal(why.text,
	    "shared: others may write to it (mode 0620); run: chmod go-w shared");
}

static void
test_append_makes_the_file(void **state)
{
	struct route route = { .file_rule = tmp_dir_rule() };
	struct reason why;

	(void)state;
	assert_int_equal(route_file_may_append(&route, "new", &why), 0);
	assert_int_equal(access("new", F_OK), -1);
	assert_int_equal(append("new", &why), 0);
	assert_int_equal(access("new", F_OK), 0);
	assert_int_equal(append("new", &why), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_to_another_type_fails),
		cmocka_unit_test(test_append_to_a_writable_file_fails),
		cmocka_unit_test(test_append_makes_the_file),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
