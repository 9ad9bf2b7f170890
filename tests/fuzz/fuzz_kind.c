/*
 * edge/kind: the input is what a stranger sends first.
 */
#include "kind_check.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct bytes patterns[] = { { (const uint8_t *)"\x05\x01", 2 },
		{ (const uint8_t *)"*1\r\n", 4 } };
	uint32_t index;
	struct kind k;
	size_t n;
	int r;

	if (len > KIND_MAX + 100)
		return 0;
	(void)!kind_check(data, len, &k);
	for (n = 0; n <= len && n < 6; n++) {
		r = kind_pattern(data, n, KIND_OPEN, patterns, 2, &index);
		CHECK(r == 0 || (r == ERR_AGAIN && n < 4));
		CHECK(index < 2 || index == IPC_NO_PATTERN);
	}
	return 0;
}
