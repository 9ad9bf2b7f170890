/*
 * formats/proxy_header_write.c: the headers are those of the specification, byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "formats/proxy_header_write.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define LONGEST "2001:db8:1111:2222:3333:4444:5555:6666"

static void
writes(unsigned int version, const char *client, const char *local, const char *expected,
    size_t len)
{
	struct buf b;

	buf_init(&b, PROXY_HEADER_WRITE_MAX);
	proxy_header_write(&b, version, client, 50000, local, 22);
	assert_int_equal(buf_err(&b), 0);
	assert_int_equal(b.len, len);
	assert_memory_equal(b.data, expected, len);
	buf_free(&b);
}

#define WRITES(version, client, local, text) writes(version, client, local, text, sizeof(text) - 1)

static void
test_version_1(void **state)
{
	(void)state;
	WRITES(1, "192.0.2.99", "192.0.2.1", "PROXY TCP4 192.0.2.99 192.0.2.1 50000 22\r\n");
	WRITES(1, LONGEST, "2001:DB8:0:0::1", "PROXY TCP6 " LONGEST " 2001:db8::1 50000 22\r\n");
	WRITES(1, "fe80::1%eth0", "fe80::2%eth0", "PROXY TCP6 fe80::1 fe80::2 50000 22\r\n");
	WRITES(1, "", "", "PROXY UNKNOWN\r\n");
	WRITES(1, "192.0.2.99", "2001:db8::1", "PROXY UNKNOWN\r\n");
	WRITES(1, "unknown", "192.0.2.1", "PROXY UNKNOWN\r\n");
	WRITES(1, "192.0.2.1 192.0.2.2 1 2\r\n", "192.0.2.1", "PROXY UNKNOWN\r\n");
}

static void
test_version_2(void **state)
{
	(void)state;
	WRITES(2, "192.0.2.99", "192.0.2.1",
	    SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x63\xc0\0\x02\x01\xc3\x50\0\x16");
	WRITES(2, "2001:db8::1", "fe80::2%eth0",
	    SIGNATURE "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
		      "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\xc3\x50\0\x16");
	WRITES(2, "192.0.2.99", "2001:db8::1", SIGNATURE "\x21\0\0\0");
	WRITES(2, "", "", SIGNATURE "\x20\0\0\0");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_1),
		cmocka_unit_test(test_version_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
