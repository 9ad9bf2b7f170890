/*
 * base/fd.c: descriptors in messages, reads up to a limit, and which descriptors stay open.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fd.h"
#include "emulated.h"

static size_t
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
test_fd_message_with_descriptor(void **state)
{
	size_t before = open_descriptors();
	int pair[2], pipes[2], passed;
	char got[16];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(fd_set_nonblock(pair[1]), 0);
	assert_int_equal(fd_recv(pair[1], got, sizeof(got), &passed, 0), ERR_AGAIN);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(fd_send(pair[0], "plain", 5, -1), 0);
	assert_int_equal(fd_send(pair[0], "pipe", 4, pipes[0]), 0);
	assert_int_equal(fd_recv(pair[1], got, sizeof(got), &passed, 0), 5);
	assert_int_equal(passed, -1);
	assert_memory_equal(got, "plain", 5);
	assert_int_equal(fd_recv(pair[1], got, sizeof(got), &passed, 0), 4);
	assert_true(passed >= 0);
	assert_int_equal(fcntl(passed, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fd_write_all(pipes[1], "x", 1), 0);
	assert_int_equal(read(passed, got, 1), 1);
	fd_close(&passed);
	assert_int_equal(passed, -1);
	/* too long, and the descriptor that came with it is not kept */
	assert_int_equal(fd_send(pair[0], "too long for it", 15, pipes[0]), 0);
	assert_int_equal(fd_recv(pair[1], got, 4, &passed, 0), ERR_TOOBIG);
	assert_int_equal(passed, -1);
	fd_close(&pair[0]);
	assert_int_equal(fd_recv(pair[1], got, sizeof(got), &passed, 0), 0);
	assert_int_equal(fd_send(pair[1], "x", 1, -1), ERR_EOF);
	fd_close(&pair[1]);
	fd_close(&pipes[0]);
	fd_close(&pipes[1]);
	assert_int_equal(open_descriptors(), before);
}

/* A message with several descriptors is refused and all are closed: a peer must not use up ours. */
static void
test_fd_several_descriptors_are_refused_and_closed(void **state)
{
	union {
		char bytes[CMSG_SPACE(5 * sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte = 'x', got[16];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	size_t before, n;
	int pair[2], fds[5], passed;

	(void)state;
	skip_if_emulated();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (n = 0; n < 5; n++)
		fds[n] = pair[0];
	before = open_descriptors();
	for (n = 2; n <= 5; n++) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
		assert_int_equal(sendmsg(pair[0], &msg, 0), 1);
		assert_int_equal(fd_recv(pair[1], got, sizeof(got), &passed, 0), ERR_TOOBIG);
		assert_int_equal(passed, -1);
		assert_int_equal(open_descriptors(), before);
	}
	fd_close(&pair[0]);
	fd_close(&pair[1]);
}

static void
test_fd_read_all_up_to_the_limit(void **state)
{
	char path[] = "/tmp/test_base.XXXXXX";
	struct buf b;
	char block[1000];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	memset(block, 'x', sizeof(block));
	assert_int_equal(fd_write_all(fd, block, sizeof(block)), 0);
	lseek(fd, 0, SEEK_SET);
	buf_init(&b, 1000);
	assert_int_equal(fd_read_all(fd, &b), 0);
	assert_int_equal(b.len, 1000);
	buf_free(&b);
	lseek(fd, 0, SEEK_SET);
	buf_init(&b, 999);
	assert_int_equal(fd_read_all(fd, &b), ERR_TOOBIG);
	buf_free(&b);
	fd_close(&fd);
	buf_init(&b, 1000);
	assert_int_equal(fd_read_all(-1, &b), ERR_SYS);
	buf_free(&b);
}

static void
test_fd_close_others_keeps_the_listed(void **state)
{
	int pair[2], more[2], status, keep[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(pipe(more), 0);
	pid = fork();
	if (pid == 0) {
		keep[0] = more[1];
		keep[1] = pair[0];
		fd_close_others(3, keep, 2);
		_exit(fcntl(pair[0], F_GETFD) == -1 || fcntl(more[1], F_GETFD) == -1 ||
		    fcntl(pair[1], F_GETFD) != -1 || fcntl(more[0], F_GETFD) != -1 ||
		    fcntl(0, F_GETFD) == -1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	fd_close(&more[0]);
	fd_close(&more[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fd_message_with_descriptor),
		cmocka_unit_test(test_fd_several_descriptors_are_refused_and_closed),
		cmocka_unit_test(test_fd_read_all_up_to_the_limit),
		cmocka_unit_test(test_fd_close_others_keeps_the_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
