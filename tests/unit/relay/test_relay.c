/*
 * relay/relay.c: which messages pass or are dropped, whose reply it is, and when a peer is dead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "relay/policy_enforce.h"
#include "relay/relay.h"
#include "wire/policy.h"
#include "wire/ssh.h"
#include "wire/wire.h"

static void
request(struct buf *b, const char *name, int want_reply)
{
	buf_init(b, 1024);
	buf_put_u8(b, SSH_MSG_GLOBAL_REQUEST);
	wire_put_text(b, name);
	wire_put_bool(b, want_reply);
}

/* A session's end is that of its process: the relay itself frees nothing. */
static void
end(struct relay *r)
{
	replies_free(&r->side[RELAY_DOWNSTREAM].replies);
	replies_free(&r->side[RELAY_UPSTREAM].replies);
}

static enum relay_action
global(struct relay *r, enum relay_leg from, const char *name, int want_reply)
{
	enum relay_action action;
	struct buf b;

	request(&b, name, want_reply);
	action = relay_message(r, from, b.data, b.len);
	buf_free(&b);
	return action;
}

static enum relay_action
reply(struct relay *r, enum relay_leg from)
{
	const uint8_t payload[] = { SSH_MSG_REQUEST_FAILURE };

	return relay_message(r, from, payload, sizeof(payload));
}

static void
test_everything_passes(void **state)
{
	struct relay r;
	uint8_t payload[64] = { 0 };
	int type;

	relay_init(&r, 0, 0, 0, 3);
	for (type = SSH_MSG_CHANNEL_OPEN; type <= SSH_MSG_CONNECTION_MAX; type++) {
		payload[0] = (uint8_t)type;
		assert_int_equal(relay_message(&r, RELAY_DOWNSTREAM, payload, sizeof(payload)),
		    RELAY_PASS);
		assert_int_equal(relay_message(&r, RELAY_UPSTREAM, payload, 1), RELAY_PASS);
	}
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, "tcpip-forward", 1), RELAY_PASS);
	assert_int_equal(global(&r, RELAY_UPSTREAM, "whatever@example.com", 0), RELAY_PASS);
	end(&r);
}

static void
test_hostkeys_00_is_never_relayed(void **state)
{
	struct relay r;

	relay_init(&r, 0, 0, 0, 3);
	assert_int_equal(global(&r, RELAY_UPSTREAM, "hostkeys-00@openssh.com", 0), RELAY_DROP);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, "hostkeys-00@openssh.com", 1), RELAY_DROP);
	/* and it leaves no reply to wait for */
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_DROP);
	end(&r);
}

/* The relay with a policy that permits everything, in which it keeps the messages it makes. */
static void
begin_with_policy(struct relay *r)
{
	struct policy policy;

	policy_init(&policy);
	relay_init(r, 0, 0, 0, 3);
	assert_int_equal(relay_set_policy(r, &policy, 1, 0), 0);
}

static void
end_with_policy(struct relay *r)
{
	policy_enforce_free(&r->policy);
	end(r);
}

/* The types of the messages made for the client since the last call, in a text; "" if none. */
static const char *
made(struct relay *r)
{
	static char types[64];
	struct bytes message;
	struct buf *b = relay_made(r, RELAY_DOWNSTREAM);
	size_t n = 0;
	struct wire w;

	types[0] = '\0';
	if (b == NULL)
		return types;
	wire_init(&w, b->data, b->len);
	for (message = wire_string(&w); message.len > 0; message = wire_string(&w))
		n += (size_t)snprintf(types + n, sizeof(types) - n, "%s%u/%zu", n > 0 ? " " : "",
		    message.p[0], message.len);
	buf_free(b);
	return types;
}

static void
prove(struct relay *r, const char *answer)
{
	struct buf b;

	buf_init(&b, 64);
	buf_put(&b, answer, strlen(answer));
	relay_prove(r, &b);
}

static const char prove_name[] = "hostkeys-prove-00@openssh.com";

/* Replies come in the order of the requests (RFC 4254 section 4). */
static void
test_proof_waits_for_earlier_replies(void **state)
{
	const uint8_t success[] = { SSH_MSG_REQUEST_SUCCESS, 0, 0, 0, 22 };
	struct relay r;

	begin_with_policy(&r);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, "whatever@example.com", 1), RELAY_PASS);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, prove_name, 1), RELAY_PROVE);
	prove(&r, "\x51proof");
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, "whatever@example.com", 1), RELAY_PASS);
	assert_string_equal(made(&r), "");
	assert_int_equal(relay_message(&r, RELAY_UPSTREAM, success, sizeof(success)), RELAY_PASS);
	assert_string_equal(made(&r), "81/6");
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_PASS);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_DROP);
	assert_string_equal(made(&r), "");
	/* nothing waits: at once */
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, prove_name, 1), RELAY_PROVE);
	prove(&r, "\x52");
	assert_string_equal(made(&r), "82/1");
	end_with_policy(&r);
}

static void
test_one_proof_waits(void **state)
{
	struct relay r;

	begin_with_policy(&r);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, "whatever@example.com", 1), RELAY_PASS);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, prove_name, 1), RELAY_PROVE);
	prove(&r, "\x51proof");
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, prove_name, 1), RELAY_DROP);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, prove_name, 0), RELAY_DROP);
	assert_string_equal(made(&r), "");
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_PASS);
	assert_string_equal(made(&r), "81/6 82/1");
	/* of an upstream it is a request like others */
	assert_int_equal(global(&r, RELAY_UPSTREAM, prove_name, 1), RELAY_PASS);
	end_with_policy(&r);
}

static void
test_no_more_sessions_is_for_openssh_alone(void **state)
{
	static const char name[] = "no-more-sessions@openssh.com";
	struct relay r;

	relay_init(&r, 0, 0, 0, 3);
	relay_set_version(&r, "SSH-2.0-OpenSSH_9.2p1");
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, name, 0), RELAY_PASS);
	relay_set_version(&r, "SSH-2.0-APACHE-SSHD-2.14.0");
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, name, 0), RELAY_DROP);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, "tcpip-forward", 1), RELAY_PASS);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_PASS);
	end(&r);
}

static void
test_malformed_global_request_is_dropped(void **state)
{
	struct relay r;
	struct buf b;
	size_t len;

	relay_init(&r, 0, 0, 0, 3);
	request(&b, "tcpip-forward", 1);
	for (len = 1; len < b.len; len++)
		assert_int_equal(relay_message(&r, RELAY_DOWNSTREAM, b.data, len), RELAY_DROP);
	buf_free(&b);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_DROP);
	end(&r);
}

static void
test_reply_without_a_request_is_dropped(void **state)
{
	struct relay r;

	relay_init(&r, 0, 0, 0, 3);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_DROP);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, "tcpip-forward", 0), RELAY_PASS);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_DROP);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, "tcpip-forward", 1), RELAY_PASS);
	assert_int_equal(reply(&r, RELAY_DOWNSTREAM), RELAY_DROP);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_PASS);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_DROP);
	end(&r);
}

/* Replies come in the order of requests: ours is found among those relayed. */
static void
test_keepalive_reply_stays_here(void **state)
{
	struct relay r;

	relay_init(&r, 0, 0, 1000, 3);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, "a", 1), RELAY_PASS);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, "b", 1), RELAY_PASS);
	assert_int_equal(relay_tick(&r, RELAY_UPSTREAM, 1000), RELAY_TICK_KEEPALIVE);
	assert_int_equal(global(&r, RELAY_DOWNSTREAM, "c", 1), RELAY_PASS);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_PASS);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_PASS);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_DROP);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_PASS);
	assert_int_equal(reply(&r, RELAY_UPSTREAM), RELAY_DROP);
	end(&r);
}

static void
test_silent_leg_is_dead_after_count_max(void **state)
{
	struct relay r;

	relay_init(&r, 0, 1000, 0, 3);
	assert_int_equal(relay_next(&r), 1000);
	assert_int_equal(relay_tick(&r, RELAY_DOWNSTREAM, 999), RELAY_TICK_NOTHING);
	assert_int_equal(relay_tick(&r, RELAY_DOWNSTREAM, 1000), RELAY_TICK_KEEPALIVE);
	assert_int_equal(relay_tick(&r, RELAY_DOWNSTREAM, 2000), RELAY_TICK_NOTHING);
	assert_int_equal(relay_tick(&r, RELAY_DOWNSTREAM, 3000), RELAY_TICK_NOTHING);
	assert_int_equal(relay_tick(&r, RELAY_DOWNSTREAM, 4000), RELAY_TICK_DEAD);
	/* the other leg has no keepalive */
	assert_int_equal(relay_tick(&r, RELAY_UPSTREAM, 100000), RELAY_TICK_NOTHING);
	end(&r);
}

static void
test_any_sign_of_life_counts(void **state)
{
	struct relay r;
	int64_t now;

	relay_init(&r, 0, 1000, 0, 3);
	for (now = 1000; now < 100000; now += 1000) {
		relay_heard(&r, RELAY_DOWNSTREAM, now - 500);
		assert_int_equal(relay_tick(&r, RELAY_DOWNSTREAM, now), RELAY_TICK_NOTHING);
	}
	assert_int_equal(relay_next(&r), now - 500);
	end(&r);
}

static void
test_keepalive_payload(void **state)
{
	const uint8_t *payload;
	struct wire w;
	size_t len;

	payload = relay_keepalive(&len);
	wire_init(&w, payload, len);
	assert_int_equal(wire_u8(&w), SSH_MSG_GLOBAL_REQUEST);
	assert_true(bytes_is(wire_string(&w), "keepalive@openssh.com"));
	assert_true(wire_bool(&w));
	assert_int_equal(wire_end(&w), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_passes),
		cmocka_unit_test(test_hostkeys_00_is_never_relayed),
		cmocka_unit_test(test_proof_waits_for_earlier_replies),
		cmocka_unit_test(test_one_proof_waits),
		cmocka_unit_test(test_no_more_sessions_is_for_openssh_alone),
		cmocka_unit_test(test_malformed_global_request_is_dropped),
		cmocka_unit_test(test_reply_without_a_request_is_dropped),
		cmocka_unit_test(test_keepalive_reply_stays_here),
		cmocka_unit_test(test_silent_leg_is_dead_after_count_max),
		cmocka_unit_test(test_any_sign_of_life_counts),
		cmocka_unit_test(test_keepalive_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
