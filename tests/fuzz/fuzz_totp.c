/*
 * formats/totp: the first byte says what the rest of the input is.  0: sealed content, and behind its end what a
 * person types; else: a secret in base32, as in a file, and what a person types behind a NUL.  What is read is
 * written back as the same, and no typed text is a code unless it has its digits.
 */
#include <string.h>

#include "formats/totp.h"
#include "fuzz.h"

static void
fuzz_totp_typed(const struct totp *t, const uint8_t *text, size_t len)
{
	char *typed = strndup((const char *)text, len);
	size_t index, digits = 0, i;
	int64_t step;

	CHECK(typed != NULL);
	for (i = 0; typed[i] != '\0'; i++)
		digits += typed[i] >= '0' && typed[i] <= '9';
	if (totp_find_code(t, typed, 1800000000, 10, &step) == 0) {
		CHECK(digits == t->digits);
		CHECK(step >= 0 && llabs(step - 1800000000 / (int64_t)t->step) <= 10);
	} else {
		CHECK(step == -1);
	}
	if (totp_find_recovery(t, typed, &index) == 0)
		CHECK(index < t->n_recovery);
	free(typed);
}

static void
fuzz_totp_sealed(const uint8_t *data, size_t len)
{
	struct totp t, again;
	struct buf out;
	size_t n;

	/* the longest beginning that is sealed content */
	for (n = len; n > 0 && totp_get(&t, (struct bytes){ data, n }) != 0; n--)
		CHECK(t.secret_len == 0 && t.n_recovery == 0);
	if (n == 0)
		return;
	CHECK(n <= TOTP_SEALED_MAX);
	buf_init(&out, TOTP_SEALED_MAX);
	totp_put(&out, &t);
	CHECK(buf_err(&out) == 0 && out.len == n && memcmp(out.data, data, n) == 0);
	CHECK(totp_get(&again, buf_bytes(&out)) == 0 && memcmp(&again, &t, sizeof(t)) == 0);
	buf_free(&out);
	fuzz_totp_typed(&t, data + n, len - n);
}

static void
fuzz_totp_base32(const uint8_t *data, size_t len)
{
	struct bytes text = { data, strnlen((const char *)data, len) };
	struct totp t, again = { 0 };
	char back[TOTP_BASE32_SIZE];

	totp_new(&t);
	if (totp_secret_from_base32(&t, text) != 0) {
		CHECK(t.secret_len == 0);
		return;
	}
	CHECK(t.secret_len >= TOTP_SECRET_MIN && t.secret_len <= TOTP_SECRET_MAX);
	totp_secret_to_base32(&t, back);
	CHECK(totp_secret_from_base32(&again,
		  (struct bytes){ (const uint8_t *)back, strlen(back) }) == 0);
	CHECK(
	    again.secret_len == t.secret_len && memcmp(again.secret, t.secret, t.secret_len) == 0);
	(void)!totp_recovery_add(&t, "aaaa-bbbb-cccc");
	if (text.len < len)
		fuzz_totp_typed(&t, data + text.len + 1, len - text.len - 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	if (data[0] == 0)
		fuzz_totp_sealed(data + 1, len - 1);
	else
		fuzz_totp_base32(data + 1, len - 1);
	return 0;
}
