/*
 * formats/tls_signed.c: what the key of a certificate signs, and what it does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "formats/tls_signed.h"

#define CONTEXT "TLS 1.3, server CertificateVerify"

static size_t
make_13(uint8_t *out, const char *context, size_t hash)
{
	size_t len = strlen(context) + 1;

	memset(out, ' ', 64);
	memcpy(out + 64, context, len);
	memset(out + 64 + len, 0xab, hash);
	return 64 + len + hash;
}

static void
test_tls_13(void **state)
{
	uint8_t m[256];
	size_t n, i;

	(void)state;
	n = make_13(m, CONTEXT, 32);
	assert_true(tls_signed_ok((struct bytes){ m, n }, 0));
	assert_false(tls_signed_ok((struct bytes){ m, n }, 1));
	for (i = 0; i < n; i++)
		assert_false(tls_signed_ok((struct bytes){ m, i }, 0));
	assert_false(tls_signed_ok((struct bytes){ m, n + 1 }, 0));
	for (i = 0; i < 64 + sizeof(CONTEXT); i++) {
		m[i] ^= 1;
		assert_false(tls_signed_ok((struct bytes){ m, n }, 0));
		m[i] ^= 1;
	}
	n = make_13(m, CONTEXT, 48);
	assert_true(tls_signed_ok((struct bytes){ m, n }, 0));
	/* what a client signs */
	n = make_13(m, "TLS 1.3, client CertificateVerify", 32);
	assert_false(tls_signed_ok((struct bytes){ m, n }, 0));
}

static void
test_tls_12(void **state)
{
	static const struct {
		uint8_t group, len;
	} groups[] = { { 0x17, 65 }, { 0x18, 97 }, { 0x19, 133 }, { 0x1d, 32 } };
	uint8_t m[64 + 4 + 256] = { 0 };
	size_t i, n;

	(void)state;
	m[64] = 3;
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		m[66] = groups[i].group;
		m[67] = groups[i].len;
		n = 68 + (size_t)groups[i].len;
		assert_true(tls_signed_ok((struct bytes){ m, n }, 0));
		assert_true(tls_signed_ok((struct bytes){ m, n }, 1));
		assert_false(tls_signed_ok((struct bytes){ m, n - 1 }, 0));
		assert_false(tls_signed_ok((struct bytes){ m, n + 1 }, 0));
		m[67]++;
		assert_false(tls_signed_ok((struct bytes){ m, n + 1 }, 0));
	}
	/* a group of its own making, a finite field */
	m[66] = 0x1d;
	m[67] = 32;
	m[65] = 1;
	assert_false(tls_signed_ok((struct bytes){ m, 100 }, 0));
	m[65] = 0;
	m[64] = 1;
	assert_false(tls_signed_ok((struct bytes){ m, 100 }, 0));
}

/* Exchange hashes of SSH, logins, the beginnings of signed files. */
static void
test_everything_else(void **state)
{
	static const char sshsig[] = "SSHSIG\0\0\0\4file\0\0\0\0\0\0\0\6sha512\0\0\0\100";
	uint8_t m[512] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(m); i++)
		assert_false(tls_signed_ok((struct bytes){ m, i }, 0));
	memcpy(m, sshsig, sizeof(sshsig));
	for (i = 0; i < sizeof(m); i++)
		assert_false(tls_signed_ok((struct bytes){ m, i }, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_13),
		cmocka_unit_test(test_tls_12),
		cmocka_unit_test(test_everything_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
