/*
 * auth/auth_server: the input is a row of steps, each a call of the machine.  A
 * client gets in only after key_allowed() and verify() have both said yes to one
 * request, and a machine that has denied never goes back on it.
 */
#include <string.h>

#include <sodium.h>

#include "auth/auth_server.h"
#include "formats/cert.h"
#include "base/names.h"
#include "fuzz.h"
#include "wire/ssh.h"

#define MAX_TRIES 4

struct client {
	uint8_t blob[4 + 11 + 4 + 32];
	int allow, verifies;   /* what the two will say */
	int allowed, verified; /* and have said to the last request */
	int failures;
};

static int
key_allowed(void *ctx, const char *alg, struct bytes blob)
{
	struct client *c = ctx;
	struct cert cert;

	CHECK(strcmp(alg, "ssh-ed25519") == 0 ? blob.len == sizeof(c->blob) :
						cert_parse(&cert, blob) == 0);
	c->allowed = c->allow;
	return c->allow;
}

static int
verify(void *ctx, const char *alg, struct bytes blob, struct bytes sig, const void *data,
    size_t len)
{
	struct client *c = ctx;

	CHECK(strcmp(alg, "ssh-ed25519") == 0 && blob.len == sizeof(c->blob));
	CHECK(sig.len >= 4 + 11 && len > 4 && memcmp(data, "\0\0\0\2id\62", 7) == 0);
	c->verified = c->verifies;
	return c->verifies ? 0 : ERR_AUTH;
}

static void
failed(void *ctx)
{
	((struct client *)ctx)->failures++;
}

/* A message that is right up to the method, or up to the signature, with what
 * comes from the input behind it. */
static void
build(struct buf *m, uint8_t op, const struct client *c, struct bytes tail)
{
	buf_put_u8(m, SSH_MSG_USERAUTH_REQUEST);
	wire_put_text(m, op & 1 ? "alice" : "../bob");
	wire_put_text(m, "ssh-connection");
	if (op & 2) {
		wire_put_text(m, op & 4 ? "publickey" : "publickey-hostbound-v00@openssh.com");
		wire_put_bool(m, op & 8);
		wire_put_text(m, "ssh-ed25519");
		wire_put_string(m, c->blob, sizeof(c->blob));
		if ((op & 4) == 0)
			wire_put_text(m, "host key");
		if ((op & 8) && (op & 16)) {
			wire_put_u32(m, 4 + 11 + (uint32_t)tail.len);
			wire_put_text(m, "ssh-ed25519");
		}
	}
	buf_put(m, tail.p, tail.len);
}

/* What was appended is whole messages of the kinds a server sends. */
static void
check_out(struct buf *out, int success)
{
	struct wire w;
	struct bytes m;
	int seen = 0;

	CHECK(buf_err(out) == 0);
	wire_init(&w, out->data, out->len);
	while (w.left > 0) {
		m = wire_string(&w);
		CHECK(wire_err(&w) == 0 && m.len > 0);
		CHECK(m.p[0] >= SSH_MSG_USERAUTH_FAILURE && m.p[0] <= SSH_MSG_USERAUTH_PK_OK);
		seen |= m.p[0] == SSH_MSG_USERAUTH_SUCCESS;
	}
	CHECK(seen == success);
	buf_reset(out);
}

static void
check_machine(const struct auth_server *as, const struct client *c)
{
	const char *login = auth_server_login(as);

	CHECK(*login == '\0' || login_name_ok(login, strlen(login)));
	CHECK(auth_server_raw_login(as).len <= LOGIN_MAX);
	CHECK(auth_server_tries(as) <= MAX_TRIES);
	CHECK(auth_server_tries(as) == c->failures);
	CHECK(strlen(auth_server_method(as)) < 64);
	CHECK(auth_server_key(as).len <= AUTH_SERVER_MESSAGE_MAX);
}

/* INFO_REQUEST with one prompt; for a password its first two strings do. */
static const uint8_t question[] = "\74\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\1?\0";

static enum auth_server_verdict
step(struct auth_server *as, struct client *c, uint8_t op, struct bytes tail, struct buf *out)
{
	enum auth_server_verdict verdict;
	struct buf m;

	c->allow = op >> 6 & 1;
	c->verifies = op >> 7 & 1;
	if ((op & 0x20) == 0) {
		buf_init(&m, 1 << 20);
		build(&m, op, c, tail);
		verdict = auth_server_input(as, m.data, m.len, out);
		buf_free(&m);
		return verdict;
	}
	switch (op & 3) {
	case 0:
		return auth_server_input(as, tail.p, tail.len, out);
	case 1:
		return auth_server_resume(as,
		    op & 4 ? "publickey" : "password,keyboard-interactive,publickey", out);
	case 2:
		if ((op & 12) == 4)
			return auth_server_decline(as, out);
		if ((op & 12) == 8)
			return auth_server_partial(as, "password,publickey", out);
		if ((op & 12) == 12)
			return auth_server_ask(as, question, sizeof(question) - 1, (op & 16) != 0,
			    out);
		return auth_server_failure(as, out);
	}
	return AUTH_SERVER_REPLY; /* success is for the caller */
}

static void
run(struct auth_server *as, struct client *c, struct wire *w)
{
	enum auth_server_verdict verdict = AUTH_SERVER_REPLY, last;
	int proven = 0, done = 0;
	struct bytes tail;
	struct buf out;
	uint8_t op;

	buf_init(&out, 1 << 24);
	while (w->left > 0 && wire_err(w) == 0) {
		op = wire_u8(w);
		tail = wire_bytes(w, (op & 0x20) && (op & 3) != 0 ? 0 : wire_u8(w));
		last = verdict;
		if ((op & 0x23) == 0x23) {
			verdict = auth_server_success(as, &out);
			CHECK((verdict == AUTH_SERVER_REPLY) == proven);
			check_out(&out, proven);
			done |= proven;
			proven = 0;
			continue;
		}
		verdict = step(as, c, op, tail, &out);
		CHECK(last != AUTH_SERVER_DENIED || verdict == AUTH_SERVER_DENIED);
		CHECK(verdict != AUTH_SERVER_DENIED || *auth_server_reason(as) != '\0');
		CHECK((auth_server_pending(as, &tail) == AUTH_SERVER_NOTHING) ||
		    verdict != AUTH_SERVER_DENIED);
		if (verdict == AUTH_SERVER_KEY_PROVEN)
			CHECK(!done && c->allowed && c->verified);
		/* it stays proven while more comes in, until that is too much */
		proven = verdict == AUTH_SERVER_KEY_PROVEN || verdict == AUTH_SERVER_PENDING ||
		    (proven && verdict == AUTH_SERVER_REPLY && (op & 0x22) != 0x22);
		check_out(&out, 0);
		check_machine(as, c);
	}
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct auth_server_ops ops = { key_allowed, verify, failed, NULL };
	const struct auth_server_config config = { .session_id = (const uint8_t *)"id",
		.session_id_len = 2,
		.max_tries = MAX_TRIES,
		.banner = "hello\n",
		.host_key = { (const uint8_t *)"host key", 8 } };
	struct client c = { .blob = "\0\0\0\13ssh-ed25519\0\0\0\40" };
	struct auth_server *as = auth_server_new(&config, &ops, &c);
	struct wire w;

	CHECK(as != NULL);
	wire_init(&w, data, len);
	run(as, &c, &w);
	auth_server_free(&as);
	return 0;
}
