/*
 * formats/tunnel_name.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/tunnel_name.h"

static void
test_a_name_is_part_of_a_dns_name(void **state)
{
	static const char *const bad[] = { "", "-a", "a-", ".a", "a b", "a/b", "tunnel:a",
		"\xc3\xa4", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	char name[TUNNEL_NAME_SIZE];
	size_t i;

	(void)state;
	assert_int_equal(tunnel_name_set("Web-1.Alice_x", name), 0);
	assert_string_equal(name, "web-1.alice_x");
	assert_int_equal(tunnel_name_set("a", name), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(tunnel_name_set(bad[i], name), ERR_FORMAT);
}

static void
test_an_address_to_listen_on_is_no_name(void **state)
{
	(void)state;
	assert_true(tunnel_name_left_out("localhost"));
	assert_true(tunnel_name_left_out("*"));
	assert_true(tunnel_name_left_out(""));
	assert_false(tunnel_name_left_out("web"));
}

static void
test_a_host_may_be_a_tunnel(void **state)
{
	(void)state;
	assert_string_equal(tunnel_name_of_host("tunnel:web"), "web");
	assert_null(tunnel_name_of_host("tunnel"));
	assert_null(tunnel_name_of_host("web.example"));
}

static void
test_a_pattern_gives_readable_names(void **state)
{
	char name[TUNNEL_NAME_SIZE], other[TUNNEL_NAME_SIZE];

	(void)state;
	assert_int_equal(tunnel_name_give("Alice", 12345, name), 0);
	assert_string_equal(name, "alice");
	assert_int_equal(tunnel_name_give("alice-*", 0, name), 0);
	assert_string_equal(name, "alice-amber-badger-0");
	assert_int_equal(tunnel_name_give("alice-*", 33 + 7 * 1024, other), 0);
	assert_string_equal(other, "alice-brave-beaver-7");
	assert_int_equal(tunnel_name_give("*", UINT64_MAX, name), 0);
	assert_int_equal(tunnel_name_give("alice smith", 0, name), ERR_FORMAT);
	assert_int_equal(
	    tunnel_name_give("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa*", 0,
		name),
	    ERR_FORMAT);
	assert_int_equal(
	    tunnel_name_give("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		0, name),
	    ERR_FORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_is_part_of_a_dns_name),
		cmocka_unit_test(test_an_address_to_listen_on_is_no_name),
		cmocka_unit_test(test_a_host_may_be_a_tunnel),
		cmocka_unit_test(test_a_pattern_gives_readable_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
