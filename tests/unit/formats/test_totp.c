/*
 * formats/totp.c: secrets of one-time passwords.
 */
#include <ctype.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "formats/totp.h"

/* The secret of RFC 6238's appendix B: digits over and over. */
static void
rfc_secret(struct totp *t, enum totp_hash hash, size_t len)
{
	size_t i;

	totp_new(t);
	t->hash = hash;
	t->digits = 8;
	t->secret_len = len;
	for (i = 0; i < len; i++)
		t->secret[i] = (uint8_t)('0' + (i + 1) % 10);
}

static void
test_codes_of_rfc_6238(void **state)
{
	static const struct {
		int64_t time;
		enum totp_hash hash;
		const char *code;
	} codes[] = {
		{ 59, TOTP_SHA1, "94287082" },
		{ 59, TOTP_SHA256, "46119246" },
		{ 59, TOTP_SHA512, "90693936" },
		{ 1111111109, TOTP_SHA1, "07081804" },
		{ 1111111109, TOTP_SHA256, "68084774" },
		{ 1111111109, TOTP_SHA512, "25091201" },
		{ 20000000000, TOTP_SHA1, "65353130" },
		{ 20000000000, TOTP_SHA256, "77737706" },
		{ 20000000000, TOTP_SHA512, "47863826" },
	};
	static const size_t sizes[] = { [TOTP_SHA1] = 20, [TOTP_SHA256] = 32, [TOTP_SHA512] = 64 };
	char code[TOTP_DIGITS_MAX + 1];
	struct totp t;
	int64_t step;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		rfc_secret(&t, codes[i].hash, sizes[codes[i].hash]);
		assert_int_equal(totp_code(&t, codes[i].time / 30, code), 0);
		assert_string_equal(code, codes[i].code);
		assert_int_equal(totp_find_code(&t, code, (time_t)codes[i].time, 0, &step), 0);
		assert_int_equal(step, codes[i].time / 30);
	}
	assert_int_equal(totp_code(&t, -1, code), ERR_BADSTATE);
	assert_int_equal(totp_code(&t, INT64_MAX, code), ERR_BADSTATE);
}

static void
test_the_window(void **state)
{
	const time_t now = 1111111109;
	char code[TOTP_DIGITS_MAX + 1];
	struct totp t;
	int64_t step, at;
	unsigned int skew;

	(void)state;
	rfc_secret(&t, TOTP_SHA1, 20);
	for (at = -12; at <= 12; at++) {
		assert_int_equal(totp_code(&t, now / 30 + at, code), 0);
		for (skew = 0; skew <= 12; skew++) {
			/* a wider window than there can be is the widest */
			int in = llabs(at) <= (skew > TOTP_SKEW_MAX ? TOTP_SKEW_MAX : skew);

			assert_int_equal(totp_find_code(&t, code, now, skew, &step),
			    in ? 0 : ERR_AUTH);
			assert_int_equal(step, in ? now / 30 + at : -1);
		}
	}
	/* at the beginning of time, and before it, there are no earlier steps */
	assert_int_equal(totp_code(&t, 0, code), 0);
	assert_int_equal(totp_find_code(&t, code, 29, 10, &step), 0);
	assert_int_equal(step, 0);
	assert_int_equal(totp_find_code(&t, code, -1000, 10, &step), ERR_AUTH);
}

static void
test_typed_codes(void **state)
{
	static const char *const right[] = { "07081804", "0708 1804", " 0708-1804\t" };
	static const char *const wrong[] = { "", " ", "7081804", "07081805", "070818044",
		"0708180x", "07081804\n", "+7081804",
		"07081804                                                                     " };
	struct totp t;
	int64_t step;
	size_t i;

	(void)state;
	rfc_secret(&t, TOTP_SHA1, 20);
	for (i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		assert_int_equal(totp_find_code(&t, right[i], 1111111109, 1, &step), 0);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(totp_find_code(&t, wrong[i], 1111111109, 1, &step), ERR_AUTH);
	t.digits = 6;
	assert_int_equal(totp_find_code(&t, "081 804", 1111111109, 1, &step), 0);
	assert_int_equal(totp_find_code(&t, "07081804", 1111111109, 1, &step), ERR_AUTH);
}

static void
test_recovery_codes(void **state)
{
	char text[TOTP_RECOVERY_MAX][TOTP_RECOVERY_TEXT_SIZE], typed[80];
	struct totp t, other;
	size_t i, n, index;

	(void)state;
	totp_new(&t);
	totp_new(&other);
	assert_int_equal(totp_find_recovery(&t, "", &index), ERR_AUTH);
	for (i = 0; i < TOTP_RECOVERY_MAX; i++) {
		totp_recovery_new(text[i]);
		assert_int_equal(strlen(text[i]), 14);
		assert_int_equal(totp_recovery_add(&t, text[i]), 0);
		assert_int_equal(totp_recovery_add(&other, text[i]), 0);
	}
	assert_int_equal(totp_recovery_add(&t, text[0]), ERR_TOOBIG);
	for (i = 0; i < TOTP_RECOVERY_MAX; i++) {
		assert_int_equal(totp_find_recovery(&t, text[i], &index), 0);
		assert_int_equal(index, i);
		/* in upper case, with other blanks */
		for (n = 0; n < 14; n++)
			typed[n] = (char)(text[i][n] >= 'a' ? text[i][n] - 32 :
				text[i][n] == '-'	    ? ' ' :
							      text[i][n]);
		memcpy(typed + 14, "--", 3);
		assert_int_equal(totp_find_recovery(&t, typed, &index), 0);
		assert_int_equal(index, i);
		typed[13] = typed[13] == 'A' ? 'B' : 'A';
		assert_int_equal(totp_find_recovery(&t, typed, &index), ERR_AUTH);
	}
	/* of another enrolment the hashes are others */
	assert_memory_not_equal(t.recovery, other.recovery, sizeof(t.recovery));
	memcpy(other.recovery, t.recovery, sizeof(t.recovery));
	assert_int_equal(totp_find_recovery(&other, text[0], &index), ERR_AUTH);
	memset(typed, ' ', sizeof(typed));
	memcpy(typed + 65, text[0], 15);
	assert_int_equal(totp_find_recovery(&t, typed, &index), ERR_AUTH);
	t.n_recovery = 0;
	assert_int_equal(totp_recovery_add(&t, "aaaa-bbbb-ccc"), ERR_FORMAT);
	assert_int_equal(totp_recovery_add(&t, "aaaa-bbbb-ccc1"), ERR_FORMAT);
	assert_int_equal(totp_recovery_add(&t, "123456"), ERR_FORMAT);
}

static void
test_base32(void **state)
{
	struct totp t = { 0 };
	char out[TOTP_BASE32_SIZE];
	const char long_text[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
				 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	size_t len;

	(void)state;
#define FROM(text) \
	totp_secret_from_base32(&t, (struct bytes){ (const uint8_t *)(text), strlen(text) })
	assert_int_equal(FROM("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), 0);
	assert_int_equal(t.secret_len, 20);
	assert_memory_equal(t.secret, "12345678901234567890", 20);
	assert_int_equal(FROM("gezd gnbv-gy3t qojq gezd gnbv gy3t qojq===="), 0);
	assert_int_equal(t.secret_len, 20);
	totp_secret_to_base32(&t, out);
	assert_string_equal(out, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
	assert_int_equal(FROM("JBSWY3DPEHPK3PXP"), 0); /* ten bytes */
	assert_int_equal(t.secret_len, 10);
	assert_int_equal(FROM("JBSWY3DPEHPK3PX"), ERR_FORMAT);
	assert_int_equal(t.secret_len, 0);
	assert_int_equal(FROM("JBSWY3DPEHPK3PX0"), ERR_FORMAT);
	assert_int_equal(FROM("JBSWY3DPEHPK3PXP\n"), ERR_FORMAT);
	assert_int_equal(FROM(""), ERR_FORMAT);
	assert_int_equal(totp_secret_from_base32(&t,
			     (struct bytes){ (const uint8_t *)"JBSWY3DPEHPK3PX\0", 16 }),
	    ERR_FORMAT);
	assert_int_equal(strlen(long_text), 103);
	assert_int_equal(FROM(long_text), 0);
	assert_int_equal(t.secret_len, TOTP_SECRET_MAX);
	assert_int_equal(totp_secret_from_base32(&t,
			     (struct bytes){
				 (const uint8_t *)"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
						  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
						  "AAAAAAAAAAAAAAAAAAAAAAAAAAA",
				 105 }),
	    ERR_TOOBIG);
	/* there and back, of each length */
	for (len = TOTP_SECRET_MIN; len <= TOTP_SECRET_MAX; len++) {
		struct totp back = { 0 };

		randombytes_buf(t.secret, len);
		t.secret_len = len;
		totp_secret_to_base32(&t, out);
		assert_int_equal(totp_secret_from_base32(&back,
				     (struct bytes){ (const uint8_t *)out, strlen(out) }),
		    0);
		assert_int_equal(back.secret_len, len);
		assert_memory_equal(back.secret, t.secret, len);
	}
}

/* Nothing that is cut short, longer, or has another number in it is read. */
static void
test_sealed(void **state)
{
	struct totp t, back, none = { 0 };
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, TOTP_SEALED_MAX);
	rfc_secret(&t, TOTP_SHA512, TOTP_SECRET_MAX);
	for (i = 0; i < TOTP_RECOVERY_MAX; i++)
		assert_int_equal(totp_recovery_add(&t, "aaaa-bbbb-cccc"), 0);
	totp_put(&out, &t);
	assert_int_equal(buf_err(&out), 0);
	assert_int_equal(totp_get(&back, buf_bytes(&out)), 0);
	assert_memory_equal(&back, &t, sizeof(t));
	for (i = 0; i < out.len; i++) {
		assert_int_equal(totp_get(&back, (struct bytes){ out.data, i }), ERR_FORMAT);
		assert_memory_equal(&back, &none, sizeof(none));
	}
	buf_put_u8(&out, 0);
	assert_int_equal(totp_get(&back, buf_bytes(&out)), ERR_FORMAT);

#define REFUSED(change)                                                         \
	do {                                                                    \
		rfc_secret(&t, TOTP_SHA1, 20);                                  \
		change;                                                         \
		buf_reset(&out);                                                \
		totp_put(&out, &t);                                             \
		assert_int_equal(totp_get(&back, buf_bytes(&out)), ERR_FORMAT); \
	} while (0)
	REFUSED(t.digits = 5);
	REFUSED(t.digits = 9);
	REFUSED(t.step = 0);
	REFUSED(t.step = 301);
	REFUSED(t.secret_len = 9);
	buf_reset(&out);
	wire_put_text(&out, "MD5");
	assert_int_equal(totp_get(&back, buf_bytes(&out)), ERR_FORMAT);
	buf_free(&out);
}

/* --- what is left behind --- */

static struct totp left_secret;
static char left_typed[TOTP_RECOVERY_TEXT_SIZE];

static void *
left_run(void *arg)
{
	int64_t step;
	size_t index;

	(void)!totp_find_code(&left_secret, "123456", 1111111109, 1, &step);
	(void)!totp_find_recovery(&left_secret, left_typed, &index);
	return arg;
}

/* On the stack there is neither the secret nor what liboath makes of it: the secret combined with the pads of
 * RFC 2104. */
static void
test_nothing_is_left_on_the_stack(void **state)
{
	static uint8_t __attribute__((aligned(65536))) stack[512 * 1024];
	static const int pads[] = { 0, 0x36, 0x5c };
	uint8_t pad[20];
	pthread_attr_t own;
	pthread_t thread;
	size_t i, k;

	(void)state;
	totp_new(&left_secret);
	totp_recovery_new(left_typed);
	assert_int_equal(totp_recovery_add(&left_secret, left_typed), 0);
	assert_int_equal(pthread_attr_init(&own), 0);
	assert_int_equal(pthread_attr_setstack(&own, stack, sizeof(stack)), 0);
	assert_int_equal(pthread_create(&thread, &own, left_run, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)pthread_attr_destroy(&own);
	for (i = 0; i < 3; i++) {
		for (k = 0; k < sizeof(pad); k++)
			pad[k] = (uint8_t)(left_secret.secret[k] ^ pads[i]);
		assert_null(memmem(stack, sizeof(stack), pad, sizeof(pad)));
	}
	/* in upper case, without dashes */
	for (i = k = 0; left_typed[i] != '\0'; i++)
		if (left_typed[i] != '-')
			pad[k++] = (uint8_t)toupper(left_typed[i]);
	assert_null(memmem(stack, sizeof(stack), pad, k));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes_of_rfc_6238),
		cmocka_unit_test(test_the_window),
		cmocka_unit_test(test_typed_codes),
		cmocka_unit_test(test_recovery_codes),
		cmocka_unit_test(test_base32),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_nothing_is_left_on_the_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
