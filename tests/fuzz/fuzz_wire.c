/*
 * wire/: the first half of the input says what to read from the second.  All that
 * is read lies inside it, the error sticks, and a string written is read again.
 */
#include <string.h>

#include "fuzz.h"
#include "wire/wire.h"

static void
check_inside(struct bytes s, const uint8_t *data, size_t len)
{
	if (s.len > 0) {
		CHECK(s.p >= data && s.len <= len);
		CHECK((size_t)(s.p - data) <= len - s.len);
	}
}

static void
read_one(struct wire *w, uint8_t op, const uint8_t *data, size_t len)
{
	char text[16];

	switch (op % 9) {
	case 0:
		(void)wire_u8(w);
		break;
	case 1:
		CHECK(wire_bool(w) <= 1);
		break;
	case 2:
		(void)wire_u32(w);
		break;
	case 3:
		(void)wire_u64(w);
		break;
	case 4:
		check_inside(wire_string(w), data, len);
		break;
	case 5:
		wire_text(w, text, sizeof(text));
		CHECK(memchr(text, '\0', sizeof(text)) != NULL);
		CHECK(text[0] == '\0' || wire_err(w) == 0);
		break;
	case 6:
		check_inside(wire_bytes(w, op / 9), data, len);
		break;
	case 7:
		check_inside(wire_bytes(w, SIZE_MAX - op), data, len);
		break;
	case 8:
		if (op > 200)
			check_inside(wire_rest(w), data, len);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t half = len / 2, i;
	struct wire w;
	struct bytes back;
	struct buf b;
	int failed = 0;

	wire_init(&w, data + half, len - half);
	for (i = 0; i < half; i++) {
		read_one(&w, data[i], data + half, len - half);
		CHECK(!failed || wire_err(&w) != 0);
		CHECK(w.left <= len - half);
		failed = wire_err(&w) != 0;
	}
	CHECK(wire_end(&w) != 0 || (!failed && w.left == 0));

	buf_init(&b, len + 4);
	wire_put_string(&b, data, len);
	CHECK(buf_err(&b) == 0);
	wire_init(&w, b.data, b.len);
	back = wire_string(&w);
	CHECK(wire_end(&w) == 0 && bytes_equal(back, (struct bytes){ data, len }));
	buf_put_u8(&b, 0);
	CHECK(buf_err(&b) == ERR_TOOBIG);
	buf_free(&b);
	return 0;
}
