/*
 * ipc/ipc.c: the table of messages is enforced before a body is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "ipc/ipc.h"

struct pair {
	int a, b;
	uint8_t message[IPC_MAX];
};

static int
setup(void **state)
{
	static struct pair p;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == -1)
		return -1;
	p.a = fds[0];
	p.b = fds[1];
	*state = &p;
	return 0;
}

static int
teardown(void **state)
{
	struct pair *p = *state;

	fd_close(&p->a);
	fd_close(&p->b);
	return 0;
}

static void
test_round_trip(void **state)
{
	struct pair *p = *state;
	struct ipc_msg msg;
	struct buf b;

	ipc_begin(&b, IPC_AUTH);
	wire_put_text(&b, "hello");
	assert_int_equal(ipc_send(p->a, &b, -1), 0);
	assert_int_equal(ipc_recv(p->b, p->message, IPC_SESSION_TO_KEEPER, IPC_PHASE_AUTH, &msg),
	    0);
	assert_int_equal(msg.type, IPC_AUTH);
	assert_int_equal(msg.fd, -1);
	assert_true(bytes_is(wire_string(&msg.body), "hello"));
	assert_int_equal(wire_end(&msg.body), 0);
	assert_int_equal(ipc_recv(p->b, p->message, IPC_SESSION_TO_KEEPER, IPC_PHASE_AUTH, &msg),
	    ERR_AGAIN);
	fd_close(&p->a);
	assert_int_equal(ipc_recv(p->b, p->message, IPC_SESSION_TO_KEEPER, IPC_PHASE_AUTH, &msg),
	    ERR_EOF);
}

static int
send_type(struct pair *p, int type, int fd, enum ipc_way way, unsigned int phase)
{
	struct ipc_msg msg;
	struct buf b;
	int r;

	ipc_begin(&b, IPC_AUTH);
	b.data[0] = (uint8_t)type;
	assert_int_equal(ipc_send(p->a, &b, fd), 0);
	r = ipc_recv(p->b, p->message, way, phase, &msg);
	if (r == 0)
		fd_close(&msg.fd);
	else
		assert_int_equal(msg.fd, -1);
	return r;
}

static void
test_wrong_way_phase_or_type(void **state)
{
	struct pair *p = *state;
	unsigned int phase;
	int type, may;

	assert_int_equal(send_type(p, IPC_AUTH, -1, IPC_SESSION_TO_KEEPER, IPC_PHASE_AUTH), 0);
	/* no proof counts before the session identifier is known */
	assert_int_equal(send_type(p, IPC_AUTH, -1, IPC_SESSION_TO_KEEPER, IPC_PHASE_KEX),
	    ERR_BADSTATE);
	/* the host key signs once before the login, and again after it */
	for (phase = 1; phase < IPC_PHASE_ANY; phase <<= 1) {
		may = phase == IPC_PHASE_KEX || phase == IPC_PHASE_AGENT ||
		    phase == IPC_PHASE_RELAY;
		assert_int_equal(send_type(p, IPC_SIGN, -1, IPC_SESSION_TO_KEEPER, phase),
		    may ? 0 : ERR_BADSTATE);
		assert_int_equal(send_type(p, IPC_LOG, -1, IPC_SESSION_TO_KEEPER, phase), 0);
	}
	/* nor does the mapped key sign for a client that has not proven itself */
	assert_int_equal(send_type(p, IPC_UPSTREAM_READY, -1, IPC_SESSION_TO_KEEPER,
			     IPC_PHASE_AUTH),
	    ERR_BADSTATE);
	/* what the upstream says while its client is being refused is no fault */
	assert_int_equal(send_type(p, IPC_HOST_KEY, -1, IPC_SESSION_TO_KEEPER, IPC_PHASE_END), 0);
	assert_int_equal(send_type(p, IPC_UPSTREAM_READY, -1, IPC_SESSION_TO_KEEPER, IPC_PHASE_END),
	    0);
	assert_int_equal(send_type(p, IPC_UPSTREAM_AUTH, -1, IPC_SESSION_TO_KEEPER, IPC_PHASE_END),
	    0);
	/* and no agent speaks for one, nor before the upstream's host key has been looked at */
	for (phase = 1; phase < IPC_PHASE_ANY; phase <<= 1) {
		may = phase == IPC_PHASE_AGENT || phase == IPC_PHASE_END;
		assert_int_equal(send_type(p, IPC_AGENT_OPEN, -1, IPC_SESSION_TO_KEEPER, phase),
		    may ? 0 : ERR_BADSTATE);
		assert_int_equal(send_type(p, IPC_AGENT_ANSWER, -1, IPC_SESSION_TO_KEEPER, phase),
		    may ? 0 : ERR_BADSTATE);
	}
	assert_int_equal(send_type(p, IPC_AGENT_FAILED, -1, IPC_SESSION_TO_KEEPER,
			     IPC_PHASE_UPSTREAM_AUTH),
	    ERR_BADSTATE);
	/* but to ask for what it has been given is no fault */
	assert_int_equal(send_type(p, IPC_AUTH, -1, IPC_SESSION_TO_KEEPER, IPC_PHASE_AGENT), 0);
	assert_int_equal(send_type(p, IPC_AUTH, -1, IPC_SESSION_TO_KEEPER, IPC_PHASE_RELAY), 0);
	/* a session cannot pose as the master or as an errand */
	assert_int_equal(send_type(p, IPC_CONNECTION, p->a, IPC_SESSION_TO_KEEPER, IPC_PHASE_ANY),
	    ERR_BADSTATE);
	assert_int_equal(send_type(p, IPC_DIALLED, p->a, IPC_SESSION_TO_KEEPER, IPC_PHASE_ANY),
	    ERR_BADSTATE);
	/* where a login leads is not asked again once it has been let in */
	assert_int_equal(send_type(p, IPC_RAN, -1, IPC_ERRAND_TO_KEEPER, IPC_PHASE_DIAL),
	    ERR_BADSTATE);
	assert_int_equal(send_type(p, IPC_RAN, -1, IPC_SESSION_TO_KEEPER, IPC_PHASE_ANY),
	    ERR_BADSTATE);
	assert_int_equal(send_type(p, 0, -1, IPC_SESSION_TO_KEEPER, IPC_PHASE_ANY), ERR_FORMAT);
	for (type = 1; strcmp(ipc_name((enum ipc_type)type), "unknown") != 0; type++)
		;
	assert_true(type > IPC_END);
	for (; type < 256; type++)
		assert_int_equal(send_type(p, type, -1, IPC_SESSION_TO_KEEPER, IPC_PHASE_ANY),
		    ERR_FORMAT);
}

/* A peer that goes with something unread resets the socket: what it had said comes all the same. */
static void
test_last_words(void **state)
{
	struct pair *p = *state;
	struct ipc_msg msg;
	struct buf b;

	ipc_begin(&b, IPC_END);
	assert_int_equal(ipc_send(p->b, &b, -1), 0);
	ipc_begin(&b, IPC_REFUSE);
	assert_int_equal(ipc_send(p->a, &b, -1), 0);
	fd_close(&p->a);
	assert_int_equal(ipc_recv(p->b, p->message, IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, &msg), 0);
	assert_int_equal(msg.type, IPC_REFUSE);
	assert_int_equal(ipc_recv(p->b, p->message, IPC_KEEPER_TO_SESSION, IPC_PHASE_ANY, &msg),
	    ERR_EOF);
}

static int
descriptors(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void
test_descriptors_only_where_they_belong(void **state)
{
	struct pair *p = *state;
	int before = descriptors();

	assert_int_equal(send_type(p, IPC_AUTH, p->a, IPC_SESSION_TO_KEEPER, IPC_PHASE_AUTH),
	    ERR_FORMAT);
	assert_int_equal(send_type(p, IPC_DIALLED, -1, IPC_ERRAND_TO_KEEPER, IPC_PHASE_DIAL),
	    ERR_FORMAT);
	assert_int_equal(send_type(p, IPC_DIALLED, p->a, IPC_ERRAND_TO_KEEPER, IPC_PHASE_DIAL), 0);
	assert_int_equal(descriptors(), before);
}

/* Out of descriptors: that message alone is lost, and it is not taken for one that is malformed. */
static void
test_no_room_for_a_descriptor(void **state)
{
	struct pair *p = *state;
	struct rlimit few, limit;
	int r;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = (struct rlimit){ (rlim_t)descriptors(), limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	r = send_type(p, IPC_DIALLED, p->a, IPC_ERRAND_TO_KEEPER, IPC_PHASE_DIAL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(r, ERR_NOFILE);
	assert_int_equal(send_type(p, IPC_DIALLED, p->a, IPC_ERRAND_TO_KEEPER, IPC_PHASE_DIAL), 0);
}

static void
test_too_large(void **state)
{
	struct pair *p = *state;
	static uint8_t big[IPC_MAX + 1] = { IPC_AUTH };
	struct ipc_msg msg;
	struct buf b;

	ipc_begin(&b, IPC_AUTH);
	buf_put(&b, big, sizeof(big));
	assert_int_equal(ipc_send(p->a, &b, -1), ERR_TOOBIG);
	assert_int_equal(fd_send(p->a, big, sizeof(big), -1), 0);
	assert_int_equal(ipc_recv(p->b, p->message, IPC_SESSION_TO_KEEPER, IPC_PHASE_AUTH, &msg),
	    ERR_TOOBIG);
}

static void
test_every_type_has_a_name(void **state)
{
	int type;

	for (type = IPC_READY; type <= IPC_END; type++)
		assert_string_not_equal(ipc_name((enum ipc_type)type), "unknown");
	assert_string_equal(ipc_name((enum ipc_type)0), "unknown");
	assert_string_equal(ipc_name((enum ipc_type)255), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_way_phase_or_type, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptors_only_where_they_belong, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_no_room_for_a_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test(test_every_type_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
