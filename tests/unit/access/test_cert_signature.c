/*
 * The signatures of certificates: formats/cert.c says what is signed, transport/keys.c verifies it,
 * as the keeper and access/host_key.c do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "cert_samples.h"
#include "formats/cert.h"
#include "formats/pubkey.h"
#include "transport/keys.h"

/* Is its signature that of its CA? */
static int
is_signed(const struct cert *c)
{
	uint8_t flags;
	char alg[64];

	cert_signature_algorithm(c, alg);
	return key_verify(c->ca, alg, c->signature, c->covered.p, c->covered.len, &flags) == 0;
}

static void
test_every_certificate_is_signed(void **state)
{
	static const char *const certs[] = { ED25519_CERT, P256_CERT, P384_CERT, P521_CERT,
		RSA_CERT, SKED25519_CERT, SKP256_CERT, RSA_CA_CERT, OPTIONS_CERT, STRICT_CERT,
		CRITICAL_CERT };
	struct buf blob;
	struct cert c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(certs) / sizeof(certs[0]); i++) {
		sample_blob(certs[i], &blob);
		assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
		assert_true(is_signed(&c));
		buf_free(&blob);
	}
}

/* A certificate that is cut short, or has one bit changed, is not signed. */
static void
test_every_bit_is_signed(void **state)
{
	struct buf blob;
	struct cert c;
	size_t i;

	(void)state;
	sample_blob(P256_CERT, &blob);
	for (i = 0; i < blob.len; i++) {
		assert_int_not_equal(cert_parse(&c, (struct bytes){ blob.data, i }), 0);
		blob.data[i] ^= 1 << i % 8;
		assert_false(cert_parse(&c, buf_bytes(&blob)) == 0 && is_signed(&c));
		blob.data[i] ^= 1 << i % 8;
	}
	assert_true(cert_parse(&c, buf_bytes(&blob)) == 0 && is_signed(&c));
	buf_free(&blob);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_certificate_is_signed),
		cmocka_unit_test(test_every_bit_is_signed),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
