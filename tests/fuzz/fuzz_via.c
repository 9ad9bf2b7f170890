/*
 * errand/via: the input is what a proxy answers, but for its first byte, which says what it is asked.  An
 * answer that comes byte by byte means the same as one that comes at once.
 */
#include <string.h>

#include "errand/via.h"
#include "fuzz.h"

/* Ask, and judge all answers; at most step bytes come at a time.  The last verdict, and how many bytes were
 * the proxy's. */
static enum via_verdict
talk(uint8_t how, const uint8_t *data, size_t len, size_t step, size_t *taken)
{
	static const uint8_t password[] = { 's', 'e', 'c', 'r', 'e', 't' };
	struct via via = { .scheme = how & 1 ? "http" : "socks5",
		.host = how & 2 ? "10.0.0.5" : "m1.internal",
		.port = 22,
		.user = how & 4 ? "gw" : "",
		.password = { password, how & 4 ? sizeof(password) : 0 } };
	enum via_verdict v = VIA_ASK;
	struct reason why = { "" };
	size_t have = 0, used;
	struct buf out;

	*taken = 0;
	buf_init(&out, VIA_QUESTION_MAX);
	CHECK(via_begin(&via, &out, &why) == 0 && buf_err(&out) == 0 && out.len > 0);
	while ((v == VIA_ASK || v == VIA_MORE) && *taken + have < len) {
		if (v == VIA_ASK)
			buf_reset(&out);
		have = have + step < len - *taken ? have + step : len - *taken;
		if (have > VIA_ANSWER_MAX)
			have = VIA_ANSWER_MAX;
		v = via_input(&via, (struct bytes){ data + *taken, have }, &used, &out, &why);
		CHECK(buf_err(&out) == 0 && (v == VIA_ASK) == (out.len > 0));
		CHECK(v != VIA_MORE || (used == have && have < VIA_ANSWER_MAX));
		CHECK((v == VIA_FAILED) == (why.text[0] != '\0'));
		if (v == VIA_ASK || v == VIA_OPEN) {
			CHECK(used > 0 && used <= have);
			*taken += used;
			have = 0;
		}
	}
	buf_free(&out);
	return v;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t at_once, slowly;
	enum via_verdict v;

	if (len == 0)
		return 0;
	v = talk(data[0], data + 1, len - 1, len, &at_once);
	CHECK(talk(data[0], data + 1, len - 1, 1, &slowly) == v);
	CHECK(slowly == at_once);
	return 0;
}
