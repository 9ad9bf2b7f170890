/*
 * sallyport-pam, contrib/pam: the input is what its peer sends first, in lines.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../contrib/pam/lines.h"
#include "../../contrib/pam/order.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct lines in = { .fd = memfd_create("fuzz_pam_order", 0) };
	char line[LINE_MOST + 1];
	struct order o;
	size_t taken = 0;

	CHECK(in.fd != -1 && write(in.fd, data, len) == (ssize_t)len);
	CHECK(lseek(in.fd, 0, SEEK_SET) == 0);
	while (lines_get(&in, line) == 1) {
		CHECK(strlen(line) <= LINE_MOST && strchr(line, '\n') == NULL);
		CHECK(taken + strlen(line) < len && memcmp(data + taken, line, strlen(line)) == 0);
		taken += strlen(line) + 1;
		if (order_parse(line, &o) == -1)
			continue;
		CHECK(strncmp(o.service, "sallyport", 9) == 0 && strpbrk(o.service, "/. ") == NULL);
		CHECK(strpbrk(o.address, " \t\r\n") == NULL && strlen(o.address) <= 100);
		CHECK(*o.login != '-' && strpbrk(o.login, "/\t\r\n") == NULL);
		CHECK(strlen(o.login) >= 1 && strlen(o.login) <= 255);
	}
	lines_wipe(&in);
	close(in.fd);
	return 0;
}
