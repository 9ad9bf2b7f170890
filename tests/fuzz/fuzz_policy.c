/*
 * relay/policy: the input is a row of messages, each from one leg or the other, under
 * rules that forbid most.  What gets to the upstream keeps to them, whatever came before.
 */
#include <string.h>

#include "fuzz.h"
#include "relay/policy_enforce.h"
#include "wire/ssh.h"

static void
add(struct strlist *l, const char *s)
{
	CHECK(strlist_add(l, s, strlen(s)) == 0);
}

/* A message that reaches the upstream. */
static void
check_up(const uint8_t *p, size_t len)
{
	struct bytes type, text;
	struct wire w;

	wire_init(&w, p + 1, len - 1);
	if (p[0] == SSH_MSG_CHANNEL_OPEN) {
		type = wire_string(&w);
		if (bytes_is(type, "direct-tcpip")) {
			(void)wire_bytes(&w, 12);
			CHECK(bytes_is(wire_string(&w), "h") && wire_u32(&w) == 80);
		} else {
			CHECK(bytes_is(type, "session"));
		}
	}
	if (p[0] != SSH_MSG_CHANNEL_REQUEST)
		return;
	(void)wire_u32(&w);
	type = wire_string(&w);
	(void)wire_bool(&w);
	CHECK(!bytes_is(type, "shell") && !bytes_is(type, "subsystem") &&
	    !bytes_is(type, "pty-req") && !bytes_is(type, "x11-req"));
	text = wire_string(&w);
	if (bytes_is(type, "exec"))
		CHECK(bytes_is(text, "forced") && wire_end(&w) == 0);
	if (bytes_is(type, "env"))
		CHECK(text.len > 0 && memchr(text.p, '=', text.len) == NULL);
}

static void
take_made(struct relay *r)
{
	struct bytes m;
	struct wire w;
	struct buf *b;
	int leg;

	for (leg = 0; leg < 2; leg++) {
		b = relay_made(r, leg);
		if (b == NULL)
			continue;
		wire_init(&w, b->data, b->len);
		while (w.left > 0) {
			m = wire_string(&w);
			CHECK(wire_err(&w) == 0 && m.len > 0);
			if (leg == RELAY_UPSTREAM)
				check_up(m.p, m.len);
		}
		buf_free(b);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum relay_action action = RELAY_PASS;
	struct policy rules;
	struct relay r;
	struct bytes m;
	struct wire w;
	uint8_t *exact, head;

	wire_init(&w, data, len);
	if (wire_u8(&w) == 0xff) {
		if (policy_get(&w, &rules) == 0)
			policy_free(&rules);
		return 0;
	}
	policy_init(&rules);
	rules.permits = 0;
	rules.permits |= POLICY_TCP_LOCAL;
	add(&rules.permit_open[POLICY_ROUTE], "h:80");
	add(&rules.commands, "exec");
	add(&rules.accept_env, "A*");
	add(&rules.set_env, "AB=c");
	rules.command = strdup("forced");
	rules.max_sessions = 3;
	rules.unused_ms = len % 2; /* all channels are kept, or sessions alone */
	relay_init(&r, 0, 0, 0, 3);
	CHECK(rules.command != NULL && relay_set_policy(&r, &rules, 1, 0) == 0);
	while (w.left > 1 && wire_err(&w) == 0 && action != RELAY_END) {
		head = wire_u8(&w); /* the leg, and the length */
		m = wire_bytes(&w, (head & 0x7f) < w.left ? head & 0x7f : w.left);
		if (m.len == 0)
			continue;
		exact = malloc(m.len);
		CHECK(exact != NULL);
		memcpy(exact, m.p, m.len);
		action = relay_message(&r, head >> 7, exact, m.len);
		if (action == RELAY_PASS && head >> 7 == RELAY_DOWNSTREAM)
			check_up(exact, m.len);
		CHECK((action == RELAY_END) == (relay_why(&r)[0] != '\0'));
		free(exact);
		take_made(&r);
	}
	policy_enforce_free(&r.policy);
	replies_free(&r.side[0].replies);
	replies_free(&r.side[1].replies);
	return 0;
}
