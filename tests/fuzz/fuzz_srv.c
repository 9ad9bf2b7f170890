/*
 * errand/srv: the input is the answer of a name server.
 */
#include <string.h>

#include "base/err.h"
#include "errand/srv.h"
#include "formats/destination.h"
#include "fuzz.h"

static uint32_t
draw_half(uint32_t below)
{
	return below / 2;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct srv_target targets[SRV_MAX];
	int i, n;

	memset(targets, 0xff, sizeof(targets));
	n = srv_parse(data, len, targets);
	CHECK(n == ERR_FORMAT || n == ERR_NOTFOUND || (n >= 0 && n <= SRV_MAX));
	if (n <= 0)
		return 0;
	srv_order(targets, (size_t)n, draw_half);
	for (i = 0; i < n; i++) {
		CHECK(destination_host_ok(targets[i].host) && targets[i].port > 0);
		CHECK(i == 0 || targets[i - 1].priority <= targets[i].priority);
	}
	return 0;
}
