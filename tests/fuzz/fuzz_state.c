/*
 * state/state_line: the input is a record.  Lines that it finds are the record once more, and a number
 * is written as it was read.
 */
#include <inttypes.h>
#include <string.h>

#include "fuzz.h"
#include "state/state.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes rest = { data, len }, word, value;
	char text[24];
	struct buf b;
	uint64_t n;
	int r;

	buf_init(&b, len + 1);
	while ((r = state_line(&rest, &word, &value)) == 1) {
		CHECK(word.len > 0 && word.len <= 32 && value.len > 0);
		CHECK(memchr(word.p, ' ', word.len) == NULL);
		CHECK(memchr(value.p, '\n', value.len) == NULL);
		CHECK(memchr(value.p, '\0', value.len) == NULL);
		buf_put(&b, word.p, word.len);
		buf_put_u8(&b, ' ');
		buf_put(&b, value.p, value.len);
		buf_put_u8(&b, '\n');
		if (state_number(value, UINT64_MAX, &n) == 0) {
			snprintf(text, sizeof(text), "%" PRIu64, n);
			CHECK(strlen(text) == value.len && memcmp(text, value.p, value.len) == 0);
			CHECK(n == 0 || state_number(value, n - 1, &n) == ERR_FORMAT);
		}
	}
	CHECK(r == 0 || r == ERR_FORMAT);
	CHECK(buf_err(&b) == 0 && b.len + rest.len == len && (r != 0 || rest.len == 0));
	CHECK(b.len == 0 || memcmp(b.data, data, b.len) == 0);
	buf_free(&b);
	return 0;
}
