/*
 * auth/auth_server: the server side of RFC 4252, with keys that are made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "auth/auth_server.h"
#include "wire/ssh.h"

#define ALG "ssh-ed25519"
#define PUBLICKEY "publickey"
#define HOSTBOUND "publickey-hostbound-v00@openssh.com"

static const uint8_t session_id[32] = "the exchange hash of this test";
static const struct bytes host_key = { (const uint8_t *)"our host key", 12 };

struct key {
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	struct buf blob;
};

struct fixture {
	struct auth_server *as;
	struct buf message; /* the one to be sent next */
	struct buf out;
	struct key alice, mallory; /* one that may log in, one that may not */
	int asked, verified, failures;
	int refusals; /* keys shown in vain */
};

static void
key_make(struct key *k)
{
	crypto_sign_keypair(k->public, k->secret);
	buf_init(&k->blob, 1000);
	wire_put_text(&k->blob, ALG);
	wire_put_string(&k->blob, k->public, sizeof(k->public));
}

static int
key_allowed(void *ctx, const char *alg, struct bytes blob)
{
	struct fixture *f = ctx;

	f->asked++;
	return strcmp(alg, ALG) == 0 && bytes_equal(blob, buf_bytes(&f->alice.blob));
}

static int
verify(void *ctx, const char *alg, struct bytes blob, struct bytes sig, const void *data,
    size_t len)
{
	struct fixture *f = ctx;
	struct bytes key, name, raw;
	struct wire w;

	f->verified++;
	wire_init(&w, blob.p, blob.len);
	(void)wire_string(&w);
	key = wire_string(&w);
	if (wire_end(&w) != 0 || key.len != crypto_sign_PUBLICKEYBYTES)
		return ERR_FORMAT;
	wire_init(&w, sig.p, sig.len);
	name = wire_string(&w);
	raw = wire_string(&w);
	if (wire_end(&w) != 0 || !bytes_is(name, alg) || raw.len != crypto_sign_BYTES)
		return ERR_FORMAT;
	return crypto_sign_verify_detached(raw.p, data, len, key.p) == 0 ? 0 : ERR_AUTH;
}

static void
failed(void *ctx)
{
	struct fixture *f = ctx;

	f->failures++;
}

static void
refused(void *ctx)
{
	struct fixture *f = ctx;

	f->refusals++;
}

static const struct auth_server_ops ops = { key_allowed, verify, failed, refused };

static void
start_with(struct fixture *f, int max_tries, const char *banner, const char *hint)
{
	const struct auth_server_config config = { .session_id = session_id,
		.session_id_len = sizeof(session_id),
		.max_tries = max_tries,
		.banner = banner,
		.hint = hint,
		.host_key = host_key };

	f->as = auth_server_new(&config, &ops, f);
	assert_non_null(f->as);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	buf_init(&f->message, 4 << 20);
	buf_init(&f->out, 4 << 20);
	key_make(&f->alice);
	key_make(&f->mallory);
	start_with(f, 6, NULL, NULL);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	auth_server_free(&f->as);
	assert_null(f->as);
	auth_server_free(&f->as);
	buf_free(&f->message);
	buf_free(&f->out);
	buf_free(&f->alice.blob);
	buf_free(&f->mallory.blob);
	free(f);
	return 0;
}

static void
restart(struct fixture *f, int max_tries, const char *banner)
{
	auth_server_free(&f->as);
	f->asked = f->verified = f->failures = 0;
	buf_reset(&f->out);
	start_with(f, max_tries, banner, NULL);
}

/* --- messages --- */

static void
request(struct fixture *f, const char *user, const char *service, const char *method)
{
	buf_reset(&f->message);
	buf_put_u8(&f->message, SSH_MSG_USERAUTH_REQUEST);
	wire_put_text(&f->message, user);
	wire_put_text(&f->message, service);
	wire_put_text(&f->message, method);
}

static void
query(struct fixture *f, const char *user, const struct key *k)
{
	request(f, user, "ssh-connection", PUBLICKEY);
	wire_put_bool(&f->message, 0);
	wire_put_text(&f->message, ALG);
	wire_put_string(&f->message, k->blob.data, k->blob.len);
}

static void
sign(struct fixture *f, const struct key *k, const void *id, size_t id_len)
{
	uint8_t raw[crypto_sign_BYTES];
	struct buf data, sig;

	buf_init(&data, 100000);
	buf_init(&sig, 1000);
	wire_put_string(&data, id, id_len);
	buf_put(&data, f->message.data, f->message.len);
	crypto_sign_detached(raw, NULL, data.data, data.len, k->secret);
	wire_put_text(&sig, ALG);
	wire_put_string(&sig, raw, sizeof(raw));
	wire_put_string(&f->message, sig.data, sig.len);
	buf_free(&data);
	buf_free(&sig);
}

/* A request with everything but its signature. */
static void
unsigned_proof(struct fixture *f, const char *user, const struct key *k)
{
	request(f, user, "ssh-connection", PUBLICKEY);
	wire_put_bool(&f->message, 1);
	wire_put_text(&f->message, ALG);
	wire_put_string(&f->message, k->blob.data, k->blob.len);
}

static void
proof(struct fixture *f, const char *user, const struct key *k)
{
	unsigned_proof(f, user, k);
	sign(f, k, session_id, sizeof(session_id));
}

static void
hostbound(struct fixture *f, const struct key *k, const char *bound_to)
{
	request(f, "alice", "ssh-connection", HOSTBOUND);
	wire_put_bool(&f->message, 1);
	wire_put_text(&f->message, ALG);
	wire_put_string(&f->message, k->blob.data, k->blob.len);
	wire_put_text(&f->message, bound_to);
	sign(f, k, session_id, sizeof(session_id));
}

static enum auth_server_verdict
send_message(struct fixture *f)
{
	return auth_server_input(f->as, f->message.data, f->message.len, &f->out);
}

/* Past the first request: "none", whose answer is taken away. */
static void
begin(struct fixture *f)
{
	request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	assert_string_equal(auth_server_login(f->as), "alice");
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_REPLY);
	buf_reset(&f->out);
}

/* --- replies --- */

/* Take the next message off out and check that it is these bytes. */
static void
expect(struct fixture *f, const struct buf *want)
{
	struct wire w;
	struct bytes got;

	wire_init(&w, f->out.data, f->out.len);
	got = wire_string(&w);
	assert_int_equal(wire_err(&w), 0);
	assert_int_equal(got.len, want->len);
	assert_memory_equal(got.p, want->data, want->len);
	buf_consume(&f->out, 4 + got.len);
}

static void
expect_failure(struct fixture *f)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_FAILURE);
	wire_put_text(&want, PUBLICKEY);
	wire_put_bool(&want, 0);
	expect(f, &want);
	buf_free(&want);
}

static void
expect_pk_ok(struct fixture *f, const struct key *k)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_PK_OK);
	wire_put_text(&want, ALG);
	wire_put_string(&want, k->blob.data, k->blob.len);
	expect(f, &want);
	buf_free(&want);
}

static void
expect_success(struct fixture *f)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_SUCCESS);
	expect(f, &want);
	buf_free(&want);
}

static void
expect_banner(struct fixture *f, const char *text)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_BANNER);
	wire_put_text(&want, text);
	wire_put_text(&want, "");
	expect(f, &want);
	buf_free(&want);
}

static void
expect_nothing(struct fixture *f)
{
	assert_int_equal(f->out.len, 0);
	assert_int_equal(buf_err(&f->out), 0);
}

static void
expect_denied(struct fixture *f, const char *reason)
{
	expect_nothing(f);
	assert_string_equal(auth_server_reason(f->as), reason);
	/* and it stays so */
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_DENIED);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_DENIED);
	assert_string_equal(auth_server_reason(f->as), reason);
	expect_nothing(f);
}

/* --- logins that work --- */

static void
test_login(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(auth_server_login(f->as), "");
	request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	expect_nothing(f);
	assert_string_equal(auth_server_login(f->as), "alice");
	assert_string_equal(auth_server_method(f->as), "none");
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_REPLY);
	expect_failure(f);
	expect_nothing(f);

	query(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_pk_ok(f, &f->alice);
	expect_nothing(f);
	assert_string_equal(auth_server_method(f->as), "publickey");
	assert_string_equal(auth_server_key_type(f->as), ALG);
	assert_int_equal(strncmp(auth_server_fingerprint(f->as), "SHA256:", 7), 0);
	assert_true(bytes_equal(auth_server_key(f->as), buf_bytes(&f->alice.blob)));

	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_KEY_PROVEN);
	expect_nothing(f);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_success(f);
	expect_nothing(f);
	assert_int_equal(auth_server_tries(f->as), 0);

	/* RFC 4252 section 5.1: requests after success are ignored */
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_nothing(f);
	/* anything else is not, and there is no way back */
	assert_int_equal(auth_server_input(f->as, (const uint8_t *)"\75", 1, &f->out),
	    AUTH_SERVER_DENIED);
	expect_denied(f, "unexpected message type 61");
}

/* Found by fuzzing: a second success was refused, and then forgotten. */
static void
test_second_success_is_refused_for_good(void **state)
{
	struct fixture *f = *state;

	begin(f);
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_KEY_PROVEN);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_success(f);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
	expect_denied(f, "not allowed in this state");
}

static void
test_proof_as_first_request(void **state)
{
	struct fixture *f = *state;

	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	/* the lookup may want to go by the key */
	assert_string_equal(auth_server_method(f->as), "publickey");
	assert_string_equal(auth_server_key_type(f->as), ALG);
	assert_int_equal(strlen(auth_server_fingerprint(f->as)), 7 + 43);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_KEY_PROVEN);
	expect_nothing(f);
}

/* Where the key says who it is, each other key is looked up before it is decided upon. */
static void
test_each_key_is_looked_up(void **state)
{
	struct fixture *f = *state;

	begin(f);
	auth_server_each_key(f->as, 1);
	query(f, "alice", &f->mallory);
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(f->asked, 0);
	expect_nothing(f);
	/* what comes meanwhile waits, and has its own lookup */
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_LOOKUP);
	assert_int_equal(f->asked, 1);
	assert_int_equal(f->refusals, 1);
	buf_reset(&f->out);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_KEY_PROVEN);
	assert_int_equal(f->asked, 2);
	expect_nothing(f);
}

static void
test_the_same_key_is_looked_up_once(void **state)
{
	struct fixture *f = *state;

	begin(f);
	auth_server_each_key(f->as, 1);
	query(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_REPLY);
	expect_pk_ok(f, &f->alice);
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_KEY_PROVEN);
}

static void
test_hostbound_login(void **state)
{
	struct fixture *f = *state;

	begin(f);
	hostbound(f, &f->alice, "our host key");
	assert_int_equal(send_message(f), AUTH_SERVER_KEY_PROVEN);
	assert_string_equal(auth_server_method(f->as), "publickey");
}

static void
test_hostbound_query(void **state)
{
	struct fixture *f = *state;

	begin(f);
	request(f, "alice", "ssh-connection", HOSTBOUND);
	wire_put_bool(&f->message, 0);
	wire_put_text(&f->message, ALG);
	wire_put_string(&f->message, f->alice.blob.data, f->alice.blob.len);
	wire_put_text(&f->message, "our host key");
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_pk_ok(f, &f->alice);
}

/* A proof made for another server and passed on to us by it. */
static void
test_hostbound_to_another_host_fails(void **state)
{
	struct fixture *f = *state;

	begin(f);
	hostbound(f, &f->alice, "another host key");
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	assert_int_equal(auth_server_tries(f->as), 1);
	hostbound(f, &f->alice, "");
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_failure(f);
}

/* --- proofs that are none --- */

static void
expect_counted_failure(struct fixture *f, int tries)
{
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	expect_nothing(f);
	assert_int_equal(auth_server_tries(f->as), tries);
	assert_int_equal(f->failures, tries);
}

static void
test_query_is_not_a_proof(void **state)
{
	struct fixture *f = *state;
	int i;

	begin(f);
	for (i = 0; i < 20; i++) {
		query(f, "alice", &f->alice);
		assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
		expect_pk_ok(f, &f->alice);
	}
	assert_int_equal(f->verified, 0);
	assert_int_equal(auth_server_tries(f->as), 0);
}

static void
test_signature_over_another_session(void **state)
{
	static const uint8_t other[32] = "the exchange hash of another one";
	struct fixture *f = *state;

	begin(f);
	unsigned_proof(f, "alice", &f->alice);
	sign(f, &f->alice, other, sizeof(other));
	expect_counted_failure(f, 1);
	unsigned_proof(f, "alice", &f->alice);
	sign(f, &f->alice, session_id, sizeof(session_id) - 1);
	expect_counted_failure(f, 2);
}

static void
test_signature_of_another_key(void **state)
{
	struct fixture *f = *state;

	begin(f);
	unsigned_proof(f, "alice", &f->alice);
	sign(f, &f->mallory, session_id, sizeof(session_id));
	expect_counted_failure(f, 1);
	assert_int_equal(f->verified, 1);
}

/* Every byte that was signed counts. */
static void
test_any_changed_byte_fails(void **state)
{
	struct fixture *f = *state;
	enum auth_server_verdict verdict;
	struct buf good;
	size_t i;

	buf_init(&good, 10000);
	proof(f, "alice", &f->alice);
	buf_put(&good, f->message.data, f->message.len);
	for (i = 0; i < good.len; i++) {
		restart(f, 6, NULL);
		begin(f);
		buf_reset(&f->message);
		buf_put(&f->message, good.data, good.len);
		/* the boolean is true in any case but 0 (RFC 4251 section 5) */
		f->message.data[i] ^= i == 1 + 4 + 5 + 4 + 14 + 4 + 9 ? 1 : 0x10;
		verdict = send_message(f);
		assert_true(verdict == AUTH_SERVER_REPLY || verdict == AUTH_SERVER_DENIED);
		assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
	}
	buf_free(&good);
}

/* A key that may not log in costs the same work as one that may. */
static void
test_unknown_key_is_verified_all_the_same(void **state)
{
	struct fixture *f = *state;

	begin(f);
	proof(f, "alice", &f->mallory);
	expect_counted_failure(f, 1);
	assert_int_equal(f->asked, 1);
	assert_int_equal(f->verified, 1);
	query(f, "alice", &f->mallory);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	assert_int_equal(auth_server_tries(f->as), 1);
}

static void
keyed(struct fixture *f, int signature, const void *alg, size_t alg_len, const void *blob,
    size_t blob_len)
{
	request(f, "alice", "ssh-connection", PUBLICKEY);
	wire_put_bool(&f->message, signature);
	wire_put_string(&f->message, alg, alg_len);
	wire_put_string(&f->message, blob, blob_len);
	if (signature)
		sign(f, &f->alice, session_id, sizeof(session_id));
}

/* DESIGN section 4: an unreadable key or a disallowed algorithm is answered. */
static void
test_unusable_keys_are_answered(void **state)
{
	static const char cert[] = "ssh-ed25519-cert-v01@openssh.com";
	struct fixture *f = *state;
	const struct {
		const void *alg;
		size_t alg_len;
		const void *blob;
		size_t blob_len;
	} keys[] = {
		{ ALG, 11, "", 0 },
		{ ALG, 11, "garbage", 7 },
		{ ALG, 11, f->alice.blob.data, f->alice.blob.len - 1 },
		{ ALG, 11, "\0\0\0\13ssh-ed25519\0\0\0\2ab", 21 },
		{ "", 0, f->alice.blob.data, f->alice.blob.len },
		{ ALG "\0", 12, f->alice.blob.data, f->alice.blob.len },
		{ "ssh-rsa", 7, f->alice.blob.data, f->alice.blob.len },
		{ "rsa-sha2-512", 12, f->alice.blob.data, f->alice.blob.len },
		{ cert, sizeof(cert) - 1, f->alice.blob.data, f->alice.blob.len },
		{ session_id, sizeof(session_id), f->alice.blob.data, f->alice.blob.len },
	};
	size_t i;

	begin(f);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		keyed(f, 0, keys[i].alg, keys[i].alg_len, keys[i].blob, keys[i].blob_len);
		assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
		expect_failure(f);
		expect_nothing(f);
	}
	assert_int_equal(auth_server_tries(f->as), 0);
	restart(f, 100, NULL);
	begin(f);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		keyed(f, 1, keys[i].alg, keys[i].alg_len, keys[i].blob, keys[i].blob_len);
		expect_counted_failure(f, (int)i + 1);
	}
	assert_int_equal(f->asked, 0);
	assert_int_equal(f->verified, 0);
}

/* The algorithm inside the signature is the one that was announced. */
static void
test_signature_of_another_algorithm(void **state)
{
	struct fixture *f = *state;
	struct buf sig;

	begin(f);
	unsigned_proof(f, "alice", &f->alice);
	buf_init(&sig, 1000);
	wire_put_text(&sig, "rsa-sha2-512");
	wire_put_string(&sig, session_id, sizeof(session_id));
	wire_put_string(&f->message, sig.data, sig.len);
	buf_free(&sig);
	expect_counted_failure(f, 1);
	assert_int_equal(f->verified, 0);
	unsigned_proof(f, "alice", &f->alice);
	wire_put_text(&f->message, "");
	expect_counted_failure(f, 2);
}

static void
test_publickey_is_refused_where_it_is_not_offered(void **state)
{
	struct fixture *f = *state;

	request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, "password", &f->out), AUTH_SERVER_REPLY);
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	assert_int_equal(auth_server_tries(f->as), 1);
	assert_int_equal(f->asked, 0);
}

/* --- counting --- */

/* F32: 20 keys in the agent, the right one last. */
static void
test_many_keys_in_the_agent(void **state)
{
	struct fixture *f = *state;
	int i;

	begin(f);
	for (i = 0; i < 19; i++) {
		query(f, "alice", &f->mallory);
		assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
		expect_failure(f);
	}
	query(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_pk_ok(f, &f->alice);
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_KEY_PROVEN);
}

static void
test_max_tries(void **state)
{
	struct fixture *f = *state;
	int i;

	begin(f);
	for (i = 1; i < 6; i++) {
		request(f, "alice", "ssh-connection", "password");
		wire_put_bool(&f->message, 0);
		wire_put_text(&f->message, "hunter2");
		expect_counted_failure(f, i);
		assert_string_equal(auth_server_method(f->as), "password");
	}
	proof(f, "alice", &f->mallory);
	assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
	assert_int_equal(auth_server_tries(f->as), 6);
	assert_int_equal(f->failures, 6);
	expect_denied(f, "Too many authentication failures");
}

static void
test_max_tries_of_one(void **state)
{
	struct fixture *f = *state;

	restart(f, 1, NULL);
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_KEY_PROVEN);
	restart(f, 1, NULL);
	proof(f, "alice", &f->mallory);
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_DENIED);
	expect_denied(f, "Too many authentication failures");
}

static void
test_queries_without_end(void **state)
{
	struct fixture *f = *state;
	int i;

	query(f, "alice", &f->mallory);
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_REPLY);
	for (i = 1; i < AUTH_SERVER_QUERIES_MAX; i++) {
		if (i % 2 == 0)
			query(f, "alice", &f->mallory);
		else
			request(f, "alice", "ssh-connection", "none");
		assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	}
	buf_reset(&f->out);
	query(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
	assert_int_equal(auth_server_tries(f->as), 0);
	expect_denied(f, "Too many authentication failures");
}

static void
test_failure_after_proof_counts(void **state)
{
	struct fixture *f = *state;

	restart(f, 2, NULL);
	begin(f);
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_KEY_PROVEN);
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_failure(f);
	assert_int_equal(auth_server_tries(f->as), 1);
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_KEY_PROVEN);
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_DENIED);
	expect_denied(f, "Too many authentication failures");
}

/* --- names --- */

static void
test_change_of_user(void **state)
{
	static const char *const users[] = { "bob", "", "alic", "alicee", "alice\n", "Alice" };
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		restart(f, 6, NULL);
		begin(f);
		proof(f, users[i], &f->alice);
		assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
		assert_int_equal(f->asked + f->verified, 0);
		assert_string_equal(auth_server_login(f->as), "alice");
		expect_denied(f, "Change of username or service not allowed");
	}
}

static void
test_change_of_service(void **state)
{
	struct fixture *f = *state;

	begin(f);
	request(f, "alice", "ssh-userauth", "none");
	assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
	expect_denied(f, "Change of username or service not allowed");
}

static void
test_unknown_service(void **state)
{
	struct fixture *f = *state;

	request(f, "alice", "ssh-connectio", "none");
	assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
	expect_denied(f, "unknown service");
}

/* F26: same answers as a login that does not exist, and no lookup. */
static void
test_bad_names(void **state)
{
	static const char *const names[] = { "", "-oProxyCommand=id", "../../etc/passwd", "a/b",
		"alice\n", "\033]0;x\007", "\377\376", "a\342\200\256b" };
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		restart(f, 2, "hello\n");
		request(f, names[i], "ssh-connection", "none");
		assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
		expect_banner(f, "hello\n");
		expect_failure(f);
		assert_string_equal(auth_server_login(f->as), "");
		assert_true(bytes_is(auth_server_raw_login(f->as), names[i]));
		query(f, names[i], &f->alice);
		assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
		expect_failure(f);
		proof(f, names[i], &f->alice);
		expect_counted_failure(f, 1);
		assert_int_equal(f->asked, 0);
		assert_int_equal(f->verified, 1);
		proof(f, names[i], &f->alice);
		assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
		expect_denied(f, "Too many authentication failures");
	}
}

static void
named(struct fixture *f, const char *name, size_t len)
{
	buf_reset(&f->message);
	buf_put_u8(&f->message, SSH_MSG_USERAUTH_REQUEST);
	wire_put_string(&f->message, name, len);
	wire_put_text(&f->message, "ssh-connection");
	wire_put_text(&f->message, "none");
}

static void
test_long_names(void **state)
{
	static const size_t lengths[] = { 256, 1024, 65000, 65536, 1 << 20 };
	struct fixture *f = *state;
	char *name = malloc(1 << 20);
	size_t i;

	memset(name, 'a', 1 << 20);
	named(f, name, 255);
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(strlen(auth_server_login(f->as)), 255);
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		restart(f, 6, NULL);
		named(f, name, lengths[i]);
		if (f->message.len > AUTH_SERVER_MESSAGE_MAX) {
			assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
			expect_denied(f, "authentication request too large");
			continue;
		}
		assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
		expect_failure(f);
		assert_string_equal(auth_server_login(f->as), "");
		assert_int_equal(auth_server_raw_login(f->as).len, 255);
		named(f, name, lengths[i] - 1);
		assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
		expect_denied(f, "Change of username or service not allowed");
	}
	free(name);
}

/* "alice" and "alice\0root" are not the same to anyone. */
static void
test_name_with_a_nul(void **state)
{
	struct fixture *f = *state;

	named(f, "alice\0root", 10);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	assert_string_equal(auth_server_login(f->as), "");
	assert_int_equal(auth_server_raw_login(f->as).len, 10);
	restart(f, 6, NULL);
	begin(f);
	named(f, "alice\0", 6);
	assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
}

static void
test_odd_methods(void **state)
{
	static const char *const methods[] = { "", "publickey,none", "publickey ", "\n",
		"hostbased", "keyboard-interactive", "publickey-hostbound-v01@openssh.com",
		"a-name-of-more-than-sixty-four-letters-is-not-a-name-of-ssh-at-all" };
	struct fixture *f = *state;
	size_t i;

	restart(f, 100, NULL);
	begin(f);
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		request(f, "alice", "ssh-connection", methods[i]);
		wire_put_text(&f->message, "what comes here is not looked at");
		expect_counted_failure(f, (int)i + 1);
		assert_null(strpbrk(auth_server_method(f->as), " \n"));
		assert_string_equal(auth_server_fingerprint(f->as), "");
		assert_int_equal(auth_server_key(f->as).len, 0);
	}
	assert_string_equal(auth_server_method(f->as), "unknown");
}

/* --- messages that are none --- */

static void
test_every_truncation_is_denied(void **state)
{
	struct fixture *f = *state;
	struct buf good;
	uint8_t *cut;
	size_t len, kind;

	buf_init(&good, 10000);
	for (kind = 0; kind < 3; kind++) {
		if (kind == 0)
			query(f, "alice", &f->alice);
		else if (kind == 1)
			proof(f, "alice", &f->alice);
		else
			hostbound(f, &f->alice, "our host key");
		buf_reset(&good);
		buf_put(&good, f->message.data, f->message.len);
		for (len = 0; len < good.len; len++) {
			restart(f, 6, NULL);
			cut = malloc(len == 0 ? 1 : len);
			memcpy(cut, good.data, len);
			assert_int_equal(auth_server_input(f->as, cut, len, &f->out),
			    AUTH_SERVER_DENIED);
			free(cut);
			expect_denied(f, "malformed authentication request");
			restart(f, 6, NULL);
			begin(f);
			assert_int_equal(auth_server_input(f->as, good.data, len, &f->out),
			    AUTH_SERVER_DENIED);
		}
		restart(f, 6, NULL);
		buf_put_u8(&good, 0);
		assert_int_equal(auth_server_input(f->as, good.data, good.len, &f->out),
		    AUTH_SERVER_DENIED);
		expect_denied(f, "malformed authentication request");
	}
	buf_free(&good);
}

static void
test_lengths_beyond_the_message(void **state)
{
	static const uint8_t message[] = { 50, 0xff, 0xff, 0xff, 0xff, 'a' };
	struct fixture *f = *state;

	assert_int_equal(auth_server_input(f->as, message, sizeof(message), &f->out),
	    AUTH_SERVER_DENIED);
	expect_denied(f, "malformed authentication request");
}

/* F3 */
static void
test_messages_of_other_types(void **state)
{
	struct fixture *f = *state;
	uint8_t message[5] = { 0 };
	int type, when;

	for (when = 0; when < 3; when++) {
		for (type = 0; type < 256; type++) {
			if (type == SSH_MSG_USERAUTH_REQUEST)
				continue;
			restart(f, 6, NULL);
			if (when > 0) {
				begin(f);
				proof(f, "alice", &f->alice);
			}
			if (when == 2)
				assert_int_equal(send_message(f), AUTH_SERVER_KEY_PROVEN);
			message[0] = (uint8_t)type;
			assert_int_equal(auth_server_input(f->as, message, sizeof(message),
					     &f->out),
			    AUTH_SERVER_DENIED);
			assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
			expect_nothing(f);
		}
	}
}

static void
test_calls_out_of_turn(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
	expect_denied(f, "not allowed in this state");
	restart(f, 6, NULL);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_DENIED);
	restart(f, 6, NULL);
	begin(f);
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_DENIED);
	restart(f, 6, NULL);
	begin(f);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_DENIED);
	expect_nothing(f);
}

/* --- several at once --- */

static void
test_pipelined_during_lookup(void **state)
{
	struct fixture *f = *state;

	request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	query(f, "alice", &f->mallory);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	query(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	proof(f, "alice", &f->mallory);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_nothing(f);
	assert_int_equal(f->asked, 0);

	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_KEY_PROVEN);
	expect_failure(f);
	expect_failure(f);
	expect_pk_ok(f, &f->alice);
	expect_nothing(f);
	/* the key that was proven is the one told, whatever came behind it */
	assert_true(bytes_equal(auth_server_key(f->as), buf_bytes(&f->alice.blob)));
	assert_int_equal(auth_server_failure(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_failure(f);
	expect_failure(f);
	expect_nothing(f);
	assert_int_equal(f->failures, 2);
}

static void
test_pipelined_behind_a_proof_is_dropped_by_success(void **state)
{
	struct fixture *f = *state;

	begin(f);
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_KEY_PROVEN);
	proof(f, "alice", &f->mallory);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	/* looked at while it waits, the proof is still the one of alice */
	assert_true(bytes_equal(auth_server_key(f->as), buf_bytes(&f->alice.blob)));
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_success(f);
	expect_nothing(f);
}

static void
test_pipelined_change_of_user(void **state)
{
	struct fixture *f = *state;

	request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	proof(f, "bob", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_DENIED);
	expect_failure(f); /* the answer to the first */
	expect_denied(f, "Change of username or service not allowed");
}

static void
test_too_many_pipelined(void **state)
{
	struct fixture *f = *state;
	int i;

	request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	for (i = 0; i < AUTH_SERVER_PENDING_MAX; i++)
		assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
	expect_denied(f, "too many requests at once");
}

static void
test_too_much_pipelined(void **state)
{
	struct fixture *f = *state;

	request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	request(f, "alice", "ssh-connection", "password");
	wire_put_u32(&f->message, 40000);
	memset(buf_reserve(&f->message, 40000), 'x', 40000);
	f->message.len += 40000;
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
	expect_denied(f, "too many requests at once");
}

/* --- banner --- */

static void
test_banner_once_before_the_first_reply(void **state)
{
	struct fixture *f = *state;

	restart(f, 6, "hello\n");
	request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	expect_nothing(f);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_REPLY);
	expect_banner(f, "hello\n");
	expect_failure(f);
	query(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_pk_ok(f, &f->alice);
	expect_nothing(f);
}

static void
test_banner_before_success(void **state)
{
	struct fixture *f = *state;

	restart(f, 6, "hello\n");
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &f->out), AUTH_SERVER_KEY_PROVEN);
	expect_nothing(f);
	assert_int_equal(auth_server_success(f->as, &f->out), AUTH_SERVER_REPLY);
	expect_banner(f, "hello\n");
	expect_success(f);
	expect_nothing(f);
}

static void
test_banner_of_one_line(void **state)
{
	struct fixture *f = *state;

	auth_server_banner("the machine behind does not answer", &f->out);
	expect_banner(f, "the machine behind does not answer\r\n");
	expect_nothing(f);
}

/* What is appended to a full buffer is an error there, and nothing else. */
static void
test_no_room_for_the_reply(void **state)
{
	struct fixture *f = *state;
	struct buf out;

	request(f, "alice", "ssh-connection", "none");
	assert_int_equal(send_message(f), AUTH_SERVER_LOOKUP);
	buf_init(&out, 10);
	assert_int_equal(auth_server_resume(f->as, PUBLICKEY, &out), AUTH_SERVER_REPLY);
	assert_int_equal(buf_err(&out), ERR_TOOBIG);
	buf_free(&out);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* --- the line for who has no key --- */

#define KBDINT "keyboard-interactive"
#define HINT "no key of yours"

static void
expect_methods(struct fixture *f, const char *methods)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_FAILURE);
	wire_put_text(&want, methods);
	wire_put_bool(&want, 0);
	expect(f, &want);
	buf_free(&want);
}

static void
expect_hint(struct fixture *f)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_put_u8(&want, SSH_MSG_USERAUTH_INFO_REQUEST);
	wire_put_text(&want, "");
	wire_put_text(&want, HINT);
	wire_put_text(&want, "");
	wire_put_u32(&want, 0);
	expect(f, &want);
	buf_free(&want);
}

static void
ask_for_hint(struct fixture *f)
{
	request(f, "alice", "ssh-connection", KBDINT);
	wire_put_text(&f->message, "");
	wire_put_text(&f->message, "");
}

static void
begin_with_hint(struct fixture *f)
{
	auth_server_free(&f->as);
	start_with(f, 3, NULL, HINT);
	begin(f);
	/* not offered to who has not shown a key */
	ask_for_hint(f);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	query(f, "alice", &f->mallory);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_methods(f, PUBLICKEY "," KBDINT);
	assert_int_equal(f->refusals, 1);
}

static void
info_response(struct fixture *f)
{
	buf_reset(&f->message);
	buf_put_u8(&f->message, SSH_MSG_USERAUTH_INFO_RESPONSE);
	wire_put_u32(&f->message, 0);
}

static void
test_hint_is_shown_once_and_is_no_try(void **state)
{
	struct fixture *f = *state;

	begin_with_hint(f);
	ask_for_hint(f);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_hint(f);
	info_response(f);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	expect_nothing(f);
	assert_int_equal(auth_server_tries(f->as), 1);
	/* from here on it is a method like any that is not offered */
	ask_for_hint(f);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	assert_int_equal(auth_server_tries(f->as), 2);
	ask_for_hint(f);
	assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
}

static void
test_hint_does_not_let_in(void **state)
{
	struct fixture *f = *state;
	int i;

	begin_with_hint(f);
	ask_for_hint(f);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_hint(f);
	/* answers nobody asked for */
	info_response(f);
	f->message.data[4] = 1;
	wire_put_text(&f->message, "let me in");
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_failure(f);
	for (i = 0; i < 2; i++) {
		info_response(f);
		assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
	}
	expect_nothing(f);
}

static void
test_another_request_ends_the_conversation(void **state)
{
	struct fixture *f = *state;

	begin_with_hint(f);
	ask_for_hint(f);
	assert_int_equal(send_message(f), AUTH_SERVER_REPLY);
	expect_hint(f);
	proof(f, "alice", &f->alice);
	assert_int_equal(send_message(f), AUTH_SERVER_KEY_PROVEN);
	expect_nothing(f);
	/* too late for the answer */
	info_response(f);
	assert_int_equal(send_message(f), AUTH_SERVER_DENIED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_login),
		T(test_second_success_is_refused_for_good),
		T(test_proof_as_first_request),
		T(test_each_key_is_looked_up),
		T(test_the_same_key_is_looked_up_once),
		T(test_hostbound_login),
		T(test_hostbound_query),
		T(test_hostbound_to_another_host_fails),
		T(test_query_is_not_a_proof),
		T(test_signature_over_another_session),
		T(test_signature_of_another_key),
		T(test_any_changed_byte_fails),
		T(test_unknown_key_is_verified_all_the_same),
		T(test_unusable_keys_are_answered),
		T(test_signature_of_another_algorithm),
		T(test_publickey_is_refused_where_it_is_not_offered),
		T(test_many_keys_in_the_agent),
		T(test_max_tries),
		T(test_max_tries_of_one),
		T(test_queries_without_end),
		T(test_failure_after_proof_counts),
		T(test_change_of_user),
		T(test_change_of_service),
		T(test_unknown_service),
		T(test_bad_names),
		T(test_long_names),
		T(test_name_with_a_nul),
		T(test_odd_methods),
		T(test_every_truncation_is_denied),
		T(test_lengths_beyond_the_message),
		T(test_messages_of_other_types),
		T(test_calls_out_of_turn),
		T(test_pipelined_during_lookup),
		T(test_pipelined_behind_a_proof_is_dropped_by_success),
		T(test_pipelined_change_of_user),
		T(test_too_many_pipelined),
		T(test_too_much_pipelined),
		T(test_banner_once_before_the_first_reply),
		T(test_banner_before_success),
		T(test_banner_of_one_line),
		T(test_no_room_for_the_reply),
		cmocka_unit_test_setup_teardown(test_hint_is_shown_once_and_is_no_try, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_hint_does_not_let_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_request_ends_the_conversation, setup,
		    teardown),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests_name("auth_server", tests, NULL, NULL);
}
