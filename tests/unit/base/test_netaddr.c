/*
 * Addresses of clients as keys of tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/netaddr.h"

/* The text of an address of which so many bits are kept. */
static const char *
masked(const char *text, unsigned int bits4, unsigned int bits6)
{
	static char out[NETADDR_TEXT_SIZE];
	struct netaddr a;

	assert_int_equal(netaddr_parse(&a, text), 0);
	netaddr_mask(&a, bits4, bits6);
	return netaddr_text(&a, out);
}

static void
test_mask(void **state)
{
	assert_string_equal(masked("192.0.2.255", 32, 64), "192.0.2.255");
	assert_string_equal(masked("192.0.2.255", 31, 64), "192.0.2.254");
	assert_string_equal(masked("192.0.2.255", 25, 64), "192.0.2.128");
	assert_string_equal(masked("192.0.2.255", 24, 64), "192.0.2.0");
	assert_string_equal(masked("192.0.2.255", 0, 64), "0.0.0.0");
	assert_string_equal(masked("2001:db8:1:2:3:4:5:6", 0, 128), "2001:db8:1:2:3:4:5:6");
	assert_string_equal(masked("2001:db8:1:2:3:4:5:6", 0, 64), "2001:db8:1:2::");
	assert_string_equal(masked("2001:db8:1:2:3:4:5:6", 0, 57), "2001:db8:1::");
	assert_string_equal(masked("2001:db8:1:82:3:4:5:6", 0, 57), "2001:db8:1:80::");
	assert_string_equal(masked("2001:db8::1", 0, 0), "::");
	assert_string_equal(masked("fe80::1%eth0", 0, 128), "fe80::1");
}

static void
test_mapped_is_ipv4(void **state)
{
	struct netaddr a, b, key;
	struct netaddr_key secret, other;
	struct sockaddr_storage ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;

	memset(&ss, 0, sizeof(ss));
	in6->sin6_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6->sin6_addr), 1);
	netaddr_from(&a, &ss);
	assert_int_equal(netaddr_parse(&b, "192.0.2.1"), 0);
	assert_int_equal(a.family, 4);
	assert_true(netaddr_equal(&a, &b));
	assert_int_equal(netaddr_parse(&key, "::192.0.2.1"), 0);
	assert_false(netaddr_equal(&a, &key));
	netaddr_key_make(&secret);
	netaddr_key_make(&other);
	assert_true(netaddr_hash(&a, &secret) == netaddr_hash(&b, &secret));
	assert_true(netaddr_hash(&a, &secret) != netaddr_hash(&a, &other));
}

static void
test_not_an_address(void **state)
{
	static const char *const bad[] = { "", "localhost", "192.0.2", "192.0.2.0/24", "%eth0",
		"1:2:3:4:5:6:7:8:9", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000" };
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	char out[NETADDR_TEXT_SIZE];
	struct netaddr a;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(netaddr_parse(&a, bad[i]), ERR_FORMAT);
	netaddr_from(&a, &ss);
	assert_string_equal(netaddr_text(&a, out), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_mapped_is_ipv4),
		cmocka_unit_test(test_not_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
