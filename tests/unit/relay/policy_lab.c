/*
 * A relay with a policy, for the tests of policies: messages of both peers, and what is made of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy_lab.h"
#include "wire/ssh.h"

void
policy_lab_start(struct policy_lab *f, struct policy *policy)
{
	relay_init(&f->r, 0, 0, 0, 3);
	assert_int_equal(relay_set_policy(&f->r, policy, 0x3f2a, 0), 0);
}

void
policy_lab_end(struct policy_lab *f)
{
	policy_enforce_free(&f->r.policy);
	replies_free(&f->r.side[0].replies);
	replies_free(&f->r.side[1].replies);
}

void
add_item(struct strlist *l, const char *s)
{
	assert_int_equal(strlist_add(l, s, strlen(s)), 0);
}

/* One message in words: "C98(7)exit-status" is a CHANNEL_REQUEST to the client. */
static void
describe_message(char *to, size_t size, char leg, struct bytes m)
{
	struct bytes text = { (const uint8_t *)"", 0 }, more = text;
	struct wire w;
	uint32_t n = 0;
	size_t len = strlen(to);

	wire_init(&w, m.p + 1, m.len - 1);
	if (m.p[0] >= SSH_MSG_CHANNEL_OPEN)
		n = wire_u32(&w);
	switch (m.p[0]) {
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		snprintf(to + len, size - len, "%c92(%u)reason %u;", leg, n, wire_u32(&w));
		return;
	case SSH_MSG_CHANNEL_REQUEST:
		text = wire_string(&w);
		if (wire_bool(&w))
			n += 1000;
		if (bytes_is(text, "exit-status")) {
			snprintf(to + len, size - len, "%c98(%u)exit-status %u;", leg, n,
			    wire_u32(&w));
			return;
		}
		if (!bytes_is(text, "shell"))
			more = wire_string(&w);
		snprintf(to + len, size - len, "%c98(%u)%.*s %.*s", leg, n, (int)text.len, text.p,
		    (int)more.len, more.p);
		if (bytes_is(text, "env")) {
			more = wire_string(&w);
			snprintf(to + strlen(to), size - strlen(to), "=%.*s", (int)more.len,
			    more.p);
		}
		assert_int_equal(wire_end(&w), 0);
		strcat(to, ";");
		return;
	case SSH_MSG_CHANNEL_EXTENDED_DATA:
		(void)wire_u32(&w);
		/* FALLTHROUGH */
	case SSH_MSG_CHANNEL_DATA:
		text = wire_string(&w);
		break;
	}
	snprintf(to + len, size - len, "%c%u(%u)%.*s;", leg, m.p[0], n, (int)text.len, text.p);
}

const char *
made_messages(struct policy_lab *f)
{
	struct buf *b;
	struct wire w;
	int leg;

	f->said[0] = '\0';
	for (leg = 0; leg < 2; leg++) {
		b = relay_made(&f->r, leg);
		if (b == NULL)
			continue;
		wire_init(&w, b->data, b->len);
		while (w.left > 0)
			describe_message(f->said, sizeof(f->said),
			    leg == RELAY_DOWNSTREAM ? 'C' : 'U', wire_string(&w));
		assert_int_equal(wire_err(&w), 0);
		buf_free(b);
	}
	return f->said;
}

enum relay_action
give_message(struct policy_lab *f, enum relay_leg from, struct buf *b)
{
	uint8_t *exact = malloc(
	    b->len); /* of exactly this size, so that sanitizers see a read beyond it */
	enum relay_action action;

	assert_int_equal(buf_err(b), 0);
	memcpy(exact, b->data, b->len);
	action = relay_message(&f->r, from, exact, b->len);
	free(exact);
	buf_free(b);
	return action;
}

void
begin_message(struct buf *b, uint8_t type)
{
	buf_init(b, 1 << 20);
	buf_put_u8(b, type);
}

enum relay_action
open_channel(struct policy_lab *f, enum relay_leg from, const char *type, uint32_t number,
    const char *host, uint32_t port)
{
	struct buf b;

	begin_message(&b, SSH_MSG_CHANNEL_OPEN);
	wire_put_text(&b, type);
	wire_put_u32(&b, number);
	wire_put_u32(&b, 200000);
	wire_put_u32(&b, 32768);
	if (host != NULL) {
		wire_put_text(&b, host);
		wire_put_u32(&b, port);
		wire_put_text(&b, "127.0.0.1");
		wire_put_u32(&b, 5555);
	}
	return give_message(f, from, &b);
}

enum relay_action
confirm_channel(struct policy_lab *f, uint32_t client, uint32_t upstream)
{
	struct buf b;

	begin_message(&b, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	wire_put_u32(&b, client);
	wire_put_u32(&b, upstream);
	wire_put_u32(&b, 0);
	wire_put_u32(&b, 32768);
	return give_message(f, RELAY_UPSTREAM, &b);
}

void
open_session(struct policy_lab *f, uint32_t client, uint32_t upstream)
{
	assert_int_equal(open_channel(f, RELAY_DOWNSTREAM, "session", client, NULL, 0), RELAY_PASS);
	assert_int_equal(confirm_channel(f, client, upstream), RELAY_PASS);
}

enum relay_action
channel_request(struct policy_lab *f, uint32_t number, const char *type, int want, const char *one,
    const char *two)
{
	struct buf b;

	begin_message(&b, SSH_MSG_CHANNEL_REQUEST);
	wire_put_u32(&b, number);
	wire_put_text(&b, type);
	wire_put_bool(&b, want);
	if (one != NULL)
		wire_put_text(&b, one);
	if (two != NULL)
		wire_put_text(&b, two);
	return give_message(f, RELAY_DOWNSTREAM, &b);
}

enum relay_action
channel_message(struct policy_lab *f, enum relay_leg from, uint8_t type, uint32_t number)
{
	struct buf b;

	begin_message(&b, type);
	wire_put_u32(&b, number);
	return give_message(f, from, &b);
}

enum relay_action
request_listen(struct policy_lab *f, const char *name, const char *host, uint32_t port, int want)
{
	struct buf b;

	begin_message(&b, SSH_MSG_GLOBAL_REQUEST);
	wire_put_text(&b, name);
	wire_put_bool(&b, want);
	wire_put_text(&b, host);
	wire_put_u32(&b, port);
	return give_message(f, RELAY_DOWNSTREAM, &b);
}
