/*
 * edge/kind_tls: the input is a ClientHello behind its header, in two records; its first byte says where it is
 * cut.  What it says does not depend on that.
 */
#include "kind_check.h"

/* Append a record. */
static size_t
put_record(uint8_t *out, size_t at, const uint8_t *p, size_t len)
{
	const uint8_t header[] = { 22, 3, 1, (uint8_t)(len >> 8), (uint8_t)len };

	memcpy(out + at, header, sizeof(header));
	memcpy(out + at + sizeof(header), p, len);
	return at + sizeof(header) + len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t message[KIND_MAX], cut[KIND_MAX], whole[KIND_MAX];
	struct kind k, other;
	size_t first, n;

	if (len < 2 || len + 20 > sizeof(message))
		return 0;
	first = 1 + data[0];
	message[0] = 1;
	message[1] = 0;
	message[2] = (uint8_t)((len - 1) >> 8);
	message[3] = (uint8_t)(len - 1);
	memcpy(message + 4, data + 1, len - 1);
	len += 3;
	if (first >= len)
		return 0;
	n = put_record(cut, 0, message, first);
	n = put_record(cut, n, message + first, len - first);
	CHECK(kind_check(cut, n, &k) == 0);
	CHECK(k.kind == IPC_KIND_TLS || k.kind == IPC_KIND_OTHER);
	n = put_record(whole, 0, message, len);
	CHECK(kind_check_beginning(whole, n, &other) == 0);
	CHECK(memcmp(&k, &other, sizeof(k)) == 0);
	return 0;
}
