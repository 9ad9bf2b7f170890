/*
 * formats/tunnel_ports.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "formats/tunnel_ports.h"

static void
test_a_range_has_an_address_or_none(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned int first, last;
	} good[] = {
		{ "20000-20099", "", 20000, 20099 },
		{ "1024", "", 1024, 1024 },
		{ "127.0.0.1:20000-20999", "127.0.0.1", 20000, 20999 },
		{ "[::1]:65535-65535", "::1", 65535, 65535 },
	};
	struct tunnel_ports p;
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(tunnel_ports_parse(good[i].text, &p, &why), 0);
		assert_string_equal(p.host, good[i].host);
		assert_int_equal(p.first, good[i].first);
		assert_int_equal(p.last, good[i].last);
	}
}

static void
test_what_is_no_range_is_refused(void **state)
{
	static const char *const bad[] = { "", "-", "80", "1023-2000", "20000-", "20000-19999",
		"20000-21000", "65535-65536", "20000 20001", "localhost:20000", "::1:20000",
		"[127.0.0.1]:20000", "[::1:20000", "20000-20001-20002", "+20000" };
	struct tunnel_ports p;
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(tunnel_ports_parse(bad[i], &p, &why), ERR_FORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_range_has_an_address_or_none),
		cmocka_unit_test(test_what_is_no_range_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
