/*
 * formats/proxy_header: the input is what a load balancer sends.  However it is cut, the header is the same,
 * and no byte behind it counts.
 */
#include <string.h>

#include "formats/proxy_header.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct proxy_header h, again;
	size_t size, other, n;
	uint8_t *copy;
	int r;

	if (len > 2 * PROXY_HEADER_MAX)
		return 0;
	r = proxy_header_read(data, len, &h, &size);
	CHECK(r == 0 || r == ERR_AGAIN || r == ERR_NOTFOUND || r == ERR_FORMAT || r == ERR_TOOBIG ||
	    r == ERR_AUTH);
	if (r != 0)
		CHECK(r != ERR_AGAIN || len < PROXY_HEADER_MAX);
	else {
		CHECK(size > 0 && size <= len && size <= PROXY_HEADER_MAX);
		CHECK(h.version == 2 || (h.version == 1 && size <= PROXY_HEADER_V1_MAX));
		CHECK((h.family == PROXY_INET) == (h.client.ss_family == AF_INET));
		CHECK((h.family == PROXY_INET6) == (h.client.ss_family == AF_INET6));
		CHECK(h.client.ss_family == h.local.ss_family);
		CHECK(h.command == PROXY_PROXY || h.family == PROXY_NONE);
	}
	/* each beginning, in memory of its own, so that a byte read behind it is found */
	for (n = 0; n < len && n < 300; n++) {
		copy = malloc(n > 0 ? n : 1);
		if (copy == NULL)
			return 0;
		memcpy(copy, data, n);
		if (r == 0 && n < size)
			CHECK(proxy_header_read(copy, n, &again, &other) == ERR_AGAIN);
		else if (r == 0)
			CHECK(proxy_header_read(copy, n, &again, &other) == 0 && other == size &&
			    memcmp(&h, &again, sizeof(h)) == 0);
		else
			(void)!proxy_header_read(copy, n, &again, &other);
		free(copy);
	}
	return 0;
}
