/*
 * relay/policy_enforce.c: channels and requests that the policy permits, what a refusal is answered, in
 * which order replies come, and what a hostile client or upstream cannot do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "policy_lab.h"
#include "wire/ssh.h"

static void
test_empty_policy_permits_all(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	assert_int_equal(channel_request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(channel_request(&f, 7, "env", 0, "LANG", "C"), RELAY_PASS);
	assert_int_equal(channel_request(&f, 7, "shell", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(channel_request(&f, 7, "whatever@example.com", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 0),
	    RELAY_PASS);
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 0),
	    RELAY_PASS);
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_FAILURE, 0),
	    RELAY_PASS);
	/* nobody asked for this one */
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_FAILURE, 0),
	    RELAY_DROP);
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "direct-tcpip", 1, "h", 80),
	    RELAY_PASS);
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "new@example.com", 2, NULL, 0),
	    RELAY_PASS);
	assert_int_equal(open_channel(&f, RELAY_UPSTREAM, "new@example.com", 2, NULL, 0),
	    RELAY_PASS);
	assert_int_equal(request_listen(&f, "tcpip-forward", "", 0, 1), RELAY_PASS);
	assert_string_equal(made_messages(&f), "");
	policy_lab_end(&f);
}

static void
test_forbidden_requests_fail(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	policy.permits = 0;
	policy_lab_start(&f, &policy);
	open_session(&f, 3, 7);
	assert_int_equal(channel_request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C100(3);");
	assert_int_equal(channel_request(&f, 7, "x11-req", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C100(3);");
	assert_int_equal(channel_request(&f, 7, "auth-agent-req@openssh.com", 0, NULL, NULL),
	    RELAY_DROP);
	assert_string_equal(made_messages(&f), "");
	assert_int_equal(channel_request(&f, 7, "exec", 1, "id", NULL), RELAY_PASS);
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "direct-tcpip", 4, "h", 80),
	    RELAY_DROP);
	assert_string_equal(made_messages(&f), "C92(4)reason 1;");
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "direct-streamlocal@openssh.com", 4,
			     "/s", 0),
	    RELAY_DROP);
	assert_string_equal(made_messages(&f), "C92(4)reason 2;");
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "tun@openssh.com", 4, NULL, 0),
	    RELAY_DROP);
	assert_string_equal(made_messages(&f), "C92(4)reason 1;");
	assert_int_equal(request_listen(&f, "tcpip-forward", "localhost", 80, 1), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C82(0);");
	assert_int_equal(request_listen(&f, "streamlocal-forward@openssh.com", "/s", 0, 1),
	    RELAY_DROP);
	assert_string_equal(made_messages(&f), "C82(0);");
	assert_int_equal(request_listen(&f, "tcpip-forward", "localhost", 80, 0), RELAY_DROP);
	assert_string_equal(made_messages(&f), "");
	/* cancelling, and what else there is, passes */
	assert_int_equal(request_listen(&f, "cancel-tcpip-forward", "localhost", 80, 0),
	    RELAY_PASS);
	policy_lab_end(&f);
}

static enum relay_action
open_tunnel(struct policy_lab *f, uint32_t number, uint32_t unit, const char *more)
{
	struct buf b;

	begin_message(&b, SSH_MSG_CHANNEL_OPEN);
	wire_put_text(&b, "tun@openssh.com");
	wire_put_u32(&b, number);
	wire_put_u32(&b, 200000);
	wire_put_u32(&b, 32768);
	wire_put_u32(&b, 1);
	wire_put_u32(&b, unit);
	buf_put(&b, more, strlen(more));
	return give_message(f, RELAY_DOWNSTREAM, &b);
}

/* The unit of the tunnel that was opened upstream. */
static uint32_t
tunnel_made(struct policy_lab *f)
{
	struct buf *b = relay_made(&f->r, RELAY_UPSTREAM);
	struct bytes m;
	struct wire w;
	uint32_t unit;

	assert_non_null(b);
	wire_init(&w, b->data, b->len);
	m = wire_string(&w);
	assert_int_equal(wire_end(&w), 0);
	wire_init(&w, m.p, m.len);
	assert_int_equal(wire_u8(&w), SSH_MSG_CHANNEL_OPEN);
	assert_true(bytes_is(wire_string(&w), "tun@openssh.com"));
	(void)wire_bytes(&w, 12);
	assert_int_equal(wire_u32(&w), 1);
	unit = wire_u32(&w);
	assert_int_equal(wire_end(&w), 0);
	buf_free(b);
	return unit;
}

static void
test_tunnel_unit_is_the_one_permitted(void **state)
{
	struct policy_lab f;
	struct policy policy;

	(void)state;
	policy_init(&policy);
	policy_lab_start(&f, &policy);
	assert_int_equal(open_tunnel(&f, 1, 3, ""), RELAY_PASS);
	assert_int_equal(open_tunnel(&f, 2, 0x7fffffff, ""), RELAY_PASS);
	policy_lab_end(&f);

	policy_init(&policy);
	policy.has_tunnel = 1;
	policy.tunnel = 3;
	policy_lab_start(&f, &policy);
	assert_int_equal(open_tunnel(&f, 1, 3, ""), RELAY_DROP);
	assert_int_equal(tunnel_made(&f), 3);
	assert_int_equal(open_tunnel(&f, 2, 0x7fffffff, ""), RELAY_DROP);
	assert_int_equal(tunnel_made(&f), 3);
	assert_int_equal(open_tunnel(&f, 4, 2, ""), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C92(4)reason 2;");
	/* a message that says more, or less, than there is to say */
	assert_int_equal(open_tunnel(&f, 4, 3, "\1"), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C92(4)reason 2;");
	assert_int_equal(open_tunnel(&f, 4, 2, "\0\0\0\3"), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C92(4)reason 2;");
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "tun@openssh.com", 4, NULL, 0),
	    RELAY_DROP);
	assert_string_equal(made_messages(&f), "C92(4)reason 2;");
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "new@example.com", 4, NULL, 0),
	    RELAY_PASS);
	policy_lab_end(&f);

	/* to name a unit is not to permit it */
	policy_init(&policy);
	policy.permits &= ~(unsigned int)POLICY_OTHER;
	policy.has_tunnel = 1;
	policy.tunnel = 3;
	policy_lab_start(&f, &policy);
	assert_int_equal(open_tunnel(&f, 1, 3, ""), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C92(1)reason 1;");
	policy_lab_end(&f);
}

/* A failure that is made here waits for the replies to earlier requests. */
static void
test_channel_replies_keep_their_order(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	policy.permits &= ~(unsigned int)POLICY_PTY;
	policy_lab_start(&f, &policy);
	open_session(&f, 3, 7);
	open_session(&f, 4, 8);
	assert_int_equal(channel_request(&f, 7, "x11-req", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(channel_request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_DROP);
	assert_int_equal(channel_request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_DROP);
	assert_int_equal(channel_request(&f, 7, "exec", 1, "id", NULL), RELAY_PASS);
	assert_int_equal(channel_request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f), "");
	/* another channel waits for none of them */
	assert_int_equal(channel_request(&f, 8, "pty-req", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C100(4);");
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 3),
	    RELAY_PASS);
	assert_string_equal(made_messages(&f), "C100(3);C100(3);");
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 3),
	    RELAY_PASS);
	assert_string_equal(made_messages(&f), "C100(3);");
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 3),
	    RELAY_DROP);
	policy_lab_end(&f);
}

static void
test_global_replies_keep_their_order(void **state)
{
	const uint8_t success[] = { SSH_MSG_REQUEST_SUCCESS };
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	add_item(&policy.permit_listen[POLICY_ROUTE], "8080");
	policy_lab_start(&f, &policy);
	f.r.side[RELAY_UPSTREAM].interval_ms = 1000;
	assert_int_equal(request_listen(&f, "tcpip-forward", "localhost", 8080, 1), RELAY_PASS);
	assert_int_equal(request_listen(&f, "tcpip-forward", "localhost", 81, 1), RELAY_DROP);
	assert_int_equal(relay_tick(&f.r, RELAY_UPSTREAM, 1000), RELAY_TICK_KEEPALIVE);
	assert_int_equal(request_listen(&f, "tcpip-forward", "localhost", 82, 1), RELAY_DROP);
	assert_int_equal(request_listen(&f, "tcpip-forward", "localhost", 8080, 1), RELAY_PASS);
	assert_string_equal(made_messages(&f), "");
	assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, success, 1), RELAY_PASS);
	assert_string_equal(made_messages(&f), "C82(0);");
	assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, success, 1), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C82(0);");
	assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, success, 1), RELAY_PASS);
	assert_string_equal(made_messages(&f), "");
	assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, success, 1), RELAY_DROP);
	policy_lab_end(&f);
}

/* A client with requests without end, to an upstream that never replies, is cut off. */
static void
test_replies_outstanding_are_bounded(void **state)
{
	struct policy_lab f;
	struct policy policy;
	enum relay_action action = RELAY_PASS;
	int i;

	policy_init(&policy);
	policy.permits &= ~(unsigned int)POLICY_PTY;
	policy_lab_start(&f, &policy);
	open_session(&f, 3, 7);
	for (i = 0; i < 100000; i++)
		assert_int_equal(channel_request(&f, 7, "break", 1, NULL, NULL), RELAY_PASS);
	for (i = 0; i < 1000 && action != RELAY_END; i++)
		action = channel_request(&f, 7, i % 2 == 0 ? "pty-req" : "break", 1, NULL, NULL);
	assert_int_equal(action, RELAY_END);
	assert_string_not_equal(relay_why(&f.r), "");
	policy_lab_end(&f);
}

static void
test_permit_open_limits_direct_channels(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	add_item(&policy.permit_open[POLICY_ROUTE], "db:5432");
	add_item(&policy.permit_open[POLICY_ROUTE], "[::1]:*");
	add_item(&policy.permit_open[POLICY_ROUTE], "*:443");
	add_item(&policy.permit_open[POLICY_KEY], "*:5432");
	add_item(&policy.permit_open[POLICY_KEY], "::1:22");
	policy_lab_start(&f, &policy);
#define OPENS(n, host, port) open_channel(&f, RELAY_DOWNSTREAM, "direct-tcpip", n, host, port)
	assert_int_equal(OPENS(0, "db", 5432), RELAY_PASS);
	assert_int_equal(OPENS(1, "::1", 5432), RELAY_PASS);
	assert_int_equal(OPENS(2, "::1", 22), RELAY_PASS);
	assert_int_equal(OPENS(3, "db", 443), RELAY_DROP);   /* not for this key */
	assert_int_equal(OPENS(3, "web", 5432), RELAY_DROP); /* not for this route */
	assert_int_equal(OPENS(3, "DB", 5432), RELAY_DROP);  /* sshd compares as written */
	assert_int_equal(OPENS(3, "db", 5432 + 65536), RELAY_DROP);
	assert_int_equal(OPENS(3, "", 5432), RELAY_DROP);
	/* a Unix socket has no port that is on the list */
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "direct-streamlocal@openssh.com", 3,
			     "db", 5432),
	    RELAY_DROP);
	policy_lab_end(&f);
}

/* With two channels of one number, it is not known which of them a confirmation is for. */
static void
test_second_channel_of_a_number_ends_the_relay(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	policy_lab_start(&f, &policy);
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "direct-tcpip", 0, "h", 1), RELAY_PASS);
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "session", 0, NULL, 0), RELAY_END);
	policy_lab_end(&f);
	policy_init(&policy);
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "session", 1, NULL, 0), RELAY_PASS);
	assert_int_equal(confirm_channel(&f, 1, 7), RELAY_END);
	assert_int_equal(confirm_channel(&f, 99, 8), RELAY_DROP);
	policy_lab_end(&f);
}

static void
test_truncated_messages_are_survived(void **state)
{
	static const uint8_t types[] = { 80, 90, 91, 92, 96, 97, 98, 99, 100 };
	struct policy_lab f;
	struct policy policy;
	uint8_t payload[5] = { 0 };
	size_t i, len;

	policy_init(&policy);
	policy_lab_start(&f, &policy);
	for (i = 0; i < sizeof(types); i++)
		for (len = 1; len < sizeof(payload); len++) {
			payload[0] = types[i];
			assert_int_not_equal(relay_message(&f.r, RELAY_DOWNSTREAM, payload, len),
			    RELAY_END);
			assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, payload, len),
			    RELAY_DROP);
		}
	policy_lab_end(&f);
}

/* A channel that the upstream opens reaches a client that has requested such channels, and no other. */
static void
test_upstream_opens_only_what_was_requested(void **state)
{
	static const char *const types[] = { "auth-agent@openssh.com", "x11", "forwarded-tcpip",
		"forwarded-streamlocal@openssh.com", "session", "direct-tcpip" };
	struct policy_lab f;
	struct policy policy;
	size_t i;

	policy_init(&policy);
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(open_channel(&f, RELAY_UPSTREAM, types[i], 5, NULL, 0),
		    RELAY_DROP);
		assert_string_equal(made_messages(&f), "U92(5)reason 1;");
	}
	assert_int_equal(channel_request(&f, 7, "auth-agent-req@openssh.com", 1, NULL, NULL),
	    RELAY_PASS);
	assert_int_equal(channel_request(&f, 7, "x11-req", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(request_listen(&f, "tcpip-forward", "", 0, 1), RELAY_PASS);
	assert_int_equal(request_listen(&f, "streamlocal-forward@openssh.com", "/s", 0, 1),
	    RELAY_PASS);
	for (i = 0; i < 4; i++)
		assert_int_equal(open_channel(&f, RELAY_UPSTREAM, types[i], 5, NULL, 0),
		    RELAY_PASS);
	assert_int_equal(open_channel(&f, RELAY_UPSTREAM, "session", 5, NULL, 0), RELAY_DROP);
	policy_lab_end(&f);
}

static void
test_channels_are_bounded(void **state)
{
	struct policy_lab f;
	struct policy policy;
	uint32_t i;

	policy_init(&policy);
	policy_lab_start(&f, &policy);
	for (i = 0; i < 1024; i++)
		assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM,
				     i % 2 ? "session" : "direct-tcpip", i, "h", 1),
		    RELAY_PASS);
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "session", i, NULL, 0), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C92(1024)reason 4;");
	for (i = 0; i < 1024; i++)
		assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_OPEN_FAILURE,
				     i),
		    RELAY_PASS);
	for (i = 0; i < 3000; i++) {
		open_session(&f, 0, 7);
		assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_CLOSE, 0),
		    RELAY_PASS);
		assert_int_equal(channel_message(&f, RELAY_DOWNSTREAM, SSH_MSG_CHANNEL_CLOSE, 7),
		    RELAY_PASS);
	}
	policy_lab_end(&f);
}

static void
test_idle_and_session_timeouts(void **state)
{
	const uint8_t data[9] = { SSH_MSG_CHANNEL_DATA };
	struct policy_lab f;
	struct policy policy;
	const char *why, *text;

	policy_init(&policy);
	policy.idle_ms = 1000;
	policy.session_ms = 5000;
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	assert_int_equal(relay_next(&f.r), 1000);
	relay_heard(&f.r, RELAY_UPSTREAM, 900); /* a keepalive does not count as use */
	assert_int_equal(relay_next(&f.r), 1000);
	assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, data, sizeof(data)), RELAY_PASS);
	relay_heard(&f.r, RELAY_UPSTREAM, 900);
	assert_int_equal(relay_next(&f.r), 1900);
	assert_false(relay_over(&f.r, 1899, &why, &text));
	assert_true(relay_over(&f.r, 1900, &why, &text));
	assert_string_equal(why, "IdleTimeout");
	assert_non_null(strstr(text, "idle"));
	assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, data, sizeof(data)), RELAY_PASS);
	relay_heard(&f.r, RELAY_UPSTREAM, 4900);
	assert_int_equal(relay_next(&f.r), 5000);
	assert_true(relay_over(&f.r, 5000, &why, &text));
	assert_string_equal(why, "SessionTimeout");
	policy_lab_end(&f);
}

/* The client's answer to a channel of the upstream. */
static enum relay_action
answer_channel(struct policy_lab *f, uint8_t type, uint32_t upstream, uint32_t client)
{
	struct buf b;

	begin_message(&b, type);
	wire_put_u32(&b, upstream);
	wire_put_u32(&b, client);
	wire_put_u32(&b, 200000);
	wire_put_u32(&b, 32768);
	return give_message(f, RELAY_DOWNSTREAM, &b);
}

/* Nothing is over at now, and nothing is due before next. */
static void
is_used(struct policy_lab *f, int64_t now, int64_t next)
{
	const char *why, *text;

	assert_false(relay_over(&f->r, now, &why, &text));
	assert_int_equal(relay_next(&f->r), next);
}

static void
close_channel(struct policy_lab *f, uint32_t client, uint32_t upstream)
{
	assert_int_equal(channel_message(f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_CLOSE, client),
	    RELAY_PASS);
	assert_int_equal(channel_message(f, RELAY_DOWNSTREAM, SSH_MSG_CHANNEL_CLOSE, upstream),
	    RELAY_PASS);
}

static void
test_connection_without_channels_ends(void **state)
{
	struct policy_lab f;
	struct policy policy;
	const char *why, *text;

	policy_init(&policy);
	policy.unused_ms = 1000;
	policy_lab_start(&f, &policy);
	is_used(&f, 999, 1000);
	/* listening is no channel, nor is one that is refused */
	assert_int_equal(request_listen(&f, "tcpip-forward", "localhost", 80, 1), RELAY_PASS);
	assert_int_equal(open_channel(&f, RELAY_UPSTREAM, "x11", 4, NULL, 0), RELAY_DROP);
	assert_string_equal(made_messages(&f), "U92(4)reason 1;");
	is_used(&f, 999, 1000);
	/* a session */
	open_session(&f, 0, 7);
	is_used(&f, 2000, CLOCK_NEVER);
	close_channel(&f, 0, 7);
	is_used(&f, 3000, 4000);
	/* a forward that is refused upstream, and one under the same numbers that is not */
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "direct-tcpip", 0, "h", 80),
	    RELAY_PASS);
	is_used(&f, 5000, CLOCK_NEVER);
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_OPEN_FAILURE, 0),
	    RELAY_PASS);
	is_used(&f, 5000, 6000);
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "direct-tcpip", 0, "h", 80),
	    RELAY_PASS);
	assert_int_equal(confirm_channel(&f, 0, 7), RELAY_PASS);
	is_used(&f, 7000, CLOCK_NEVER);
	close_channel(&f, 0, 7);
	is_used(&f, 8000, 9000);
	/* channels of the upstream: refused by the client, and open */
	assert_int_equal(open_channel(&f, RELAY_UPSTREAM, "forwarded-tcpip", 5, "h", 80),
	    RELAY_PASS);
	is_used(&f, 9000, CLOCK_NEVER);
	assert_int_equal(answer_channel(&f, SSH_MSG_CHANNEL_OPEN_FAILURE, 5, 2), RELAY_PASS);
	is_used(&f, 9500, 10500);
	assert_int_equal(open_channel(&f, RELAY_UPSTREAM, "forwarded-tcpip", 5, "h", 80),
	    RELAY_PASS);
	assert_int_equal(answer_channel(&f, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, 5, 2), RELAY_PASS);
	is_used(&f, 10500, CLOCK_NEVER);
	close_channel(&f, 2, 5);
	is_used(&f, 11000, 12000);
	assert_true(relay_over(&f.r, 12000, &why, &text));
	assert_string_equal(why, "UnusedConnectionTimeout");
	assert_non_null(strstr(text, "no channel"));
	assert_string_equal(made_messages(&f), "");
	policy_lab_end(&f);
}

/* With UnusedConnectionTimeout a channel is known that is no session: its requests and replies pass, and
 * the upstream cannot open two under one number. */
static void
test_channels_that_are_counted_stay_what_they_are(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	policy.unused_ms = 1000;
	policy_lab_start(&f, &policy);
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "direct-tcpip", 0, "h", 80),
	    RELAY_PASS);
	assert_int_equal(confirm_channel(&f, 0, 7), RELAY_PASS);
	assert_int_equal(channel_request(&f, 7, "keepalive@openssh.com", 1, NULL, NULL),
	    RELAY_PASS);
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_FAILURE, 0),
	    RELAY_PASS);
	assert_int_equal(channel_request(&f, 7, "exec", 1, "id", NULL), RELAY_DROP);
	assert_int_equal(request_listen(&f, "tcpip-forward", "localhost", 80, 0), RELAY_PASS);
	assert_int_equal(open_channel(&f, RELAY_UPSTREAM, "forwarded-tcpip", 8, "h", 80),
	    RELAY_PASS);
	assert_int_equal(open_channel(&f, RELAY_UPSTREAM, "forwarded-tcpip", 8, "h", 80),
	    RELAY_END);
	assert_string_equal(relay_why(&f.r), "upstream opens a channel under a number in use");
	policy_lab_end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_policy_permits_all),
		cmocka_unit_test(test_connection_without_channels_ends),
		cmocka_unit_test(test_channels_that_are_counted_stay_what_they_are),
		cmocka_unit_test(test_forbidden_requests_fail),
		cmocka_unit_test(test_tunnel_unit_is_the_one_permitted),
		cmocka_unit_test(test_channel_replies_keep_their_order),
		cmocka_unit_test(test_global_replies_keep_their_order),
		cmocka_unit_test(test_replies_outstanding_are_bounded),
		cmocka_unit_test(test_permit_open_limits_direct_channels),
		cmocka_unit_test(test_second_channel_of_a_number_ends_the_relay),
		cmocka_unit_test(test_truncated_messages_are_survived),
		cmocka_unit_test(test_upstream_opens_only_what_was_requested),
		cmocka_unit_test(test_channels_are_bounded),
		cmocka_unit_test(test_idle_and_session_timeouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
