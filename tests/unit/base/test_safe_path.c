/*
 * base/safe_path.c: files are used only if nobody else owns them or can write to them or to a directory
 * on the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "tmp_dir.h"

#define STRANGER 65534

static struct safe_path_rule rule;
static struct reason why;

static int
setup(void **state)
{
	if (tmp_dir_setup(state) != 0)
		return -1;
	rule = tmp_dir_rule();
	if (mkdir("d", 0755) == -1 || mkdir("d/e", 0755) == -1)
		return -1;
	write_text("d/e/list", "text\n");
	return 0;
}

/* How it is read, by its relative and by its absolute path. */
static int
try_open(const char *path)
{
	char full[200];
	struct buf b;
	int fd, r, r2;

	buf_init(&b, 100);
	snprintf(full, sizeof(full), "%s/%s", tmp_dir(), path);
	r2 = safe_path_open(&rule, full, O_RDONLY, SAFE_PATH_TRUSTED, &fd, &why);
	assert_true(r2 == 0 ? fd >= 0 : fd == -1);
	fd_close(&fd);
	r = safe_path_read(&rule, path, &b, &why);
	assert_int_equal(r, r2);
	assert_int_equal(b.len, r == 0 ? 5 : 0);
	assert_int_equal(why.text[0] == '\0', r == 0);
	buf_free(&b);
	return r;
}

static void
refused(const char *path, const char *reason)
{
	assert_int_equal(try_open(path), ERR_PERM);
	if (strstr(why.text, reason) == NULL)
		print_error("%s\nis not what it says: %s\n", reason, why.text);
	assert_non_null(strstr(why.text, reason));
	assert_int_equal(strncmp(why.text, path, strlen(path)), 0);
}

static void
test_writable_files_are_refused(void **state)
{
	char reason[200];

	(void)state;
	assert_int_equal(try_open("d/e/list"), 0);
	assert_int_equal(try_open("d/../d/./e//list"), 0);
	assert_int_equal(chmod("d/e/list", 0660), 0);
	refused("d/e/list", "others may write to it (mode 0660); run: chmod go-w d/e/list");
	assert_int_equal(chmod("d/e/list", 0602), 0);
	refused("d/e/list", "others may write to it (mode 0602)");
	assert_int_equal(chmod("d/e/list", 0644), 0);
	assert_int_equal(chmod("d", 0775), 0);
	snprintf(reason, sizeof(reason),
	    "is below the directory %s/d, to which others may write (mode 0775); run: chmod go-w "
	    "%s/d, or set StrictModes = no in [gateway]",
	    tmp_dir(), tmp_dir());
	refused("d/e/list", reason);
	assert_int_equal(chmod("d", 0757), 0);
	refused("d/e/list", "to which others may write (mode 0757)");
	/* nobody replaces what is another's there */
	assert_int_equal(chmod("d", 01777), 0);
	assert_int_equal(try_open("d/e/list"), 0);
	assert_int_equal(chmod("d", 0755), 0);
}

static void
test_other_types_are_refused(void **state)
{
	struct buf b;
	int fd;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	alarm(20);
	assert_int_equal(try_open("fifo"), ERR_FORMAT);
	alarm(0);
	assert_string_equal(why.text, "fifo: is not a regular file");
	assert_int_equal(try_open("d"), ERR_FORMAT);
	assert_int_equal(try_open("/"), ERR_FORMAT);
	assert_int_equal(try_open("d/none"), ERR_NOTFOUND);
	assert_int_equal(try_open("none/list"), ERR_NOTFOUND);
	assert_int_equal(try_open("d/e/list/x"), ERR_SYS);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(safe_path_open(&rule, "d", O_PATH | O_DIRECTORY, SAFE_PATH_TRUSTED, &fd,
			     &why),
	    0);
	fd_close(&fd);
	assert_int_equal(safe_path_open(&rule, "d/e/list", O_RDONLY | O_DIRECTORY,
			     SAFE_PATH_TRUSTED, &fd, &why),
	    ERR_SYS);
	buf_init(&b, 4);
	assert_int_equal(safe_path_read(&rule, "d/e/list", &b, &why), ERR_TOOBIG);
	assert_string_equal(why.text, "d/e/list: is too large");
	buf_free(&b);
}

static void
test_links(void **state)
{
	static const char *const good[] = { "to", "to-dir/list", "twice", "d/e/back" };
	char target[200];
	int fd;
	size_t i;

	(void)state;
	snprintf(target, sizeof(target), "%s/d/e/list", tmp_dir());
	assert_int_equal(symlink(target, "to"), 0);
	assert_int_equal(symlink("d/e/", "to-dir"), 0);
	assert_int_equal(symlink("./to", "twice"), 0);
	assert_int_equal(symlink("../../d/e/list", "d/e/back"), 0);
	assert_int_equal(symlink("ring", "ring"), 0);
	assert_int_equal(symlink("gone", "dangling"), 0);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(try_open(good[i]), 0);
	assert_int_equal(try_open("ring"), ERR_SYS);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(try_open("dangling"), ERR_NOTFOUND);
	assert_int_equal(safe_path_open(&rule, "to", O_RDONLY | O_NOFOLLOW, SAFE_PATH_TRUSTED, &fd,
			     &why),
	    ERR_SYS);
	/* a program that is not to be read */
	assert_int_equal(safe_path_open(&rule, "twice", O_PATH, SAFE_PATH_TRUSTED, &fd, &why), 0);
	fd_close(&fd);
	/* where a link leads is judged, too */
	assert_int_equal(chmod("d", 0777), 0);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		refused(good[i], "/d, to which others may write (mode 0777)");
	assert_int_equal(chmod("d", 0755), 0);
	if (getuid() != 0)
		return;
	assert_int_equal(lchown("to-dir", STRANGER, STRANGER), 0);
	refused("to-dir/list", "leads through the link ");
	assert_non_null(strstr(why.text, "/to-dir, which belongs to user 65534, not to root; "));
	assert_int_equal(lchown("to", STRANGER, STRANGER), 0);
	refused("to", "leads through the link ");
	refused("twice", "leads through the link ");
	assert_int_equal(safe_path_open(&rule, "twice", O_PATH, SAFE_PATH_TRUSTED, &fd, &why),
	    ERR_PERM);
}

static void
test_files_of_other_owners_are_refused(void **state)
{
	(void)state;
	if (getuid() != 0)
		skip();
	assert_int_equal(chown("d/e/list", STRANGER, 0), 0);
	refused("d/e/list", "belongs to user 65534, not to root; run: chown root d/e/list, or set");
	rule.owner = 7;
	refused("d/e/list", "not to root or user 7, the owner of conf.d; run: chown 7 d/e/list");
	rule.user = 6;
	refused("d/e/list", "not to root, user 6 or user 7, the owner of conf.d; run: chown 7 ");
	rule.user = STRANGER;
	assert_int_equal(try_open("d/e/list"), 0);
	rule = (struct safe_path_rule){ .owner = STRANGER };
	assert_int_equal(try_open("d/e/list"), 0);
	rule = (struct safe_path_rule){ 0 };
	assert_int_equal(chown("d/e/list", 0, 0), 0);
	assert_int_equal(chown("d", STRANGER, 0), 0);
	refused("d/e/list",
	    "/d, which belongs to user 65534, not to root; keep it elsewhere, run: ");
	assert_int_equal(chmod("d", 01777), 0);
	refused("d/e/list", "which belongs to user 65534");
}

/* With StrictModes = no the mode of the file alone counts. */
static void
test_rule_can_be_off(void **state)
{
	(void)state;
	assert_int_equal(chmod("d", 0777), 0);
	assert_int_equal(symlink("d/e/list", "link"), 0);
	if (getuid() == 0) {
		assert_int_equal(chown("d/e/list", STRANGER, 0), 0);
		assert_int_equal(lchown("link", STRANGER, 0), 0);
	}
	assert_int_not_equal(try_open("d/e/list"), 0);
	rule.off = 1;
	assert_int_equal(try_open("d/e/list"), 0);
	assert_int_equal(try_open("link"), 0);
	assert_int_equal(chmod("d/e/list", 0664), 0);
	refused("d/e/list", "others may write to it (mode 0664); run: chmod go-w d/e/list");
	assert_int_equal(try_open("none"), ERR_NOTFOUND);
}

/* What is kept for later: everything, and each directory once. */
static void
test_doubts(void **state)
{
	struct safe_path_doubts doubts = { 0 };
	int fd, i;

	(void)state;
	assert_int_equal(chmod("d", 0777), 0);
	assert_int_equal(chmod("d/e", 0770), 0);
	assert_int_equal(chmod("d/e/list", 0666), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(safe_path_open_anyway(&rule, -1, "d/e/list", O_RDONLY, &doubts,
				     &fd, &why),
		    0);
		assert_true(fd >= 0);
		fd_close(&fd);
	}
	assert_int_equal(doubts.n, 3);
	assert_string_equal(doubts.v[2].path, "d/e/list");
	assert_string_equal(doubts.v[2].reason,
	    "others may write to it (mode 0666); run: chmod go-w d/e/list");
	assert_true(doubts.v[2].by_all && !doubts.v[0].by_all && doubts.v[0].uid == (uid_t)-1);
	assert_int_equal(safe_path_open_anyway(&rule, -1, "d/e/none", O_RDONLY, &doubts, &fd, &why),
	    ERR_NOTFOUND);
	assert_int_equal(doubts.n, 3);
	safe_path_doubts_free(&doubts);
}

/* A login reads two or three files so. */
static void
test_speed(void **state)
{
	struct timespec from, to;
	int fd, i;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < 10000; i++) {
		assert_int_equal(safe_path_open(&rule, "d/e/list", O_RDONLY, SAFE_PATH_TRUSTED, &fd,
				     &why),
		    0);
		fd_close(&fd);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	print_message("a file five directories down: opened in %.1f us\n",
	    ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e7);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, tmp_dir_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_writable_files_are_refused),
		TEST(test_other_types_are_refused),
		TEST(test_links),
		TEST(test_files_of_other_owners_are_refused),
		TEST(test_rule_can_be_off),
		TEST(test_doubts),
		TEST(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
