/*
 * base/netaddr.c: addresses of clients as keys of tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <netinet/in.h>
#include <cmocka.h>

#include "address_of.h"
#include "base/netaddr.h"

/* An address with its first bits4 or bits6 bits, as text. */
static const char *
masked(const char *text, unsigned int bits4, unsigned int bits6)
{
	static char out[NETADDR_TEXT_SIZE];
	struct netaddr a = address_of(text);

	netaddr_mask(&a, bits4, bits6);
	return netaddr_text(&a, out);
}

static void
test_mask_keeps_the_first_bits(void **state)
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
	struct netaddr a = address_of("::ffff:192.0.2.1"), b = address_of("192.0.2.1");
	struct netaddr compatible = address_of("::192.0.2.1");
	struct netaddr_key secret, other;

	assert_int_equal(a.family, 4);
	assert_true(netaddr_equal(&a, &b));
	assert_false(netaddr_equal(&a, &compatible));
	netaddr_key_make(&secret);
	netaddr_key_make(&other);
	assert_true(netaddr_hash(&a, &secret) == netaddr_hash(&b, &secret));
	assert_true(netaddr_hash(&a, &secret) != netaddr_hash(&a, &other));
}

static void
test_port(void **state)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(40022) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(65535) };

	assert_int_equal(netaddr_port(&ss), 0);
	memcpy(&ss, &in, sizeof(in));
	assert_int_equal(netaddr_port(&ss), 40022);
	memcpy(&ss, &in6, sizeof(in6));
	assert_int_equal(netaddr_port(&ss), 65535);
}

static void
test_other_families_are_unknown(void **state)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	char out[NETADDR_TEXT_SIZE];
	struct netaddr a;

	netaddr_from(&a, &ss);
	assert_string_equal(netaddr_text(&a, out), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mask_keeps_the_first_bits),
		cmocka_unit_test(test_mapped_is_ipv4),
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_other_families_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
