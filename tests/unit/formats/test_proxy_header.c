/*
 * formats/proxy_header.c: what is a header of the PROXY protocol, what is the beginning of one, and what is
 * neither.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "formats/proxy_header.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define INET4 "\xc0\0\x02\x63\xc0\0\x02\x01\xc3\x50\0\x16"
#define INET4_TEXT "192.0.2.99 50000 192.0.2.1 22"
#define INET6                                                                                \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1" \
	"\xff\xff\0\x16"

/* A literal and its length, without the NUL at its end. */
#define B(text) text, sizeof(text) - 1

static const struct good {
	const char *p;
	size_t len;
	int version;
	enum proxy_command command;
	enum proxy_family family;
	const char *addresses;
} good_headers[] = {
	{ B("PROXY TCP4 192.0.2.99 192.0.2.1 50000 22\r\n"), 1, PROXY_PROXY, PROXY_INET,
	    INET4_TEXT },
	{ B("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"), 1, PROXY_PROXY, PROXY_INET,
	    "255.255.255.255 65535 0.0.0.0 0" },
	{ B("PROXY TCP6 2001:db8::7 2001:DB8::1 1 22\r\n"), 1, PROXY_PROXY, PROXY_INET6,
	    "2001:db8::7 1 2001:db8::1 22" },
	{ B("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    1, PROXY_PROXY, PROXY_INET6,
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535" },
	{ B("PROXY UNKNOWN\r\n"), 1, PROXY_PROXY, PROXY_NONE, "" },
	{ B("PROXY UNKNOWN \0 whatever\r\n"), 1, PROXY_PROXY, PROXY_NONE, "" },
	/* the longest line that there is, 107 bytes */
	{ B("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    1, PROXY_PROXY, PROXY_NONE, "" },
	{ B(V2 "\x21\x11\0\x0c" INET4), 2, PROXY_PROXY, PROXY_INET, INET4_TEXT },
	{ B(V2 "\x21\x21\0\x24" INET6), 2, PROXY_PROXY, PROXY_INET6,
	    "2001:db8::7 65535 2001:db8::1 22" },
	/* a health check, with addresses and values that do not count, and without */
	{ B(V2 "\x20\0\0\0"), 2, PROXY_LOCAL, PROXY_NONE, "" },
	{ B(V2 "\x20\x11\0\x0c" INET4), 2, PROXY_LOCAL, PROXY_NONE, "" },
	{ B(V2 "\x20\xff\0\x03\3\xff\xff"), 2, PROXY_LOCAL, PROXY_NONE, "" },
	/* unspecified, UDP, no transport: the addresses are of no use */
	{ B(V2 "\x21\0\0\0"), 2, PROXY_PROXY, PROXY_NONE, "" },
	{ B(V2 "\x21\x01\0\x02\xff\xff"), 2, PROXY_PROXY, PROXY_NONE, "" },
	{ B(V2 "\x21\x12\0\x0c" INET4), 2, PROXY_PROXY, PROXY_NONE, "" },
	{ B(V2 "\x21\x20\0\x24" INET6), 2, PROXY_PROXY, PROXY_NONE, "" },
	/* values after the addresses: padding, and one that nobody knows */
	{ B(V2 "\x21\x11\0\x0f" INET4 "\4\0\0"), 2, PROXY_PROXY, PROXY_INET, INET4_TEXT },
	{ B(V2 "\x21\x11\0\x13" INET4 "\4\0\0\xea\0\1x"), 2, PROXY_PROXY, PROXY_INET, INET4_TEXT },
	/* the checksum, alone and between others; computed by another program */
	{ B(V2 "\x21\x11\0\x13" INET4 "\3\0\4\x7f\x47\x69\x5d"), 2, PROXY_PROXY, PROXY_INET,
	    INET4_TEXT },
	{ B(V2 "\x21\x11\0\x1a" INET4 "\4\0\1x\3\0\4\x18\xf6\xb7\xd6"
	       "\4\0\0"),
	    2, PROXY_PROXY, PROXY_INET, INET4_TEXT },
};

static const struct bad {
	const char *p;
	size_t len;
	int err;
} bad_headers[] = {
	{ B("SSH-2.0-OpenSSH_9.2\r\n"), ERR_NOTFOUND },
	{ B("S"), ERR_NOTFOUND },
	{ B("PROXX TCP4"), ERR_NOTFOUND },
	{ B("proxy TCP4"), ERR_NOTFOUND },
	{ B("PROXY\r\n"), ERR_NOTFOUND },
	{ B("\r\n\r\n\0\r\nQUIX"), ERR_NOTFOUND },
	{ B("\r\nSSH-2.0"), ERR_NOTFOUND },
	{ B("PROXY \r\n"), ERR_FORMAT },
	{ B("PROXY TCP4\r\n"), ERR_FORMAT },
	{ B("PROXY  TCP4 192.0.2.99 192.0.2.1 50000 22\r\n"), ERR_FORMAT },
	{ B("PROXY TCP4  192.0.2.99 192.0.2.1 50000 22\r\n"), ERR_FORMAT },
	{ B("PROXY TCP4 192.0.2.99 192.0.2.1 50000 22 \r\n"), ERR_FORMAT },
	{ B("PROXY TCP4 192.0.2.99 192.0.2.1 50000 22 1\r\n"), ERR_FORMAT },
	{ B("PROXY TCP4 192.0.2.99 192.0.2.1 50000\r\n"), ERR_FORMAT },
	{ B("PROXY TCP4 192.0.2.99 192.0.2.1 65536 22\r\n"), ERR_FORMAT },
	{ B("PROXY TCP4 192.0.2.99 192.0.2.1 18446744073709551638 22\r\n"), ERR_FORMAT },
	{ B("PROXY TCP4 192.0.2.99 192.0.2.1 50000 022\r\n"), ERR_FORMAT },
	{ B("PROXY TCP4 192.0.2.99 192.0.2.1 +1 22\r\n"), ERR_FORMAT },
	{ B("PROXY TCP4 192.0.2.099 192.0.2.1 50000 22\r\n"), ERR_FORMAT },
	{ B("PROXY TCP4 192.0.2.256 192.0.2.1 50000 22\r\n"), ERR_FORMAT },
	{ B("PROXY TCP4 2001:db8::7 2001:db8::1 1 22\r\n"), ERR_FORMAT },
	{ B("PROXY TCP6 192.0.2.99 192.0.2.1 50000 22\r\n"), ERR_FORMAT },
	{ B("PROXY TCP6 fe80::1%lo fe80::2%lo 1 22\r\n"), ERR_FORMAT },
	{ B("PROXY TCP4 192.0.2.99 192.0.2.1 50000 22\0\r\n"), ERR_FORMAT },
	{ B("PROXY UDP4 192.0.2.99 192.0.2.1 50000 22\r\n"), ERR_FORMAT },
	{ B("PROXY UNKNOWNS\r\n"), ERR_FORMAT },
	{ B("PROXY unknown\r\n"), ERR_FORMAT },
	{ B("PROXY UNKNOWN\n"), ERR_FORMAT },
	{ B("PROXY UNKNOWN\rx"), ERR_FORMAT },
	{ B("PROXY UNKNOWN \r \r\n"), ERR_FORMAT },
	/* 108 bytes */
	{ B("PROXY UNKNOWN  ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    ERR_FORMAT },
	{ B(V2 "\x11"), ERR_FORMAT },
	{ B(V2 "\x31"), ERR_FORMAT },
	{ B(V2 "\x22"), ERR_FORMAT },
	{ B(V2 "\x21\x41"), ERR_FORMAT },
	{ B(V2 "\x21\x13"), ERR_FORMAT },
	{ B(V2 "\x21\x11\xff\xff"), ERR_TOOBIG },
	{ B(V2 "\x20\0\x0f\xf1"), ERR_TOOBIG },
	/* addresses that are cut off, and values */
	{ B(V2 "\x21\x11\0\x0b\xc0\0\x02\x63\xc0\0\x02\x01\xc3\x50\0"), ERR_FORMAT },
	{ B(V2 "\x21\x31\0\x0c" INET4), ERR_FORMAT },
	{ B(V2 "\x21\x11\0\x0e" INET4 "\4\0"), ERR_FORMAT },
	{ B(V2 "\x21\x11\0\x10" INET4 "\4\0\2x"), ERR_FORMAT },
	{ B(V2 "\x21\x11\0\x12" INET4 "\3\0\3abc"), ERR_FORMAT },
	{ B(V2 "\x21\x11\0\x13" INET4 "\3\0\4\0\0\0\0"), ERR_AUTH },
};

static const char *
proxy_text(const struct sockaddr_storage *ss, char out[64])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
	char host[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(ss->ss_family,
	    ss->ss_family == AF_INET ? (const void *)&in->sin_addr : (const void *)&in6->sin6_addr,
	    host, sizeof(host)));
	snprintf(out, 64, "%s %u", host,
	    ntohs(ss->ss_family == AF_INET ? in->sin_port : in6->sin6_port));
	return out;
}

static void
test_good_headers(void **state)
{
	static const char rest[] = "SSH-2.0-OpenSSH_9.2\r\n";
	struct proxy_header h;
	const struct good *g;
	uint8_t bytes[512];
	char text[160], a[64], b[64];
	size_t i, size;

	(void)state;
	for (i = 0; i < sizeof(good_headers) / sizeof(good_headers[0]); i++) {
		g = &good_headers[i];
		memcpy(bytes, g->p, g->len);
		memcpy(bytes + g->len, rest, sizeof(rest));
		/* not one byte of what follows belongs to it */
		assert_int_equal(proxy_header_read(bytes, g->len + sizeof(rest), &h, &size), 0);
		assert_int_equal(size, g->len);
		assert_int_equal(proxy_header_read(bytes, g->len, &h, &size), 0);
		assert_int_equal(size, g->len);
		assert_int_equal(h.version, g->version);
		assert_int_equal(h.command, g->command);
		assert_int_equal(h.family, g->family);
		text[0] = '\0';
		if (h.client.ss_family != 0)
			snprintf(text, sizeof(text), "%s %s", proxy_text(&h.client, a),
			    proxy_text(&h.local, b));
		assert_string_equal(text, g->addresses);
	}
}

static void
test_every_beginning_of_a_header_is_one(void **state)
{
	struct proxy_header h;
	size_t i, len, size;

	(void)state;
	for (i = 0; i < sizeof(good_headers) / sizeof(good_headers[0]); i++)
		for (len = 0; len < good_headers[i].len; len++) {
			assert_int_equal(proxy_header_read((const uint8_t *)good_headers[i].p, len,
					     &h, &size),
			    ERR_AGAIN);
			assert_int_equal(size, 0);
		}
}

static void
test_bad_headers(void **state)
{
	struct proxy_header h;
	size_t i, size;

	(void)state;
	for (i = 0; i < sizeof(bad_headers) / sizeof(bad_headers[0]); i++)
		assert_int_equal(proxy_header_read((const uint8_t *)bad_headers[i].p,
				     bad_headers[i].len, &h, &size),
		    bad_headers[i].err);
}

static void
test_line_without_an_end_is_refused_at_its_limit(void **state)
{
	uint8_t line[PROXY_HEADER_V1_MAX];
	struct proxy_header h;
	size_t size;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	assert_int_equal(proxy_header_read(line, sizeof(line) - 2, &h, &size), ERR_AGAIN);
	assert_int_equal(proxy_header_read(line, sizeof(line) - 1, &h, &size), ERR_FORMAT);
	assert_int_equal(proxy_header_read(line, sizeof(line), &h, &size), ERR_FORMAT);
}

static void
test_unix_sockets_have_no_address(void **state)
{
	uint8_t bytes[16 + 216] = V2 "\x21\x31\0\xd8/run/client";
	struct proxy_header h;
	size_t size;

	(void)state;
	assert_int_equal(proxy_header_read(bytes, sizeof(bytes) - 1, &h, &size), ERR_AGAIN);
	assert_int_equal(proxy_header_read(bytes, sizeof(bytes), &h, &size), 0);
	assert_int_equal(size, sizeof(bytes));
	assert_int_equal(h.family, PROXY_UNIX);
	assert_int_equal(h.client.ss_family, 0);
}

static void
test_longest_header_is_read(void **state)
{
	static uint8_t bytes[PROXY_HEADER_MAX] = V2 "\x21\x11\x0f\xf0" INET4 "\4\x0f\xe1";
	struct proxy_header h;
	size_t size;

	(void)state;
	assert_int_equal(proxy_header_read(bytes, sizeof(bytes) - 1, &h, &size), ERR_AGAIN);
	assert_int_equal(proxy_header_read(bytes, sizeof(bytes), &h, &size), 0);
	assert_int_equal(size, sizeof(bytes));
}

/* Each bit of a header with a checksum counts, but for those that make it no header, or one without. */
static void
test_checksum_covers_every_bit(void **state)
{
	const struct good *g = &good_headers[sizeof(good_headers) / sizeof(good_headers[0]) - 2];
	struct proxy_header h;
	uint8_t bytes[64];
	size_t bit, size;

	(void)state;
	/* from the addresses on to the end, but for the type and length of the value */
	for (bit = 16 * 8; bit < g->len * 8; bit++) {
		if (bit / 8 >= 28 && bit / 8 < 31)
			continue;
		memcpy(bytes, g->p, g->len);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(proxy_header_read(bytes, g->len, &h, &size), ERR_AUTH);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_headers),
		cmocka_unit_test(test_every_beginning_of_a_header_is_one),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_line_without_an_end_is_refused_at_its_limit),
		cmocka_unit_test(test_unix_sockets_have_no_address),
		cmocka_unit_test(test_longest_header_is_read),
		cmocka_unit_test(test_checksum_covers_every_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
