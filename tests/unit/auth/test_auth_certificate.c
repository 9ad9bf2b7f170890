/*
 * auth/auth_server.c and auth_client.c with certificates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <sodium.h>

#include "auth/auth_client.h"
#include "auth/auth_server.h"
#include "formats/cert.h"
#include "formats/pubkey.h"
#include "cert_samples.h"
#include "wire/ssh.h"
#include "auth_messages.h"

#define ED25519_CERT_ALG "ssh-ed25519-cert-v01@openssh.com"
#define RSA_CERT_TYPE "ssh-rsa-cert-v01@openssh.com"

static const uint8_t id[32] = "the exchange hash of this test";

struct fixture {
	struct auth_server *as;
	struct buf blob, key; /* a certificate, and the key that it is for */
	struct buf message, out;
	int asked, verified;
	char alg[64]; /* what was to be verified, or signed */
};

/* Is it shown whole, to whom decides? */
static int
key_allowed(void *ctx, const char *alg, struct bytes blob)
{
	struct fixture *f = ctx;

	f->asked++;
	snprintf(f->alg, sizeof(f->alg), "%s", alg);
	return bytes_equal(blob, buf_bytes(&f->blob));
}

/* By the key alone, and its own algorithm. */
static int
verify(void *ctx, const char *alg, struct bytes blob, struct bytes sig, const void *data,
    size_t len)
{
	struct fixture *f = ctx;

	(void)data;
	(void)len;
	f->verified++;
	snprintf(f->alg, sizeof(f->alg), "%s", alg);
	assert_true(bytes_equal(blob, buf_bytes(&f->key)));
	assert_true(sig.len > 0);
	return 0;
}

static const struct auth_server_ops server_ops = { key_allowed, verify, NULL, NULL };

static void
begin(struct fixture *f, const char *cert, const char *key)
{
	const struct auth_server_config config = { .session_id = id,
		.session_id_len = sizeof(id),
		.max_tries = 100 };

	*f = (struct fixture){ 0 };
	buf_init(&f->blob, 65536);
	buf_init(&f->key, 65536);
	buf_init(&f->message, 65536);
	buf_init(&f->out, 65536);
	assert_int_equal(pubkey_parse(cert, strlen(cert), &f->blob), 0);
	assert_int_equal(pubkey_parse(key, strlen(key), &f->key), 0);
	f->as = auth_server_new(&config, &server_ops, f);
	assert_non_null(f->as);
}

static void
end(struct fixture *f)
{
	auth_server_free(&f->as);
	buf_free(&f->blob);
	buf_free(&f->key);
	buf_free(&f->message);
	buf_free(&f->out);
}

/* inner: the name in the signature, NULL for a query. */
static enum auth_server_verdict
request(struct fixture *f, const char *alg, const struct buf *blob, const char *inner)
{
	enum auth_server_verdict v;
	struct buf sig;

	buf_init(&sig, 1000);
	buf_reset(&f->message);
	buf_reset(&f->out);
	buf_put_u8(&f->message, SSH_MSG_USERAUTH_REQUEST);
	wire_put_text(&f->message, "alice");
	wire_put_text(&f->message, "ssh-connection");
	wire_put_text(&f->message, "publickey");
	wire_put_bool(&f->message, inner != NULL);
	wire_put_text(&f->message, alg);
	wire_put_string(&f->message, blob->data, blob->len);
	if (inner != NULL) {
		wire_put_text(&sig, inner);
		wire_put_text(&sig, "made by the test");
		wire_put_string(&f->message, sig.data, sig.len);
	}
	buf_free(&sig);
	v = auth_server_input(f->as, f->message.data, f->message.len, &f->out);
	if (v == AUTH_SERVER_LOOKUP)
		v = auth_server_resume(f->as, "publickey", &f->out);
	return v;
}

/* The type of the one message that is sent. */
static int
sent(const struct fixture *f)
{
	return f->out.len > 4 ? f->out.data[4] : -1;
}

static void
test_query_and_proof(void **state)
{
	static const struct {
		const char *cert, *key, *alg, *inner, *word;
	} all[] = {
		{ ED25519_CERT, ED25519_KEY, ED25519_CERT_ALG, "ssh-ed25519", "ED25519-CERT" },
		{ P384_CERT, P384_KEY, "ecdsa-sha2-nistp384-cert-v01@openssh.com",
		    "ecdsa-sha2-nistp384", "ECDSA-CERT" },
		{ RSA_CERT, RSA_KEY, "rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-256",
		    "RSA-CERT" },
		{ RSA_CERT, RSA_KEY, "rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-512",
		    "RSA-CERT" },
		{ SKED25519_CERT, SKED25519_KEY, "sk-ssh-ed25519-cert-v01@openssh.com",
		    "sk-ssh-ed25519@openssh.com", "ED25519-SK-CERT" },
		{ SKP256_CERT, SKP256_KEY, "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
		    "sk-ecdsa-sha2-nistp256@openssh.com", "ECDSA-SK-CERT" },
	};
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		begin(&f, all[i].cert, all[i].key);
		assert_int_equal(request(&f, all[i].alg, &f.blob, NULL), AUTH_SERVER_REPLY);
		assert_int_equal(sent(&f), SSH_MSG_USERAUTH_PK_OK);
		assert_string_equal(f.alg, all[i].alg);
		assert_int_equal(f.verified, 0);
		assert_int_equal(request(&f, all[i].alg, &f.blob, all[i].inner),
		    AUTH_SERVER_KEY_PROVEN);
		assert_string_equal(f.alg, all[i].inner);
		pubkey_fingerprint(buf_bytes(&f.key), fingerprint);
		assert_string_equal(auth_server_fingerprint(f.as), fingerprint);
		assert_string_equal(pubkey_type_short(auth_server_key_type(f.as)), all[i].word);
		assert_true(bytes_equal(auth_server_key(f.as), buf_bytes(&f.blob)));
		end(&f);
	}
}

static void
expect_no(struct fixture *f, const char *alg, const struct buf *blob, const char *inner)
{
	int asked = f->asked, verified = f->verified;

	assert_int_equal(request(f, alg, blob, inner), AUTH_SERVER_REPLY);
	assert_int_equal(sent(f), SSH_MSG_USERAUTH_FAILURE);
	assert_int_equal(f->asked, asked);
	assert_int_equal(f->verified, verified);
}

/* What does not fit together is asked of nobody. */
static void
test_algorithms_that_do_not_fit(void **state)
{
	struct fixture f;
	struct buf broken;

	(void)state;
	begin(&f, RSA_CERT, RSA_KEY);
	expect_no(&f, RSA_CERT_TYPE, &f.blob, NULL);
	expect_no(&f, RSA_CERT_TYPE, &f.blob, "ssh-rsa");
	expect_no(&f, "rsa-sha2-512", &f.blob, "rsa-sha2-512");
	expect_no(&f, "ssh-rsa", &f.blob, "ssh-rsa");
	expect_no(&f, ED25519_CERT_ALG, &f.blob, "ssh-ed25519");
	expect_no(&f, "rsa-sha2-512-cert-v01@openssh.com", &f.key, "rsa-sha2-512");
	end(&f);

	begin(&f, ED25519_CERT, ED25519_KEY);
	expect_no(&f, "ssh-ed25519", &f.blob, "ssh-ed25519");
	expect_no(&f, ED25519_CERT_ALG, &f.key, "ssh-ed25519");
	buf_init(&broken, 65536);
	buf_put(&broken, f.blob.data, f.blob.len);
	buf_put_u8(&broken, 0);
	expect_no(&f, ED25519_CERT_ALG, &broken, NULL);
	broken.len = 100;
	expect_no(&f, ED25519_CERT_ALG, &broken, NULL);
	buf_free(&broken);
	/* the name inside the signature is the key's: it is allowed, and not proven */
	assert_int_equal(request(&f, ED25519_CERT_ALG, &f.blob, ED25519_CERT_ALG),
	    AUTH_SERVER_REPLY);
	assert_int_equal(sent(&f), SSH_MSG_USERAUTH_FAILURE);
	assert_int_equal(f.verified, 0);
	end(&f);

	begin(&f, SHA1_CERT, ED25519_KEY);
	expect_no(&f, ED25519_CERT_ALG, &f.blob, "ssh-ed25519");
	end(&f);
}

/* Where the key decides, a certificate for the same key is another. */
static void
test_lookup_for_certificate_and_key(void **state)
{
	struct fixture f;
	struct buf other;

	(void)state;
	begin(&f, ED25519_CERT, ED25519_KEY);
	auth_server_each_key(f.as, 1);
	assert_int_equal(request(&f, ED25519_CERT_ALG, &f.blob, NULL), AUTH_SERVER_REPLY);
	buf_reset(&f.out);
	assert_int_equal(auth_server_input(f.as, f.message.data, f.message.len, &f.out),
	    AUTH_SERVER_REPLY);
	buf_init(&other, 1000);
	buf_put_u8(&other, SSH_MSG_USERAUTH_REQUEST);
	wire_put_text(&other, "alice");
	wire_put_text(&other, "ssh-connection");
	wire_put_text(&other, "publickey");
	wire_put_bool(&other, 0);
	wire_put_text(&other, "ssh-ed25519");
	wire_put_string(&other, f.key.data, f.key.len);
	assert_int_equal(auth_server_input(f.as, other.data, other.len, &f.out),
	    AUTH_SERVER_LOOKUP);
	buf_free(&other);
	end(&f);
}

/* --- the client --- */

static int
sign(void *ctx, const char *alg, const void *data, size_t len, struct buf *sig)
{
	struct fixture *f = ctx;

	(void)data;
	(void)len;
	snprintf(f->alg, sizeof(f->alg), "%s", alg);
	wire_put_text(sig, alg);
	wire_put_text(sig, "made by the test");
	return 0;
}

static struct auth_client *
client(struct fixture *f, const char *sig_algs)
{
	static const struct auth_client_ops ops = { sign };
	const struct auth_client_config config = { .session_id = id,
		.session_id_len = sizeof(id),
		.user = "ubuntu",
		.blob = buf_bytes(&f->key),
		.certificate = buf_bytes(&f->blob),
		.server_sig_algs = sig_algs };

	return auth_client_new(&config, &ops, f);
}

/* The request that was sent: with this algorithm and key. */
static void
expect_request(struct fixture *f, const char *alg, const struct buf *blob, const char *inner)
{
	struct wire w;

	(void)sent_request(&f->out, "publickey", &w);
	assert_true(wire_bool(&w));
	assert_true(bytes_is(wire_string(&w), alg));
	assert_true(bytes_equal(wire_string(&w), buf_bytes(blob)));
	(void)wire_string(&w);
	assert_int_equal(wire_end(&w), 0);
	assert_string_equal(f->alg, inner);
	buf_reset(&f->out);
}

static enum auth_client_verdict
refuse(struct fixture *f, struct auth_client *ac, const char *methods, int partial)
{
	put_failure(&f->message, methods, partial);
	return auth_client_input(ac, f->message.data, f->message.len, &f->out);
}

static void
test_certificate_then_key(void **state)
{
	struct auth_client *ac;
	struct fixture f;

	(void)state;
	begin(&f, ED25519_CERT, ED25519_KEY);
	ac = client(&f, NULL);
	assert_int_equal(auth_client_start(ac, &f.out), AUTH_CLIENT_SEND);
	expect_request(&f, ED25519_CERT_ALG, &f.blob, "ssh-ed25519");
	assert_int_equal(auth_client_certificate_refused(ac), 0);
	assert_int_equal(refuse(&f, ac, "password,publickey", 0), AUTH_CLIENT_SEND);
	expect_request(&f, "ssh-ed25519", &f.key, "ssh-ed25519");
	assert_int_equal(auth_client_certificate_refused(ac), 1);
	assert_int_equal(refuse(&f, ac, "password,publickey", 0), AUTH_CLIENT_FAILED);
	assert_string_equal(auth_client_reason(ac),
	    "upstream refused the mapped key and its certificate; it offers password,publickey");
	assert_int_equal(f.out.len, 0);
	auth_client_free(&ac);

	/* keys are not offered any more, or it is passed and more is wanted */
	ac = client(&f, NULL);
	assert_int_equal(auth_client_start(ac, &f.out), AUTH_CLIENT_SEND);
	assert_int_equal(refuse(&f, ac, "password", 0), AUTH_CLIENT_FAILED);
	auth_client_free(&ac);
	ac = client(&f, NULL);
	assert_int_equal(auth_client_start(ac, &f.out), AUTH_CLIENT_SEND);
	assert_int_equal(refuse(&f, ac, "publickey", 1), AUTH_CLIENT_FAILED);
	assert_int_equal(auth_client_certificate_refused(ac), 0);
	auth_client_free(&ac);
	end(&f);
}

/* With Key = ca: no upstream knows the key: the refusal of its certificate is the reason. */
static void
test_certificate_that_was_made_for_the_login(void **state)
{
	const struct auth_client_config config = { .session_id = id,
		.session_id_len = sizeof(id),
		.user = "ubuntu" };
	static const struct auth_client_ops ops = { sign };
	struct auth_client *ac;
	struct fixture f;

	(void)state;
	begin(&f, ED25519_CERT, ED25519_KEY);
	ac = auth_client_new(&config, &ops, &f);
	assert_int_equal(auth_client_certify(ac, buf_bytes(&f.key), buf_bytes(&f.blob)), 0);
	assert_int_equal(auth_client_start(ac, &f.out), AUTH_CLIENT_SEND);
	assert_int_equal(auth_client_certify(ac, buf_bytes(&f.key), buf_bytes(&f.blob)),
	    ERR_BADSTATE);
	expect_request(&f, ED25519_CERT_ALG, &f.blob, "ssh-ed25519");
	assert_int_equal(refuse(&f, ac, "password,publickey", 0), AUTH_CLIENT_FAILED);
	assert_int_equal(auth_client_certificate_refused(ac), 1);
	assert_string_equal(auth_client_reason(ac),
	    "upstream refused the certificate; it offers password,publickey");
	assert_int_equal(f.out.len, 0);
	auth_client_free(&ac);
	ac = auth_client_new(&config, &ops, &f);
	assert_int_equal(auth_client_certify(ac, buf_bytes(&f.key), buf_bytes(&f.blob)), 0);
	assert_int_equal(auth_client_start(ac, &f.out), AUTH_CLIENT_SEND);
	assert_int_equal(refuse(&f, ac, "password", 1), AUTH_CLIENT_FAILED);
	assert_string_equal(auth_client_reason(ac),
	    "upstream accepted the certificate but wants more, which is not supported: password");
	auth_client_free(&ac);
	end(&f);
}

static void
test_rsa_certificate(void **state)
{
	struct auth_client *ac;
	struct fixture f;

	(void)state;
	begin(&f, RSA_CERT, RSA_KEY);
	ac = client(&f, NULL);
	assert_int_equal(auth_client_start(ac, &f.out), AUTH_CLIENT_SEND);
	expect_request(&f, "rsa-sha2-512-cert-v01@openssh.com", &f.blob, "rsa-sha2-512");
	auth_client_free(&ac);
	ac = client(&f, "ssh-ed25519,rsa-sha2-256");
	assert_int_equal(auth_client_start(ac, &f.out), AUTH_CLIENT_SEND);
	expect_request(&f, "rsa-sha2-256-cert-v01@openssh.com", &f.blob, "rsa-sha2-256");
	assert_int_equal(refuse(&f, ac, "publickey", 0), AUTH_CLIENT_SEND);
	expect_request(&f, "rsa-sha2-256", &f.key, "rsa-sha2-256");
	auth_client_free(&ac);
	end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query_and_proof),
		cmocka_unit_test(test_algorithms_that_do_not_fit),
		cmocka_unit_test(test_lookup_for_certificate_and_key),
		cmocka_unit_test(test_certificate_then_key),
		cmocka_unit_test(test_certificate_that_was_made_for_the_login),
		cmocka_unit_test(test_rsa_certificate),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
