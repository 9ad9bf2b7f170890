/*
 * formats/cert.c: certificates by ssh-keygen(1), and ones whose fields are made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cert_samples.h"
#include "formats/cert.h"
#include "formats/pubkey.h"

#define NOW 1700000000

static const struct sample {
	const char *type, *cert, *key;
} samples[] = {
	{ "ssh-ed25519", ED25519_CERT, ED25519_KEY },
	{ "ecdsa-sha2-nistp256", P256_CERT, P256_KEY },
	{ "ecdsa-sha2-nistp384", P384_CERT, P384_KEY },
	{ "ecdsa-sha2-nistp521", P521_CERT, P521_KEY },
	{ "ssh-rsa", RSA_CERT, RSA_KEY },
	{ "sk-ssh-ed25519@openssh.com", SKED25519_CERT, SKED25519_KEY },
	{ "sk-ecdsa-sha2-nistp256@openssh.com", SKP256_CERT, SKP256_KEY },
};

#define NSAMPLES (sizeof(samples) / sizeof(samples[0]))

static void
test_certificate_of_every_type(void **state)
{
	struct reason why;
	char of_cert[PUBKEY_FINGERPRINT_SIZE], of_key[PUBKEY_FINGERPRINT_SIZE];
	struct buf blob, key, plain, ca;
	struct cert c;
	size_t i;

	(void)state;
	sample_blob(CA_KEY, &ca);
	for (i = 0; i < NSAMPLES; i++) {
		sample_blob(samples[i].cert, &blob);
		sample_blob(samples[i].key, &key);
		buf_init(&plain, 65536);
		assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
		assert_string_equal(c.key_type, samples[i].type);
		assert_int_equal(c.kind, CERT_USER);
		assert_int_equal(c.serial, 7);
		assert_true(bytes_is(c.key_id, "an id"));
		assert_true(bytes_equal(c.ca, buf_bytes(&ca)));
		assert_true(cert_has_principal(&c, "alice") && cert_has_principal(&c, "bob"));
		assert_false(cert_has_principal(&c, "carol") || cert_has_principal(&c, "") ||
		    cert_has_principal(&c, "alic") || cert_has_principal(&c, "*") ||
		    cert_has_principal(&c, "alice,bob"));
		assert_true(cert_valid(&c, CERT_USER, NOW, &why));
		cert_put_key(buf_bytes(&blob), &plain);
		assert_true(bytes_equal(buf_bytes(&plain), buf_bytes(&key)));
		pubkey_fingerprint(buf_bytes(&blob), of_cert);
		pubkey_fingerprint(buf_bytes(&key), of_key);
		assert_string_equal(of_cert, of_key);
		assert_int_equal(cert_parse(&c, buf_bytes(&key)), ERR_ALGORITHM);
		buf_free(&plain);
		buf_free(&key);
		buf_free(&blob);
	}
	buf_free(&ca);
}

static void
test_certificate_as_the_log_shows_it(void **state)
{
	char shown[CERT_SHOW_SIZE], expected[CERT_SHOW_SIZE], ca[PUBKEY_FINGERPRINT_SIZE];
	struct buf blob;
	struct cert c;

	(void)state;
	sample_blob(CA_KEY, &blob);
	pubkey_fingerprint(buf_bytes(&blob), ca);
	buf_free(&blob);
	snprintf(expected, sizeof(expected), "ID an id (serial 7) CA ED25519 %s", ca);
	sample_blob(ED25519_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	assert_string_equal(cert_show(&c, shown), expected);
	c.key_id = (struct bytes){ (const uint8_t *)"a\nb", 3 };
	assert_non_null(strstr(cert_show(&c, shown), "ID a\\012b (serial 7)"));
	buf_free(&blob);
}

static void
test_algorithm_fits_the_type(void **state)
{
	static const char rsa[] = "ssh-rsa-cert-v01@openssh.com";
	static const char ed[] = "ssh-ed25519-cert-v01@openssh.com";

	(void)state;
	assert_string_equal(cert_algorithm(ed, ed), "ssh-ed25519");
	assert_string_equal(cert_algorithm(rsa, "rsa-sha2-256-cert-v01@openssh.com"),
	    "rsa-sha2-256");
	assert_string_equal(cert_algorithm(rsa, "rsa-sha2-512-cert-v01@openssh.com"),
	    "rsa-sha2-512");
	assert_null(cert_algorithm(rsa, rsa));
	assert_null(cert_algorithm(rsa, "rsa-sha2-512"));
	assert_null(cert_algorithm(ed, "ssh-ed25519"));
	assert_null(cert_algorithm(ed, rsa));
	assert_null(cert_algorithm("ssh-ed25519", "ssh-ed25519"));
	assert_null(cert_algorithm("ssh-dss-cert-v01@openssh.com", "ssh-dss-cert-v01@openssh.com"));
	assert_string_equal(cert_algorithm_for(ed, "ssh-ed25519"), ed);
	assert_string_equal(cert_algorithm_for(rsa, "rsa-sha2-256"),
	    "rsa-sha2-256-cert-v01@openssh.com");
	assert_null(cert_algorithm_for(rsa, "ssh-rsa"));
}

static void
test_validity(void **state)
{
	struct buf blob;
	struct cert c;
	struct reason why;

	(void)state;
	sample_blob(ED25519_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	assert_int_equal(c.valid_after, 1577836800);
	assert_true(cert_valid(&c, CERT_USER, 1577836800, &why));
	assert_false(cert_valid(&c, CERT_USER, 1577836799, &why));
	assert_string_equal(why.text,
	    "the certificate is not valid before 2020-01-01 00:00:00Z; this host's clock says "
	    "2019-12-31 23:59:59Z");
	assert_false(cert_valid(&c, CERT_USER, -1, &why));
	assert_true(cert_valid(&c, CERT_USER, (time_t)c.valid_before - 1, &why));
	assert_false(cert_valid(&c, CERT_USER, (time_t)c.valid_before, &why));
	assert_string_equal(why.text,
	    "the certificate has expired: it was valid until 2040-01-01 00:00:00Z; this host's "
	    "clock says 2040-01-01 00:00:00Z");
	c.valid_before = UINT64_MAX;
	assert_true(cert_valid(&c, CERT_USER, (time_t)INT64_MAX, &why));
	c.valid_after = UINT64_MAX;
	assert_false(cert_valid(&c, CERT_USER, NOW, &why));
	assert_non_null(strstr(why.text, "the certificate is not valid before a distant day; "));
	buf_free(&blob);

	sample_blob(HOST_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	assert_false(cert_valid(&c, CERT_USER, NOW, &why));
	assert_string_equal(why.text, "the certificate is a host's, not a user's");
	buf_free(&blob);
}

static void
test_certificate_of_a_host(void **state)
{
	struct buf blob;
	struct cert c;
	struct reason why;

	(void)state;
	sample_blob(HOST_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	assert_true(cert_names_host(&c, "alice", NOW, &why));
	assert_false(cert_names_host(&c, "carol", NOW, &why));
	assert_string_equal(why.text, "carol is not a principal of the certificate");
	assert_false(cert_names_host(&c, "Alice", NOW, &why));
	assert_false(cert_names_host(&c, "alice", (time_t)c.valid_before, &why));
	c.critical = c.principals;
	assert_false(cert_names_host(&c, "alice", NOW, &why));
	c.critical.len = c.principals.len = 0;
	assert_true(cert_names_host(&c, "carol", NOW, &why));
	buf_free(&blob);

	sample_blob(ED25519_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	assert_false(cert_names_host(&c, "alice", NOW, &why));
	assert_string_equal(why.text, "the certificate is a user's, not a host's");
	buf_free(&blob);

	assert_true(cert_is_algorithm("rsa-sha2-256-cert-v01@openssh.com"));
	assert_true(cert_is_algorithm("ssh-ed25519-cert-v01@openssh.com"));
	assert_false(cert_is_algorithm("ssh-rsa-cert-v01@openssh.com"));
	assert_false(cert_is_algorithm("ssh-ed25519"));
}

struct fields {
	const char *type;
	uint32_t kind;
	struct buf principals, critical, extensions;
	const char *ca; /* public line */
	const char *signature;
	const char *behind;
};

static int
parse_fields(const struct fields *f)
{
	struct buf blob, key, ca, sig;
	struct cert c;
	int r;

	buf_init(&blob, 1 << 20);
	buf_init(&sig, 1000);
	sample_blob(ED25519_KEY, &key);
	sample_blob(f->ca, &ca);
	wire_put_text(&blob, f->type);
	wire_put_text(&blob, "nonce");
	buf_put(&blob, key.data + 4 + 11, key.len - 4 - 11);
	wire_put_u64(&blob, 1);
	wire_put_u32(&blob, f->kind);
	wire_put_text(&blob, "id");
	wire_put_string(&blob, f->principals.data, f->principals.len);
	wire_put_u64(&blob, 0);
	wire_put_u64(&blob, UINT64_MAX);
	wire_put_string(&blob, f->critical.data, f->critical.len);
	wire_put_string(&blob, f->extensions.data, f->extensions.len);
	wire_put_text(&blob, "");
	wire_put_string(&blob, ca.data, ca.len);
	wire_put_text(&sig, f->signature);
	wire_put_text(&sig, "0123456789");
	wire_put_string(&blob, sig.data, sig.len);
	buf_put(&blob, f->behind, strlen(f->behind));
	assert_int_equal(buf_err(&blob), 0);
	r = cert_parse(&c, buf_bytes(&blob));
	buf_free(&sig);
	buf_free(&ca);
	buf_free(&key);
	buf_free(&blob);
	return r;
}

static struct fields
good_fields(void)
{
	struct fields f = { .type = "ssh-ed25519-cert-v01@openssh.com",
		.kind = CERT_USER,
		.ca = CA_KEY,
		.signature = "ssh-ed25519",
		.behind = "" };

	buf_init(&f.principals, 1 << 20);
	buf_init(&f.critical, 1 << 20);
	buf_init(&f.extensions, 1 << 20);
	return f;
}

static void
test_bad_fields_are_refused(void **state)
{
	struct fields f = good_fields();
	int i;

	(void)state;
	assert_int_equal(parse_fields(&f), 0);
	f.kind = 3;
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	f.kind = 0;
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	f.kind = CERT_HOST;
	assert_int_equal(parse_fields(&f), 0);
	f.behind = "x";
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	f.behind = "";
	f.type = "ssh-dss-cert-v01@openssh.com";
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.type = "ssh-ed25519-cert-v00@openssh.com";
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.type = "ecdsa-sha2-nistp256-cert-v01@openssh.com";
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	f = good_fields();

	f.ca = ED25519_CERT; /* a CA that is a certificate */
	f.signature = "ssh-ed25519-cert-v01@openssh.com";
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.signature = "ssh-ed25519";
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.ca = RSA_CA_KEY;
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.signature = "ssh-rsa";
	assert_int_equal(parse_fields(&f), ERR_ALGORITHM);
	f.signature = "rsa-sha2-256";
	assert_int_equal(parse_fields(&f), 0);

	for (i = 0; i < CERT_PRINCIPALS_MAX; i++)
		wire_put_text(&f.principals, "p");
	assert_int_equal(parse_fields(&f), 0);
	wire_put_text(&f.principals, "p");
	assert_int_equal(parse_fields(&f), ERR_TOOBIG);
	buf_reset(&f.principals);
	wire_put_string(&f.principals, "a\0b", 3);
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	buf_reset(&f.principals);
	buf_put(&f.principals, "\0\0\0\5abc", 7);
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	buf_reset(&f.principals);
	for (i = 0; i <= CERT_OPTIONS_MAX; i++) {
		assert_int_equal(parse_fields(&f), 0);
		wire_put_text(&f.critical, "o");
		wire_put_text(&f.critical, "");
	}
	assert_int_equal(parse_fields(&f), ERR_TOOBIG);
	buf_reset(&f.critical);
	wire_put_text(&f.extensions, "without a value");
	assert_int_equal(parse_fields(&f), ERR_FORMAT);
	buf_free(&f.principals);
	buf_free(&f.critical);
	buf_free(&f.extensions);
}

static void
test_sha1_is_refused(void **state)
{
	struct buf blob;
	struct cert c;

	(void)state;
	sample_blob(SHA1_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), ERR_ALGORITHM);
	buf_free(&blob);
	sample_blob(RSA_CA_CERT, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	buf_free(&blob);
}

/* A certificate of an RSA CA of this size in bytes, though its signature is none. */
static int
parse_rsa_ca(size_t modulus, size_t exponent)
{
	static uint8_t number[4096];
	struct buf ca, line;
	struct fields f = good_fields();
	int r;

	number[0] = 0x7f;
	buf_init(&ca, 65536);
	buf_init(&line, 65536);
	wire_put_text(&ca, "ssh-rsa");
	wire_put_string(&ca, number, exponent);
	wire_put_string(&ca, number, modulus);
	pubkey_format(buf_bytes(&ca), &line);
	f.ca = buf_cstr(&line);
	f.signature = "rsa-sha2-512";
	r = parse_fields(&f);
	buf_free(&line);
	buf_free(&ca);
	return r;
}

static void
test_ca_that_is_weak_or_costly_is_refused(void **state)
{
	(void)state;
	assert_int_equal(parse_rsa_ca(256, 3), ERR_WEAK);
	assert_int_equal(parse_rsa_ca(257, 3), 0);
	assert_int_equal(parse_rsa_ca(1024, 4), 0);
	assert_int_equal(parse_rsa_ca(1025, 3), ERR_COSTLY);
	assert_int_equal(parse_rsa_ca(257, 5), 0);
	assert_int_equal(parse_rsa_ca(257, 6), ERR_COSTLY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificate_of_every_type),
		cmocka_unit_test(test_certificate_as_the_log_shows_it),
		cmocka_unit_test(test_algorithm_fits_the_type),
		cmocka_unit_test(test_validity),
		cmocka_unit_test(test_certificate_of_a_host),
		cmocka_unit_test(test_bad_fields_are_refused),
		cmocka_unit_test(test_sha1_is_refused),
		cmocka_unit_test(test_ca_that_is_weak_or_costly_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
