/*
 * formats/proxy_header_write.c: the headers are those of the specification, byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "formats/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define LONGEST "2001:db8:1111:2222:3333:4444:5555:6666"

static void
address(const char *text, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
	}
}

/* A client "" is the sender itself. */
static void
writes(int version, const char *client, const char *local, const char *expected, size_t len)
{
	struct proxy_header h = { .version = version,
		.command = client[0] == '\0' ? PROXY_LOCAL : PROXY_PROXY };
	struct proxy_header back;
	struct buf b;
	size_t size;

	address(client, 50000, &h.client);
	address(local, 22, &h.local);
	if (h.client.ss_family != AF_UNSPEC)
		h.family = h.client.ss_family == AF_INET ? PROXY_INET : PROXY_INET6;
	buf_init(&b, PROXY_HEADER_V1_MAX + 1);
	proxy_header_write(&b, &h);
	assert_int_equal(buf_err(&b), 0);
	assert_int_equal(b.len, len);
	assert_memory_equal(b.data, expected, len);
	assert_int_equal(proxy_header_read(b.data, b.len, &back, &size), 0);
	assert_int_equal(size, len);
	assert_int_equal(back.version, version);
	buf_free(&b);
}

#define WRITES(version, client, local, text) writes(version, client, local, text, sizeof(text) - 1)

static void
test_version_1(void **state)
{
	(void)state;
	WRITES(1, "192.0.2.99", "192.0.2.1", "PROXY TCP4 192.0.2.99 192.0.2.1 50000 22\r\n");
	WRITES(1, LONGEST, "2001:DB8:0:0::1", "PROXY TCP6 " LONGEST " 2001:db8::1 50000 22\r\n");
	WRITES(1, "fe80::1", "fe80::2", "PROXY TCP6 fe80::1 fe80::2 50000 22\r\n");
	WRITES(1, "", "", "PROXY UNKNOWN\r\n");
	WRITES(1, "192.0.2.99", "2001:db8::1", "PROXY UNKNOWN\r\n");
	WRITES(1, "unknown", "192.0.2.1", "PROXY UNKNOWN\r\n");
}

static void
test_version_2(void **state)
{
	(void)state;
	WRITES(2, "192.0.2.99", "192.0.2.1",
	    SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x63\xc0\0\x02\x01\xc3\x50\0\x16");
	WRITES(2, "2001:db8::1", "fe80::2",
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
