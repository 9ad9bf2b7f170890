/*
 * auth/auth_client: the input is a row of messages from the upstream.  Nothing is
 * sent in reply, and success means that the upstream said just that.
 */
#include <string.h>

#include <sodium.h>

#include "auth/auth_stored.h"
#include "fuzz.h"
#include "wire/ssh.h"

#define SECRET "the secret"

static int
sign(void *ctx, const char *alg, const void *data, size_t len, struct buf *sig)
{
	(void)ctx;
	(void)data;
	(void)len;
	wire_put_text(sig, alg);
	wire_put_text(sig, "signature");
	return 0;
}

/* The data has a request with a signature by the mapped key that does not name the host key. */
static int
unbound(const struct buf *out)
{
	return out->len > 0 && memmem(out->data, out->len, "\0\0\0\11signature", 13) != NULL &&
	    memmem(out->data, out->len, "publickey-hostbound-v00@openssh.com", 35) == NULL;
}

/* With Passthrough: the first byte before each message says what is asked before it. */
static void
run_several(const uint8_t *data, size_t len, struct bytes host_key)
{
	static const struct auth_client_ops ops = { sign };
	const struct auth_client_config config = { .session_id = (const uint8_t *)"id",
		.session_id_len = 2,
		.user = "alice",
		.several = 1,
		.blob = { (const uint8_t *)"\0\0\0\7ssh-rsa", 11 },
		.certificate = { (const uint8_t *)"\0\0\0\34ssh-rsa-cert-v01@openssh.com", 32 },
		.host_key = host_key };
	struct auth_client *ac = auth_client_new(&config, &ops, NULL);
	enum auth_client_verdict verdict = AUTH_CLIENT_REFUSED;
	struct bytes m;
	struct wire w;
	struct buf out;
	uint8_t op;

	CHECK(ac != NULL);
	buf_init(&out, 1 << 20);
	wire_init(&w, data, len);
	while (w.left > 0 && wire_err(&w) == 0 && verdict != AUTH_CLIENT_FAILED) {
		op = wire_u8(&w);
		m = wire_bytes(&w, wire_u8(&w));
		buf_reset(&out);
		if ((op & 7) == 1)
			verdict = auth_client_start(ac, &out);
		else if ((op & 7) == 2)
			verdict = auth_client_probe(ac, &out);
		else if ((op & 7) == 3)
			verdict = auth_client_relay(ac,
			    op & 8 ? "password" : "keyboard-interactive", m, &out);
		else if ((op & 7) == 4)
			verdict = auth_client_respond(ac, m, &out);
		else if ((op & 7) == 5)
			verdict = auth_client_query(ac, m, &out) ? AUTH_CLIENT_SEND :
								   AUTH_CLIENT_WAIT;
		else if ((op & 7) == 6)
			verdict = auth_client_signed(ac, m, &out) ? AUTH_CLIENT_SEND :
								    AUTH_CLIENT_WAIT;
		else
			verdict = auth_client_input(ac, m.p, m.len, &out);
		CHECK((verdict == AUTH_CLIENT_SEND) == (out.len > 0));
		if ((op & 7) == 1 && host_key.len > 0)
			CHECK(!unbound(&out));
		if (verdict == AUTH_CLIENT_SUCCESS)
			CHECK(m.len == 1 && m.p[0] == SSH_MSG_USERAUTH_SUCCESS);
		if (verdict == AUTH_CLIENT_ASKED)
			CHECK(bytes_equal(auth_client_question(ac), m));
		CHECK(strlen(auth_client_methods(ac)) < AUTH_CLIENT_METHODS_SIZE);
	}
	buf_free(&out);
	auth_client_free(&ac);
}

static int
stored(void *ctx, struct secret **out, struct reason *reason)
{
	int *given = ctx;

	(void)reason;
	CHECK(++*given == 1);
	*out = secret_from(SECRET, strlen(SECRET));
	CHECK(*out != NULL);
	return 0;
}

/* With a stored password: it leaves once at most, and only to who asks for it. */
static void
run_stored(const uint8_t *data, size_t len)
{
	static const struct auth_client_ops ops = { sign };
	static const struct auth_stored_ops stored_ops = { stored };
	const struct auth_client_config config = { .session_id = (const uint8_t *)"id",
		.session_id_len = 2,
		.user = "alice",
		.several = 1,
		.blob = { (const uint8_t *)"\0\0\0\7ssh-rsa", 11 } };
	struct auth_client *ac = auth_client_new(&config, &ops, NULL);
	int given = 0, before;
	struct auth_stored s = { .ops = &stored_ops, .ctx = &given, .name = "pw", .has_key = 1 };
	enum auth_client_verdict verdict;
	struct bytes m;
	struct wire w;
	struct buf out;

	CHECK(ac != NULL && sodium_init() != -1);
	buf_init(&out, 1 << 20);
	verdict = auth_stored_begin(&s, ac, &out);
	wire_init(&w, data, len);
	while (w.left > 0 && wire_err(&w) == 0 && verdict != AUTH_CLIENT_FAILED) {
		m = wire_bytes(&w, wire_u8(&w));
		buf_reset(&out);
		before = given;
		verdict = auth_client_input(ac, m.p, m.len, &out);
		verdict = auth_stored_step(&s, ac, verdict, &out);
		CHECK((verdict == AUTH_CLIENT_SEND) == (out.len > 0));
		CHECK(verdict != AUTH_CLIENT_REFUSED && verdict != AUTH_CLIENT_ASKED);
		if (out.len > 0 && memmem(out.data, out.len, SECRET, strlen(SECRET)) != NULL)
			CHECK(given == before + 1);
		if (verdict == AUTH_CLIENT_FAILED)
			CHECK(s.reason[0] != '\0' || auth_client_reason(ac)[0] != '\0');
	}
	CHECK(memmem(s.reason, strlen(s.reason), SECRET, strlen(SECRET)) == NULL);
	buf_free(&out);
	auth_client_free(&ac);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct auth_client_ops ops = { sign };
	const struct auth_client_config config = { .session_id = (const uint8_t *)"id",
		.session_id_len = 2,
		.user = "alice",
		.blob = { (const uint8_t *)"\0\0\0\7ssh-rsa", 11 } };
	struct auth_client *ac = auth_client_new(&config, &ops, NULL);
	enum auth_client_verdict verdict = AUTH_CLIENT_WAIT;
	struct bytes m;
	struct wire w;
	struct buf out;
	const char *p;
	size_t banner = 0, sent;

	run_several(data, len, (struct bytes){ NULL, 0 });
	run_several(data, len, (struct bytes){ (const uint8_t *)"host key", 8 });
	if (memmem(data, len, SECRET, strlen(SECRET)) == NULL)
		run_stored(data, len);
	CHECK(ac != NULL);
	buf_init(&out, 1 << 20);
	CHECK(auth_client_start(ac, &out) == AUTH_CLIENT_SEND);
	sent = out.len;
	wire_init(&w, data, len);
	while (w.left > 0 && wire_err(&w) == 0 && verdict != AUTH_CLIENT_FAILED) {
		m = wire_bytes(&w, wire_u8(&w));
		verdict = auth_client_input(ac, m.p, m.len, &out);
		CHECK(verdict != AUTH_CLIENT_SEND && out.len == sent);
		if (verdict == AUTH_CLIENT_SUCCESS)
			CHECK(m.len == 1 && m.p[0] == SSH_MSG_USERAUTH_SUCCESS);
		if (verdict == AUTH_CLIENT_BANNER)
			banner += auth_client_banner(ac).len;
		CHECK((verdict == AUTH_CLIENT_FAILED) == (*auth_client_reason(ac) != '\0'));
	}
	CHECK(banner <= AUTH_CLIENT_BANNER_MAX);
	for (p = auth_client_reason(ac); *p != '\0'; p++)
		CHECK(*p >= ' ' && *p <= '~');
	buf_free(&out);
	auth_client_free(&ac);
	return 0;
}
