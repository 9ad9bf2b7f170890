/*
 * formats/cert_write.c against what ssh-keygen has written for the same order (cert_samples.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cert_samples.h"
#include "formats/cert_write.h"

#define AFTER 1577836800  /* 2020-01-01 */
#define BEFORE 2208988800 /* 2040-01-01 */

static char *names[] = { (char *)"alice", (char *)"bob", NULL };
static const struct strlist alice_and_bob = { .v = names, .n = 2 };

/* What the samples are made of, for a key of this line, which the caller frees. */
static struct cert_order
order_for(const char *line, struct buf *key)
{
	sample_blob(line, key);
	return (struct cert_order){ .kind = CERT_USER,
		.key = buf_bytes(key),
		.serial = 7,
		.key_id = "an id",
		.principals = &alice_and_bob,
		.valid_after = AFTER,
		.valid_before = BEFORE,
		.permits = AUTHORIZED_ALL };
}

/* Where the 32 bytes of the nonce are, for a type of this length. */
static size_t
nonce_at(struct bytes blob)
{
	char type[64];

	assert_int_equal(pubkey_type(blob, type), 0);
	return 4 + strlen(type) + 4;
}

/* The certificate of the order is the sample, but for the nonce, which is random. */
static void
check_like(const struct cert_order *order, const char *sample, const char *ca_line)
{
	struct buf made, again, blob, ca;
	struct cert c;
	size_t at;

	sample_blob(sample, &blob);
	sample_blob(ca_line, &ca);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	buf_init(&made, CERT_WRITE_MAX);
	buf_init(&again, CERT_WRITE_MAX);
	assert_int_equal(cert_begin(&made, order, buf_bytes(&ca)), 0);
	assert_int_equal(cert_begin(&again, order, buf_bytes(&ca)), 0);
	at = nonce_at(buf_bytes(&blob));
	assert_int_equal(made.len, c.covered.len);
	assert_memory_not_equal(made.data + at, again.data + at, 32);
	memcpy(made.data + at, blob.data + at, 32);
	assert_memory_equal(made.data, c.covered.p, c.covered.len);
	assert_int_equal(cert_end(&made, c.signature), 0);
	assert_true(bytes_equal(buf_bytes(&made), buf_bytes(&blob)));
	buf_free(&again);
	buf_free(&made);
	buf_free(&ca);
	buf_free(&blob);
}

static void
test_certificate_of_every_type_is_as_by_ssh_keygen(void **state)
{
	static const struct {
		const char *key, *cert;
	} samples[] = {
		{ ED25519_KEY, ED25519_CERT },
		{ P256_KEY, P256_CERT },
		{ P384_KEY, P384_CERT },
		{ P521_KEY, P521_CERT },
		{ RSA_KEY, RSA_CERT },
		{ SKED25519_KEY, SKED25519_CERT },
		{ SKP256_KEY, SKP256_CERT },
	};
	struct cert_order order;
	struct buf key;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		order = order_for(samples[i].key, &key);
		check_like(&order, samples[i].cert, CA_KEY);
		buf_free(&key);
	}
}

static void
test_certificate_by_an_rsa_key_is_as_by_ssh_keygen(void **state)
{
	struct cert_order order;
	struct buf key;

	(void)state;
	order = order_for(ED25519_KEY, &key);
	check_like(&order, RSA_CA_CERT, RSA_CA_KEY);
	buf_free(&key);
}

static void
test_options_are_as_by_ssh_keygen(void **state)
{
	struct cert_order order;
	struct buf key;

	(void)state;
	order = order_for(ED25519_KEY, &key);
	order.force_command = "echo hi";
	order.source_address = "192.0.2.0/24,2001:db8::1";
	order.no_touch_required = 1;
	order.permits = AUTHORIZED_PTY;
	check_like(&order, OPTIONS_CERT, CA_KEY);
	buf_free(&key);
}

static void
test_host_certificate_is_as_by_ssh_keygen(void **state)
{
	struct cert_order order;
	struct buf key;

	(void)state;
	order = order_for(ED25519_KEY, &key);
	order.kind = CERT_HOST;
	order.permits = 0;
	check_like(&order, HOST_CERT, CA_KEY);
	buf_free(&key);
}

static int
begin(const struct cert_order *order, const char *ca_line)
{
	struct buf out, ca;
	int r;

	sample_blob(ca_line, &ca);
	buf_init(&out, CERT_WRITE_MAX);
	r = cert_begin(&out, order, buf_bytes(&ca));
	buf_free(&out);
	buf_free(&ca);
	return r;
}

static void
test_order_that_is_none(void **state)
{
	static char *many[CERT_PRINCIPALS_MAX + 2];
	static char longer[CERT_TEXT_MAX + 2];
	const struct strlist nobody = { 0 };
	struct strlist everybody = { .v = many };
	struct cert_order order, bad;
	struct buf key, cert;
	size_t i;

	(void)state;
	memset(longer, 'x', CERT_TEXT_MAX + 1);
	for (i = 0; i <= CERT_PRINCIPALS_MAX; i++)
		many[i] = names[0];
	order = order_for(ED25519_KEY, &key);
	assert_int_equal(begin(&order, CA_KEY), 0);

	bad = order;
	bad.kind = 0;
	assert_int_equal(begin(&bad, CA_KEY), ERR_FORMAT);
	bad = order;
	bad.principals = &nobody; /* sshd takes it for nobody, ssh a host's for every host */
	assert_int_equal(begin(&bad, CA_KEY), ERR_FORMAT);
	bad = order;
	everybody.n = CERT_PRINCIPALS_MAX;
	bad.principals = &everybody;
	assert_int_equal(begin(&bad, CA_KEY), 0);
	everybody.n++;
	assert_int_equal(begin(&bad, CA_KEY), ERR_TOOBIG);
	bad = order;
	bad.valid_before = bad.valid_after;
	assert_int_equal(begin(&bad, CA_KEY), ERR_FORMAT);
	bad = order;
	bad.force_command = longer + 1;
	assert_int_equal(begin(&bad, CA_KEY), 0);
	bad.force_command = longer;
	assert_int_equal(begin(&bad, CA_KEY), ERR_FORMAT);
	bad = order;
	bad.key_id = longer;
	assert_int_equal(begin(&bad, CA_KEY), ERR_FORMAT);
	bad = order;
	bad.kind = CERT_HOST; /* with extensions */
	assert_int_equal(begin(&bad, CA_KEY), ERR_FORMAT);

	assert_int_equal(begin(&order, SKED25519_KEY), ERR_ALGORITHM);
	sample_blob(ED25519_CERT, &cert);
	bad = order;
	bad.key = buf_bytes(&cert);
	assert_int_equal(begin(&bad, CA_KEY), ERR_ALGORITHM);
	bad.key = (struct bytes){ key.data, key.len - 1 };
	assert_int_equal(begin(&bad, CA_KEY), ERR_FORMAT);
	buf_free(&cert);
	buf_free(&key);
}

/* A signature of another algorithm, or none, makes no certificate. */
static void
test_signature_that_is_none(void **state)
{
	static const char *const wrong[] = { "", "ssh-ed25519", "ssh-rsa" };
	struct cert_order order;
	struct buf key, ca, out, sig;
	size_t i;

	(void)state;
	order = order_for(ED25519_KEY, &key);
	sample_blob(RSA_CA_KEY, &ca);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		buf_init(&out, CERT_WRITE_MAX);
		buf_init(&sig, 128);
		if (wrong[i][0] != '\0')
			wire_put_text(&sig, wrong[i]);
		wire_put_text(&sig, "0123456789");
		assert_int_equal(cert_begin(&out, &order, buf_bytes(&ca)), 0);
		assert_int_not_equal(cert_end(&out, buf_bytes(&sig)), 0);
		buf_free(&sig);
		buf_free(&out);
	}
	buf_free(&ca);
	buf_free(&key);
}

static void
test_algorithm_of_a_ca(void **state)
{
	char type[] = "ssh-ed25519";
	const char *algorithm = cert_ca_algorithm(type);

	(void)state;
	type[0] = '\0'; /* it outlives the type */
	assert_string_equal(algorithm, "ssh-ed25519");
	assert_string_equal(cert_ca_algorithm("ssh-rsa"), "rsa-sha2-512");
	assert_string_equal(cert_ca_algorithm("ssh-ed25519"), "ssh-ed25519");
	assert_string_equal(cert_ca_algorithm("ecdsa-sha2-nistp384"), "ecdsa-sha2-nistp384");
	assert_null(cert_ca_algorithm("sk-ssh-ed25519@openssh.com"));
	assert_null(cert_ca_algorithm("ssh-ed25519-cert-v01@openssh.com"));
	assert_null(cert_ca_algorithm("ssh-dss"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificate_of_every_type_is_as_by_ssh_keygen),
		cmocka_unit_test(test_certificate_by_an_rsa_key_is_as_by_ssh_keygen),
		cmocka_unit_test(test_options_are_as_by_ssh_keygen),
		cmocka_unit_test(test_host_certificate_is_as_by_ssh_keygen),
		cmocka_unit_test(test_order_that_is_none),
		cmocka_unit_test(test_signature_that_is_none),
		cmocka_unit_test(test_algorithm_of_a_ca),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
