/*
 * access/totp_record: the input is a record, which a code is judged by that is never right.  What is written then
 * reads back as the same.
 */
#include <string.h>

#include "access/totp_record.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t proof[TOTP_RECORD_PROOF_SIZE];
	struct totp secret = { .secret_len = 20, .digits = 6, .step = 30 };
	struct totp_login login = { .secret = &secret,
		.skew = 1,
		.now = 1800000000,
		.typed = "x",
		.address = "192.0.2.1",
		.proof = proof,
		.remember = 3600 };
	struct totp_record first, again;
	struct buf record, text;

	buf_init(&record, 65536);
	buf_init(&text, 65536);
	buf_put(&record, data, len);
	if (buf_err(&record) == 0 && totp_record_get(&first, buf_bytes(&record), secret.id) == 0) {
		totp_record_put(&text, &first);
		CHECK(buf_err(&text) == 0 && text.len <= TOTP_RECORD_MAX);
		CHECK(totp_record_get(&again, buf_bytes(&text), secret.id) == 0);
		buf_reset(&text);
		totp_record_put(&text, &again);
		CHECK(first.n == again.n && first.step == again.step);
		(void)totp_record_remembers(&login, buf_bytes(&record));
		(void)!totp_record_login(&login, &record);
		CHECK(login.outcome != TOTP_ACCEPTED && login.outcome != TOTP_RECOVERED);
		CHECK(login.locked_for <= TOTP_RECORD_LOCK_MAX);
		CHECK(totp_record_get(&again, buf_bytes(&record), secret.id) == 0);
	}
	buf_free(&record);
	buf_free(&text);
	return 0;
}
