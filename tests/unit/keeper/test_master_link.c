/*
 * keeper/master_link.c: messages to a busy master are kept, in order.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "keeper/master_link.h"

/* More than a socket takes. */
#define MESSAGES 3000

static struct keeper keeper;
static int master;

static int
setup(void **state)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &keeper.from_master };
	int pair[2];

	keeper = (struct keeper){ .master = -1 };
	keeper.from_master.kind = SOURCE_MASTER;
	master_link_init(&keeper);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1)
		return -1;
	keeper.master = pair[0];
	master = pair[1];
	keeper.epoll = epoll_create1(EPOLL_CLOEXEC);
	return epoll_ctl(keeper.epoll, EPOLL_CTL_ADD, keeper.master, &event);
}

static int
teardown(void **state)
{
	master_link_drop(&keeper);
	fd_close(&keeper.epoll);
	fd_close(&keeper.master);
	fd_close(&master);
	return 0;
}

/* LOGGED_IN n, or with a descriptor ERRAND n. */
static int
send_number(uint64_t n, int fd)
{
	struct buf b;

	ipc_begin(&b, fd == -1 ? IPC_LOGGED_IN : IPC_ERRAND);
	wire_put_u64(&b, n);
	return master_link_send(&keeper, &b, fd);
}

/* What epoll says of the master's socket. */
static uint32_t
events(void)
{
	struct epoll_event event = { 0 };

	return epoll_wait(keeper.epoll, &event, 1, 0) == 1 ? event.events : 0;
}

/* The next message has this number; its descriptor. */
static int
take_number(uint64_t n)
{
	struct ipc_msg msg;

	assert_int_equal(ipc_recv(master, keeper.message, IPC_KEEPER_TO_MASTER, IPC_PHASE_ANY,
			     &msg),
	    0);
	assert_int_equal(wire_u64(&msg.body), n);
	assert_int_equal(wire_end(&msg.body), 0);
	return msg.fd;
}

static void
fill(void)
{
	uint64_t n;

	for (n = 0; n < MESSAGES; n++)
		assert_int_equal(send_number(n, -1), 0);
	assert_false(STAILQ_EMPTY(&keeper.master_queue));
}

static void
test_nothing_is_lost_or_overtaken(void **state)
{
	uint64_t n;
	int fd;

	fill();
	assert_int_equal(send_number(MESSAGES, dup(STDERR_FILENO)), 0);
	assert_int_equal(events(), 0); /* nothing to be done until there is room */
	for (n = 0; n < MESSAGES / 2; n++) {
		assert_int_equal(take_number(n), -1);
		if ((events() & EPOLLOUT) != 0)
			master_link_flush(&keeper);
	}
	assert_int_equal(send_number(MESSAGES + 1, -1), 0);
	for (; n < MESSAGES; n++) {
		assert_int_equal(take_number(n), -1);
		master_link_flush(&keeper);
	}
	fd = take_number(MESSAGES);
	assert_true(fd != -1);
	fd_close(&fd);
	assert_int_equal(take_number(MESSAGES + 1), -1);
	assert_true(STAILQ_EMPTY(&keeper.master_queue));
	/* and a socket with room in it does not wake anybody up */
	assert_int_equal(events(), 0);
}

static void
test_master_goes(void **state)
{
	int fd = dup(STDERR_FILENO), other;

	fill();
	assert_int_equal(send_number(MESSAGES, fd), 0);
	master_link_drop(&keeper);
	assert_true(STAILQ_EMPTY(&keeper.master_queue));
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed: who waits at its other end knows */
	fd_close(&keeper.master);
	other = dup(STDERR_FILENO);
	assert_int_equal(send_number(0, other), ERR_EOF);
	assert_int_equal(fcntl(other, F_GETFD), -1);
}

static void
test_master_is_gone_already(void **state)
{
	int fd;

	fill();
	fd_close(&master);
	master_link_flush(&keeper);
	assert_true(STAILQ_EMPTY(&keeper.master_queue));
	fd = dup(STDERR_FILENO);
	assert_int_equal(send_number(0, fd), ERR_EOF);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_lost_or_overtaken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_master_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_master_is_gone_already, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
