/*
 * The policy of a login: what is refused and how, in which order replies come, what a
 * hostile client or upstream cannot bring about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "relay/permit.h"
#include "relay/policy_enforce.h"
#include "wire/ssh.h"

struct fixture {
	struct relay r;
	char said[4096]; /* what was made, in words */
};

static void
init(struct fixture *f, struct policy *rules)
{
	relay_init(&f->r, 0, 0, 0, 3);
	assert_int_equal(relay_set_policy(&f->r, rules, 0x3f2a, 0), 0);
}

static void
done(struct fixture *f)
{
	policy_enforce_free(&f->r.policy);
	replies_free(&f->r.side[0].replies);
	replies_free(&f->r.side[1].replies);
}

static void
add(struct strlist *l, const char *s)
{
	assert_int_equal(strlist_add(l, s, strlen(s)), 0);
}

/* One made message in words: "C98(7)exit-status" is a CHANNEL_REQUEST to the client. */
static void
describe(char *to, size_t size, char leg, struct bytes m)
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

static const char *
made(struct fixture *f)
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
			describe(f->said, sizeof(f->said), leg == RELAY_DOWNSTREAM ? 'C' : 'U',
			    wire_string(&w));
		assert_int_equal(wire_err(&w), 0);
		buf_free(b);
	}
	return f->said;
}

static enum relay_action
give(struct fixture *f, enum relay_leg from, struct buf *b)
{
	uint8_t *exact = malloc(b->len); /* so that a read too far is seen */
	enum relay_action action;

	assert_int_equal(buf_err(b), 0);
	memcpy(exact, b->data, b->len);
	action = relay_message(&f->r, from, exact, b->len);
	free(exact);
	buf_free(b);
	return action;
}

static void
begin(struct buf *b, uint8_t type)
{
	buf_init(b, 1 << 20);
	buf_put_u8(b, type);
}

static enum relay_action
open_from(struct fixture *f, enum relay_leg from, const char *type, uint32_t number,
    const char *host, uint32_t port)
{
	struct buf b;

	begin(&b, SSH_MSG_CHANNEL_OPEN);
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
	return give(f, from, &b);
}

static enum relay_action
confirm(struct fixture *f, uint32_t client, uint32_t upstream)
{
	struct buf b;

	begin(&b, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	wire_put_u32(&b, client);
	wire_put_u32(&b, upstream);
	wire_put_u32(&b, 0);
	wire_put_u32(&b, 32768);
	return give(f, RELAY_UPSTREAM, &b);
}

static void
session(struct fixture *f, uint32_t client, uint32_t upstream)
{
	assert_int_equal(open_from(f, RELAY_DOWNSTREAM, "session", client, NULL, 0), RELAY_PASS);
	assert_int_equal(confirm(f, client, upstream), RELAY_PASS);
}

/* A CHANNEL_REQUEST of the client; one or two strings may follow. */
static enum relay_action
request(struct fixture *f, uint32_t number, const char *type, int want, const char *one,
    const char *two)
{
	struct buf b;

	begin(&b, SSH_MSG_CHANNEL_REQUEST);
	wire_put_u32(&b, number);
	wire_put_text(&b, type);
	wire_put_bool(&b, want);
	if (one != NULL)
		wire_put_text(&b, one);
	if (two != NULL)
		wire_put_text(&b, two);
	return give(f, RELAY_DOWNSTREAM, &b);
}

static enum relay_action
simple(struct fixture *f, enum relay_leg from, uint8_t type, uint32_t number)
{
	struct buf b;

	begin(&b, type);
	wire_put_u32(&b, number);
	return give(f, from, &b);
}

static enum relay_action
listen_on(struct fixture *f, const char *name, const char *host, uint32_t port, int want)
{
	struct buf b;

	begin(&b, SSH_MSG_GLOBAL_REQUEST);
	wire_put_text(&b, name);
	wire_put_bool(&b, want);
	wire_put_text(&b, host);
	wire_put_u32(&b, port);
	return give(f, RELAY_DOWNSTREAM, &b);
}

static void
test_all_permitted(void **state)
{
	struct fixture f;
	struct policy rules;

	policy_init(&rules);
	init(&f, &rules);
	session(&f, 0, 7);
	assert_int_equal(request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(request(&f, 7, "env", 0, "LANG", "C"), RELAY_PASS);
	assert_int_equal(request(&f, 7, "shell", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(request(&f, 7, "whatever@example.com", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 0), RELAY_PASS);
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 0), RELAY_PASS);
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_FAILURE, 0), RELAY_PASS);
	/* nobody asked for this one */
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_FAILURE, 0), RELAY_DROP);
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "direct-tcpip", 1, "h", 80), RELAY_PASS);
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "new@example.com", 2, NULL, 0),
	    RELAY_PASS);
	assert_int_equal(open_from(&f, RELAY_UPSTREAM, "new@example.com", 2, NULL, 0), RELAY_PASS);
	assert_int_equal(listen_on(&f, "tcpip-forward", "", 0, 1), RELAY_PASS);
	assert_string_equal(made(&f), "");
	done(&f);
}

static enum relay_action
open_tunnel(struct fixture *f, uint32_t number, uint32_t unit, const char *more)
{
	struct buf b;

	begin(&b, SSH_MSG_CHANNEL_OPEN);
	wire_put_text(&b, "tun@openssh.com");
	wire_put_u32(&b, number);
	wire_put_u32(&b, 200000);
	wire_put_u32(&b, 32768);
	wire_put_u32(&b, 1);
	wire_put_u32(&b, unit);
	buf_put(&b, more, strlen(more));
	return give(f, RELAY_DOWNSTREAM, &b);
}

/* The unit a tunnel that was made leads to. */
static uint32_t
tunnel_made(struct fixture *f)
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
test_tunnels(void **state)
{
	struct fixture f;
	struct policy rules;

	(void)state;
	policy_init(&rules);
	init(&f, &rules);
	assert_int_equal(open_tunnel(&f, 1, 3, ""), RELAY_PASS);
	assert_int_equal(open_tunnel(&f, 2, 0x7fffffff, ""), RELAY_PASS);
	done(&f);

	policy_init(&rules);
	rules.has_tunnel = 1;
	rules.tunnel = 3;
	init(&f, &rules);
	assert_int_equal(open_tunnel(&f, 1, 3, ""), RELAY_DROP);
	assert_int_equal(tunnel_made(&f), 3);
	assert_int_equal(open_tunnel(&f, 2, 0x7fffffff, ""), RELAY_DROP);
	assert_int_equal(tunnel_made(&f), 3);
	assert_int_equal(open_tunnel(&f, 4, 2, ""), RELAY_DROP);
	assert_string_equal(made(&f), "C92(4)reason 2;");
	/* a message that says more, or less, than there is to say */
	assert_int_equal(open_tunnel(&f, 4, 3, "\1"), RELAY_DROP);
	assert_string_equal(made(&f), "C92(4)reason 2;");
	assert_int_equal(open_tunnel(&f, 4, 2, "\0\0\0\3"), RELAY_DROP);
	assert_string_equal(made(&f), "C92(4)reason 2;");
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "tun@openssh.com", 4, NULL, 0),
	    RELAY_DROP);
	assert_string_equal(made(&f), "C92(4)reason 2;");
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "new@example.com", 4, NULL, 0),
	    RELAY_PASS);
	done(&f);

	/* to name a unit is not to permit it */
	policy_init(&rules);
	rules.permits &= ~(unsigned int)POLICY_OTHER;
	rules.has_tunnel = 1;
	rules.tunnel = 3;
	init(&f, &rules);
	assert_int_equal(open_tunnel(&f, 1, 3, ""), RELAY_DROP);
	assert_string_equal(made(&f), "C92(1)reason 1;");
	done(&f);
}

static void
test_requests_that_are_forbidden(void **state)
{
	struct fixture f;
	struct policy rules;

	policy_init(&rules);
	rules.permits = 0;
	init(&f, &rules);
	session(&f, 3, 7);
	assert_int_equal(request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made(&f), "C100(3);");
	assert_int_equal(request(&f, 7, "x11-req", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made(&f), "C100(3);");
	assert_int_equal(request(&f, 7, "auth-agent-req@openssh.com", 0, NULL, NULL), RELAY_DROP);
	assert_string_equal(made(&f), "");
	assert_int_equal(request(&f, 7, "exec", 1, "id", NULL), RELAY_PASS);
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "direct-tcpip", 4, "h", 80), RELAY_DROP);
	assert_string_equal(made(&f), "C92(4)reason 1;");
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "direct-streamlocal@openssh.com", 4, "/s",
			     0),
	    RELAY_DROP);
	assert_string_equal(made(&f), "C92(4)reason 2;");
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "tun@openssh.com", 4, NULL, 0),
	    RELAY_DROP);
	assert_string_equal(made(&f), "C92(4)reason 1;");
	assert_int_equal(listen_on(&f, "tcpip-forward", "localhost", 80, 1), RELAY_DROP);
	assert_string_equal(made(&f), "C82(0);");
	assert_int_equal(listen_on(&f, "streamlocal-forward@openssh.com", "/s", 0, 1), RELAY_DROP);
	assert_string_equal(made(&f), "C82(0);");
	assert_int_equal(listen_on(&f, "tcpip-forward", "localhost", 80, 0), RELAY_DROP);
	assert_string_equal(made(&f), "");
	/* cancelling, and what else there is, passes */
	assert_int_equal(listen_on(&f, "cancel-tcpip-forward", "localhost", 80, 0), RELAY_PASS);
	done(&f);
}

/* A failure made here waits for the replies to what was asked before. */
static void
test_channel_replies_keep_their_order(void **state)
{
	struct fixture f;
	struct policy rules;

	policy_init(&rules);
	rules.permits &= ~(unsigned int)POLICY_PTY;
	init(&f, &rules);
	session(&f, 3, 7);
	session(&f, 4, 8);
	assert_int_equal(request(&f, 7, "x11-req", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_DROP);
	assert_int_equal(request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_DROP);
	assert_int_equal(request(&f, 7, "exec", 1, "id", NULL), RELAY_PASS);
	assert_int_equal(request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made(&f), "");
	/* another channel waits for none of them */
	assert_int_equal(request(&f, 8, "pty-req", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made(&f), "C100(4);");
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 3), RELAY_PASS);
	assert_string_equal(made(&f), "C100(3);C100(3);");
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 3), RELAY_PASS);
	assert_string_equal(made(&f), "C100(3);");
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 3), RELAY_DROP);
	done(&f);
}

static void
test_global_replies_keep_their_order(void **state)
{
	const uint8_t success[] = { SSH_MSG_REQUEST_SUCCESS };
	struct fixture f;
	struct policy rules;

	policy_init(&rules);
	add(&rules.permit_listen[POLICY_ROUTE], "8080");
	init(&f, &rules);
	f.r.side[RELAY_UPSTREAM].interval_ms = 1000;
	assert_int_equal(listen_on(&f, "tcpip-forward", "localhost", 8080, 1), RELAY_PASS);
	assert_int_equal(listen_on(&f, "tcpip-forward", "localhost", 81, 1), RELAY_DROP);
	assert_int_equal(relay_tick(&f.r, RELAY_UPSTREAM, 1000), RELAY_TICK_KEEPALIVE);
	assert_int_equal(listen_on(&f, "tcpip-forward", "localhost", 82, 1), RELAY_DROP);
	assert_int_equal(listen_on(&f, "tcpip-forward", "localhost", 8080, 1), RELAY_PASS);
	assert_string_equal(made(&f), "");
	assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, success, 1), RELAY_PASS);
	assert_string_equal(made(&f), "C82(0);");
	assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, success, 1), RELAY_DROP);
	assert_string_equal(made(&f), "C82(0);");
	assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, success, 1), RELAY_PASS);
	assert_string_equal(made(&f), "");
	assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, success, 1), RELAY_DROP);
	done(&f);
}

/* Who asks and asks, and an upstream that does not answer, come to an end. */
static void
test_replies_outstanding_are_bounded(void **state)
{
	struct fixture f;
	struct policy rules;
	enum relay_action action = RELAY_PASS;
	int i;

	policy_init(&rules);
	rules.permits &= ~(unsigned int)POLICY_PTY;
	init(&f, &rules);
	session(&f, 3, 7);
	for (i = 0; i < 100000; i++)
		assert_int_equal(request(&f, 7, "break", 1, NULL, NULL), RELAY_PASS);
	for (i = 0; i < 1000 && action != RELAY_END; i++)
		action = request(&f, 7, i % 2 == 0 ? "pty-req" : "break", 1, NULL, NULL);
	assert_int_equal(action, RELAY_END);
	assert_string_not_equal(relay_why(&f.r), "");
	done(&f);
}

static void
test_permit_open(void **state)
{
	struct fixture f;
	struct policy rules;

	policy_init(&rules);
	add(&rules.permit_open[POLICY_ROUTE], "db:5432");
	add(&rules.permit_open[POLICY_ROUTE], "[::1]:*");
	add(&rules.permit_open[POLICY_ROUTE], "*:443");
	add(&rules.permit_open[POLICY_KEY], "*:5432");
	add(&rules.permit_open[POLICY_KEY], "::1:22");
	init(&f, &rules);
#define OPENS(n, host, port) open_from(&f, RELAY_DOWNSTREAM, "direct-tcpip", n, host, port)
	assert_int_equal(OPENS(0, "db", 5432), RELAY_PASS);
	assert_int_equal(OPENS(1, "::1", 5432), RELAY_PASS);
	assert_int_equal(OPENS(2, "::1", 22), RELAY_PASS);
	assert_int_equal(OPENS(3, "db", 443), RELAY_DROP);   /* not for this key */
	assert_int_equal(OPENS(3, "web", 5432), RELAY_DROP); /* not for this route */
	assert_int_equal(OPENS(3, "DB", 5432), RELAY_DROP);  /* sshd compares as written */
	assert_int_equal(OPENS(3, "db", 5432 + 65536), RELAY_DROP);
	assert_int_equal(OPENS(3, "", 5432), RELAY_DROP);
	/* a Unix socket has no port that is on the list */
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "direct-streamlocal@openssh.com", 3, "db",
			     5432),
	    RELAY_DROP);
	done(&f);
}

static void
test_permission_lists(void **state)
{
	struct strlist l[2] = { 0 };
	struct bytes host = { (const uint8_t *)"LocalHost", 9 };

	assert_true(permit_listen(l, host, 80));
	add(&l[0], "none");
	assert_false(permit_listen(l, host, 80));
	assert_false(permit_open(l, host, PERMIT_PATH));
	add(&l[0], "local*:8?");
	assert_false(permit_listen(l, host, 80));
	add(&l[0], "local*:80");
	assert_true(permit_listen(l, host, 80));
	assert_false(permit_open(l, host, 80)); /* there, no patterns */
	add(&l[1], "[::1]:80");
	assert_false(permit_listen(l, host, 80));
	add(&l[1], "*:*");
	assert_true(permit_listen(l, host, 80));
	assert_false(permit_open(l, host, PERMIT_PATH));
	add(&l[0], "*:*");
	assert_true(permit_open(l, host, PERMIT_PATH));
	strlist_free(&l[0]);
	strlist_free(&l[1]);
	/* the host of an entry may be empty, and is then that of no other name */
	add(&l[0], ":80");
	assert_false(permit_listen(l, host, 80));
	assert_false(permit_open(l, host, 80));
	host.len = 0;
	assert_true(permit_listen(l, host, 80));
	assert_true(permit_open(l, host, 80));
	assert_false(permit_open(l, host, 81));
	strlist_free(&l[0]);
}

static void
test_forced_command(void **state)
{
	struct fixture f;
	struct policy rules;

	policy_init(&rules);
	rules.command = strdup("backup");
	add(&rules.set_env, "WHO=alice");
	init(&f, &rules);
	session(&f, 0, 7);
	assert_int_equal(request(&f, 7, "env", 1, "SSH_ORIGINAL_COMMAND", "x"), RELAY_DROP);
	assert_string_equal(made(&f), "C100(0);");
	assert_int_equal(request(&f, 7, "env", 0, "SSH_ORIGINAL_COMMAND=x", "x"), RELAY_DROP);
	assert_int_equal(request(&f, 7, "env", 0, "WHO", "eve"), RELAY_DROP);
	assert_int_equal(request(&f, 7, "env", 0, "WHO=eve", ""), RELAY_DROP);
	assert_int_equal(request(&f, 7, "exec", 1, "rm -rf /", NULL), RELAY_DROP);
	assert_string_equal(made(&f),
	    "U98(7)env WHO=alice;U98(7)env SSH_ORIGINAL_COMMAND=rm -rf /;U98(1007)exec backup;");
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 0), RELAY_PASS);
	session(&f, 1, 8);
	assert_int_equal(request(&f, 8, "shell", 0, NULL, NULL), RELAY_DROP);
	assert_string_equal(made(&f), "U98(8)env WHO=alice;U98(8)exec backup;");
	session(&f, 2, 9);
	assert_int_equal(request(&f, 9, "subsystem", 1, "sftp", NULL), RELAY_DROP);
	assert_string_equal(made(&f),
	    "U98(9)env WHO=alice;U98(9)env SSH_ORIGINAL_COMMAND=sftp;U98(1009)exec backup;");
	done(&f);
}

/* Variables are for the machine to take, and it takes so many: ours find room. */
static void
test_client_cannot_crowd_out_variables(void **state)
{
	struct fixture f;
	struct policy rules;
	char name[16];
	int i, passed = 0;

	policy_init(&rules);
	rules.command = strdup("backup");
	add(&rules.accept_env, "V*");
	init(&f, &rules);
	session(&f, 0, 7);
	assert_int_equal(request(&f, 7, "env", 0, "LANG", "C"), RELAY_DROP);
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "V%d", i);
		passed += request(&f, 7, "env", 0, name, "x") == RELAY_PASS;
	}
	assert_int_equal(passed, POLICY_ENV_MAX);
	done(&f);
}

static void
test_internal_sftp(void **state)
{
	struct fixture f;
	struct policy rules;

	policy_init(&rules);
	rules.command = strdup("internal-sftp -R");
	init(&f, &rules);
	session(&f, 0, 7);
	assert_int_equal(request(&f, 7, "subsystem", 1, "sftp", NULL), RELAY_DROP);
	assert_string_equal(made(&f),
	    "U98(7)env SSH_ORIGINAL_COMMAND=sftp;U98(1007)subsystem sftp;");
	session(&f, 1, 8);
	assert_int_equal(request(&f, 8, "exec", 1, "id", NULL), RELAY_DROP);
	assert_string_equal(made(&f),
	    "C99(1);C94(1)This service allows sftp connections only.\r\n;"
	    "C98(1)exit-status 1;C96(1);C97(1);");
	done(&f);
}

#define NOT_THAT "sallyport: this login may not do that; it may use: sftp (session 3f2a)\r\n"

static void
test_refused_command(void **state)
{
	struct fixture f;
	struct policy rules;

	policy_init(&rules);
	add(&rules.commands, "sftp");
	rules.max_sessions = 2;
	init(&f, &rules);
	session(&f, 0, 7);
	assert_int_equal(request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(request(&f, 7, "shell", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made(&f), ""); /* not its turn */
	/* it is decided all the same: no second try on this channel */
	assert_int_equal(request(&f, 7, "subsystem", 1, "sftp", NULL), RELAY_DROP);
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 0), RELAY_PASS);
	assert_string_equal(made(&f),
	    "C99(0);C95(0)" NOT_THAT ";C98(0)exit-status 255;C96(0);C97(0);");
	/* for the client it is closed: what the upstream says is not for its ears */
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_EOF, 0), RELAY_DROP);
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 0), RELAY_DROP);
	assert_int_equal(simple(&f, RELAY_DOWNSTREAM, SSH_MSG_CHANNEL_CLOSE, 7), RELAY_PASS);
	assert_int_equal(simple(&f, RELAY_DOWNSTREAM, SSH_MSG_CHANNEL_CLOSE, 7), RELAY_DROP);
	/* its number is free for the client, but not for the upstream yet */
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "session", 0, NULL, 0), RELAY_DROP);
	assert_string_equal(made(&f), "");
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "session", 1, NULL, 0), RELAY_PASS);
	assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_CLOSE, 0), RELAY_DROP);
	assert_string_equal(made(&f), "U90(7);");
	assert_int_equal(confirm(&f, 0, 7), RELAY_PASS);
	assert_int_equal(request(&f, 7, "subsystem", 1, "sftp", NULL), RELAY_PASS);
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "session", 2, NULL, 0), RELAY_DROP);
	assert_string_equal(made(&f), "C92(2)reason 2;");
	done(&f);
}

static void
test_subsystem_named_exec_is_not_exec(void **state)
{
	struct fixture f;
	struct policy rules;

	policy_init(&rules);
	add(&rules.commands, "exec");
	init(&f, &rules);
	session(&f, 0, 7);
	assert_int_equal(request(&f, 7, "exec", 1, "id", NULL), RELAY_PASS);
	session(&f, 1, 8);
	assert_int_equal(request(&f, 8, "subsystem", 1, "exec", NULL), RELAY_DROP);
	done(&f);
}

static void
test_line_keeps_to_the_window(void **state)
{
	struct fixture f;
	struct policy rules;
	struct buf b;

	policy_init(&rules);
	add(&rules.commands, "sftp");
	init(&f, &rules);
	begin(&b, SSH_MSG_CHANNEL_OPEN);
	wire_put_text(&b, "session");
	wire_put_u32(&b, 0);
	wire_put_u32(&b, 9);
	wire_put_u32(&b, 32768);
	assert_int_equal(give(&f, RELAY_DOWNSTREAM, &b), RELAY_PASS);
	assert_int_equal(confirm(&f, 0, 7), RELAY_PASS);
	assert_int_equal(request(&f, 7, "shell", 0, NULL, NULL), RELAY_DROP);
	assert_string_equal(made(&f), "C95(0)sallyport;C98(0)exit-status 255;C96(0);C97(0);");
	done(&f);
}

/* A client can guess the number of a channel before it has been told. */
static void
test_request_before_confirmation(void **state)
{
	struct fixture f;
	struct policy rules;

	policy_init(&rules);
	rules.command = strdup("backup");
	init(&f, &rules);
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "session", 0, NULL, 0), RELAY_PASS);
	assert_int_equal(request(&f, 0, "exec", 1, "evil", NULL), RELAY_DROP);
	assert_int_equal(request(&f, 0, "shell", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made(&f), "");
	assert_int_equal(confirm(&f, 0, 0), RELAY_PASS);
	assert_int_equal(request(&f, 0, "exec", 0, "evil", NULL), RELAY_DROP);
	assert_string_equal(made(&f), "U98(0)env SSH_ORIGINAL_COMMAND=evil;U98(0)exec backup;");
	done(&f);
}

/* Two channels under one number: whose confirmation would it be? */
static void
test_number_in_use(void **state)
{
	struct fixture f;
	struct policy rules;

	policy_init(&rules);
	init(&f, &rules);
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "direct-tcpip", 0, "h", 1), RELAY_PASS);
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "session", 0, NULL, 0), RELAY_END);
	done(&f);
	policy_init(&rules);
	init(&f, &rules);
	session(&f, 0, 7);
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "session", 1, NULL, 0), RELAY_PASS);
	assert_int_equal(confirm(&f, 1, 7), RELAY_END);
	assert_int_equal(confirm(&f, 99, 8), RELAY_DROP);
	done(&f);
}

static void
test_names_with_a_nul(void **state)
{
	struct fixture f;
	struct policy rules;
	struct buf b;

	policy_init(&rules);
	rules.command = strdup("backup");
	init(&f, &rules);
	session(&f, 0, 7);
	begin(&b, SSH_MSG_CHANNEL_REQUEST);
	wire_put_u32(&b, 7);
	wire_put_string(&b, "exec\0", 5);
	wire_put_bool(&b, 0);
	wire_put_text(&b, "evil");
	assert_int_equal(give(&f, RELAY_DOWNSTREAM, &b), RELAY_DROP);
	begin(&b, SSH_MSG_CHANNEL_OPEN);
	wire_put_string(&b, "session\0", 8);
	wire_put_u32(&b, 1);
	wire_put_u32(&b, 1);
	wire_put_u32(&b, 1);
	assert_int_equal(give(&f, RELAY_DOWNSTREAM, &b), RELAY_DROP);
	/* what follows the command would be for another reader */
	assert_int_equal(request(&f, 7, "exec", 1, "a", "b"), RELAY_DROP);
	assert_string_equal(made(&f), "");
	done(&f);
}

static void
test_truncated_messages(void **state)
{
	static const uint8_t types[] = { 80, 90, 91, 92, 96, 97, 98, 99, 100 };
	struct fixture f;
	struct policy rules;
	uint8_t payload[5] = { 0 };
	size_t i, len;

	policy_init(&rules);
	init(&f, &rules);
	for (i = 0; i < sizeof(types); i++)
		for (len = 1; len < sizeof(payload); len++) {
			payload[0] = types[i];
			assert_int_not_equal(relay_message(&f.r, RELAY_DOWNSTREAM, payload, len),
			    RELAY_END);
			assert_int_equal(relay_message(&f.r, RELAY_UPSTREAM, payload, len),
			    RELAY_DROP);
		}
	done(&f);
}

/* FAULTS F27: what the upstream opens reaches who has asked for it. */
static void
test_upstream_opens_unasked(void **state)
{
	static const char *const types[] = { "auth-agent@openssh.com", "x11", "forwarded-tcpip",
		"forwarded-streamlocal@openssh.com", "session", "direct-tcpip" };
	struct fixture f;
	struct policy rules;
	size_t i;

	policy_init(&rules);
	init(&f, &rules);
	session(&f, 0, 7);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(open_from(&f, RELAY_UPSTREAM, types[i], 5, NULL, 0), RELAY_DROP);
		assert_string_equal(made(&f), "U92(5)reason 1;");
	}
	assert_int_equal(request(&f, 7, "auth-agent-req@openssh.com", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(request(&f, 7, "x11-req", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(listen_on(&f, "tcpip-forward", "", 0, 1), RELAY_PASS);
	assert_int_equal(listen_on(&f, "streamlocal-forward@openssh.com", "/s", 0, 1), RELAY_PASS);
	for (i = 0; i < 4; i++)
		assert_int_equal(open_from(&f, RELAY_UPSTREAM, types[i], 5, NULL, 0), RELAY_PASS);
	assert_int_equal(open_from(&f, RELAY_UPSTREAM, "session", 5, NULL, 0), RELAY_DROP);
	done(&f);
}

static void
test_channels_are_bounded(void **state)
{
	struct fixture f;
	struct policy rules;
	uint32_t i;

	policy_init(&rules);
	init(&f, &rules);
	for (i = 0; i < 1024; i++)
		assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, i % 2 ? "session" : "direct-tcpip",
				     i, "h", 1),
		    RELAY_PASS);
	assert_int_equal(open_from(&f, RELAY_DOWNSTREAM, "session", i, NULL, 0), RELAY_DROP);
	assert_string_equal(made(&f), "C92(1024)reason 4;");
	for (i = 0; i < 1024; i++)
		assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_OPEN_FAILURE, i),
		    RELAY_PASS);
	for (i = 0; i < 3000; i++) {
		session(&f, 0, 7);
		assert_int_equal(simple(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_CLOSE, 0), RELAY_PASS);
		assert_int_equal(simple(&f, RELAY_DOWNSTREAM, SSH_MSG_CHANNEL_CLOSE, 7),
		    RELAY_PASS);
	}
	done(&f);
}

static void
test_times(void **state)
{
	const uint8_t data[9] = { SSH_MSG_CHANNEL_DATA };
	struct fixture f;
	struct policy rules;
	const char *why, *text;

	policy_init(&rules);
	rules.idle_ms = 1000;
	rules.session_ms = 5000;
	init(&f, &rules);
	session(&f, 0, 7);
	assert_int_equal(relay_next(&f.r), 1000);
	relay_heard(&f.r, RELAY_UPSTREAM, 900); /* a keepalive is no use */
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
	done(&f);
}

static void
test_rules_travel(void **state)
{
	struct policy rules, got;
	struct wire w;
	struct buf b;
	size_t len;

	policy_init(&rules);
	rules.permits = POLICY_PTY;
	rules.command = strdup("");
	rules.idle_ms = 7;
	rules.has_tunnel = 1;
	rules.tunnel = 9;
	add(&rules.permit_listen[POLICY_KEY], "*:1");
	add(&rules.set_env, "A=b");
	buf_init(&b, 4096);
	policy_put(&b, &rules);
	assert_int_equal(buf_err(&b), 0);
	for (len = 0; len < b.len; len++) {
		wire_init(&w, b.data, len);
		assert_int_not_equal(policy_get(&w, &got), 0);
	}
	wire_init(&w, b.data, b.len);
	assert_int_equal(policy_get(&w, &got), 0);
	assert_int_equal(got.permits, POLICY_PTY);
	assert_int_equal(got.max_sessions, 1024);
	assert_int_equal(got.idle_ms, 7);
	assert_true(got.has_tunnel);
	assert_int_equal(got.tunnel, 9);
	assert_string_equal(got.command, "");
	assert_string_equal(got.permit_listen[POLICY_KEY].v[0], "*:1");
	assert_int_equal(got.permit_open[POLICY_KEY].n, 0);
	assert_string_equal(got.set_env.v[0], "A=b");
	policy_free(&got);
	policy_free(&rules);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_permitted),
		cmocka_unit_test(test_requests_that_are_forbidden),
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_channel_replies_keep_their_order),
		cmocka_unit_test(test_global_replies_keep_their_order),
		cmocka_unit_test(test_replies_outstanding_are_bounded),
		cmocka_unit_test(test_permit_open),
		cmocka_unit_test(test_permission_lists),
		cmocka_unit_test(test_forced_command),
		cmocka_unit_test(test_client_cannot_crowd_out_variables),
		cmocka_unit_test(test_internal_sftp),
		cmocka_unit_test(test_refused_command),
		cmocka_unit_test(test_subsystem_named_exec_is_not_exec),
		cmocka_unit_test(test_line_keeps_to_the_window),
		cmocka_unit_test(test_request_before_confirmation),
		cmocka_unit_test(test_number_in_use),
		cmocka_unit_test(test_names_with_a_nul),
		cmocka_unit_test(test_truncated_messages),
		cmocka_unit_test(test_upstream_opens_unasked),
		cmocka_unit_test(test_channels_are_bounded),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_rules_travel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
