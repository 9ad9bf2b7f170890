/*
 * base/landlock.c: what a process can still do in its Landlock, each in a child, for it cannot be left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/landlock.h"
#include "tmp_dir.h"

/* The errno of opening a file, 0 if it works. */
static int
try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600), error = fd == -1 ? errno : 0;

	fd_close(&fd);
	return error;
}

static int
try_list(const char *path)
{
	DIR *dir = opendir(path);

	if (dir == NULL)
		return errno;
	closedir(dir);
	return 0;
}

/* Of the child, for which cmocka's assertions are no use: it exits with the line that is wrong. */
#define EXPECT(x)                              \
	do {                                   \
		if (!(x))                      \
			_exit(__LINE__ % 256); \
	} while (0)

static struct landlock *
landlock_or_skip(unsigned int rights)
{
	struct landlock *l;
	int r = landlock_new(&l, rights);

	if (r == ERR_SYS) {
		print_message("no Landlock here: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(r, 0);
	return l;
}

static void
in_child(struct landlock *l, void (*try)(void))
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		EXPECT(landlock_enter(l) == 0);
		try();
		_exit(0);
	}
	landlock_free(&l);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		print_message("line %d failed\n", WEXITSTATUS(status));
	assert_int_equal(status, 0);
}

static void
try_write_in_one_directory(void)
{
	EXPECT(try_open("open/new", O_RDWR | O_CREAT) == 0);
	EXPECT(try_open("open/below/new", O_RDWR | O_CREAT) == 0);
	EXPECT(try_open("open/file", O_RDWR | O_APPEND) == 0);
	EXPECT(unlink("open/file") == -1 && errno == EACCES);
	EXPECT(rename("open/file", "open/other") == -1 && errno == EACCES);
	EXPECT(mkdir("open/dir", 0700) == -1 && errno == EACCES);
	EXPECT(symlink("/etc", "open/link") == -1 && errno == EACCES);
	EXPECT(try_open("closed/new", O_RDWR | O_CREAT) == EACCES);
	EXPECT(try_open("closed/file", O_WRONLY) == EACCES);
	EXPECT(try_open("closed/file", O_RDONLY) == 0);
	EXPECT(try_list("closed") == 0);
}

static void
test_only_allowed_directories_are_writable(void **state)
{
	struct landlock *l = landlock_or_skip(LANDLOCK_FILES);

	(void)state;
	mkdir("open", 0700);
	mkdir("open/below", 0700);
	mkdir("closed", 0700);
	write_text("open/file", "x");
	write_text("closed/file", "x");
	assert_int_equal(landlock_allow(l, "/", LANDLOCK_READ), 0);
	assert_int_equal(landlock_allow(l, "open", LANDLOCK_WRITE_FILES), 0);
	assert_int_equal(landlock_allow(l, "not-there", LANDLOCK_WRITE_FILES), ERR_SYS);
	in_child(l, try_write_in_one_directory);
}

static void
try_read_around(void)
{
	struct stat st;

	EXPECT(try_open("/proc/self/status", O_RDONLY) == EACCES);
	EXPECT(try_list("/sys") == EACCES);
	EXPECT(try_open("/etc/passwd", O_RDONLY) == 0);
	EXPECT(try_list("/etc") == 0);
	EXPECT(try_open("beside", O_RDONLY) == 0);
	EXPECT(try_open("keys/secret", O_RDONLY) == EACCES);
	EXPECT(try_open("keys/below/secret", O_RDONLY) == EACCES);
	EXPECT(try_open("linked/secret", O_RDONLY) == EACCES);
	EXPECT(stat("keys/secret", &st) == 0);
	EXPECT(try_open("dot", O_RDONLY) == EACCES);
	EXPECT(try_open("dot-and-more", O_RDONLY) == 0);
}

static void
test_exceptions_are_closed_and_their_neighbours_open(void **state)
{
	char keys[4096], dot[4096];
	const char *const except[] = { "/proc", "/sys", "/not-there", keys, dot };
	struct landlock *l = landlock_or_skip(LANDLOCK_READ);

	(void)state;
	mkdir("keys", 0700);
	mkdir("keys/below", 0700);
	write_text("beside", "x");
	write_text("keys/secret", "x");
	write_text("keys/below/secret", "x");
	write_text("dot", "x");
	write_text("dot-and-more", "x");
	assert_int_equal(symlink("keys", "linked"), 0);
	snprintf(keys, sizeof(keys), "%s/linked", tmp_dir());
	snprintf(dot, sizeof(dot), "%s/dot", tmp_dir());
	assert_int_equal(landlock_allow_except(l, except, 5, LANDLOCK_READ), 0);
	in_child(l, try_read_around);
}

static void
try_to_reach_out(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r = connect(s, (const struct sockaddr *)&a, sizeof(a));
	EXPECT(r == -1 && errno == EACCES);
	a.sin_port = htons(0);
	EXPECT(bind(s, (const struct sockaddr *)&a, sizeof(a)) == -1 && errno == EACCES);
	EXPECT(kill(getppid(), 0) == -1 && errno == EPERM);
	EXPECT(kill(getpid(), 0) == 0);
	EXPECT(try_open("/proc/self/status", O_RDONLY) == 0);
}

static void
test_ports_and_other_processes_are_out_of_reach(void **state)
{
	struct landlock *l;

	(void)state;
	/* a kernel before 6.12 has one or neither */
	if (landlock_new(&l, LANDLOCK_REACH) != 0)
		skip();
	landlock_free(&l);
	l = landlock_or_skip(LANDLOCK_TCP | LANDLOCK_REACH);
	in_child(l, try_to_reach_out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_allowed_directories_are_writable),
		cmocka_unit_test(test_exceptions_are_closed_and_their_neighbours_open),
		cmocka_unit_test(test_ports_and_other_processes_are_out_of_reach),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
