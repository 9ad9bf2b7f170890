/*
 * formats/address.c: lists of addresses match as they do in sshd 9.2, row by row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "formats/address.h"

static void
test_address_match(void **state)
{
	static const struct {
		const char *address, *list;
		int match;
	} rows[] = {
		{ "10.1.2.3", "10.1.2.3", 1 },
		{ "10.1.2.3", "10.1.2.4", 0 },
		{ "10.1.2.3", "10.0.0.0/8", 1 },
		{ "10.1.2.3", "10.1.2.0/23", 1 },
		{ "10.1.4.3", "10.1.2.0/23", 0 },
		{ "10.1.2.3", "0.0.0.0/0", 1 },
		{ "10.1.2.3", "::/0", 0 },
		{ "10.1.2.3", "10.1.2.3/32", 1 },
		{ "10.1.2.3", "10.1.*", 1 },
		{ "10.1.2.3", "10.1.2.?", 1 },
		{ "10.1.2.33", "10.1.2.?", 0 },
		{ "10.1.2.3", "*", 1 },
		{ "10.1.2.3", "!10.1.2.3,*", -1 },
		{ "10.1.2.3", "*,!10.1.2.3", -1 },
		{ "10.1.2.3", "!10.1.2.0/24,10.0.0.0/8", -1 },
		{ "10.1.2.3", "!10.1.3.0/24,10.0.0.0/8", 1 },
		{ "10.1.2.3", "!10.1.3.0/24", 0 },
		{ "10.1.2.3", "*.example.com,alice", 0 },
		{ "2001:db8::1", "2001:DB8::1", 1 },
		{ "2001:db8::1", "2001:db8:0:0::1", 1 },
		{ "2001:db8::1", "2001:db8::/32", 1 },
		{ "2001:db8::1", "2001:db8::/127", 1 },
		{ "2001:db8::1", "2001:db8:*", 1 },
		{ "2001:db8::1", "2001:db8::2", 0 },
		{ "2001:db8::1", "10.0.0.0/8", 0 },
		/* of a link-local address the scope counts */
		{ "fe80::1%eth0", "fe80::/10", 0 },
		{ "fe80::1%eth0", "fe80::1", 0 },
		{ "fe80::1%eth0", "fe80::1%eth0", 1 },
		{ "fe80::1%eth0", "FE80:0::1%eth0", 1 },
		{ "fe80::1%eth0", "fe80::%eth0/10", 1 },
		{ "fe80::1%eth0", "fe80::%eth1/10", 0 },
		{ "fe80::1%eth0", "fe80::1%2", 0 },
		{ "fe80::1%eth0", "fe80::1%", 0 },
		{ "2001:db8::1", "2001:db8::1%", 0 },
		{ "2001:db8::1", "2001:db8::%/32", 0 },
		{ "fe80::1%eth0", "fe80::*", 1 },
		{ "fe80::1%eth0", "*%eth0", 1 },
		{ "fe80::1%eth0", "fe80::?", 0 },
		{ "fe80::1%eth0", "!fe80::/10,*", -1 },
		{ "fe80::1%eth0", "!fe80::1%2,*", -1 },
		{ "fe80::1%eth0", "!fe80::2%eth0,*", 1 },
		{ "fe80::1", "fe80::1%eth0", 0 },
		{ "10.1.2.3", "10.1.2.3%eth0", 0 },
		{ "10.1.2.3", "!10.1.2.3%eth0,*", 1 },
		/* one address in two notations */
		{ "::ffff:10.1.2.3", "10.1.2.3", 1 },
		{ "::ffff:10.1.2.3", "10.0.0.0/8", 1 },
		{ "::ffff:10.1.2.3", "!10.*,*", -1 },
		{ "::ffff:10.1.2.3%eth0", "10.1.2.3", 1 },
		/* but not in a list */
		{ "10.1.2.3", "::ffff:10.1.2.3", 0 },
		{ "10.1.2.3", "::ffff:a01:203", 0 },
		{ "10.1.2.3", "::ffff:10.0.0.0/104", 0 },
		{ "::ffff:10.1.2.3", "::ffff:10.1.2.3", 0 },
		{ "10.1.2.3", "*,::ffff:10.1.2.3/104", -1 },
		/* what inet_aton(3) reads */
		{ "10.1.2.3", "10.66051", 1 },
		{ "10.1.2.3", "167838211", 1 },
		{ "10.1.2.3", "0x0a.1.0X2.03", 1 },
		{ "10.1.2.3", "10.1.2.03", 1 },
		{ "10.1.2.3", "10.1/16", -1 },
		{ "10.1.2.3", "10.1.0/20", 1 },
		{ "10.1.2.3", "10.0/8", 1 },
		{ "10.1.2.3", "!10.66051,*", -1 },
		{ "10.1.2.3", "10.1.2.3 ", 0 },
		{ "10.1.2.3", "10.1.2.3 x", 0 },
		{ "8.1.2.3", "010.1.2.3", 1 },
		/* what is neither address nor block is a pattern that matches nobody */
		{ "10.1.2.3", "*,10.0.0.0/", 1 },
		{ "10.1.2.3", "*,10.0.0.0/x", 1 },
		{ "10.1.2.3", "!10.0.0.0/+8,*", 1 },
		{ "10.1.2.3", "*,/8", 1 },
		{ "10.1.2.3", "*,host/8", 1 },
		{ "10.1.2.3", "*,10.0.0.1/129", 1 },
		{ "10.1.2.3", "*,2001:db8::/129", 1 },
		{ "10.1.2.3", "10.0.0.0/0008", 1 },
		{ "10.1.2.3", "10.0.0.0/4294967304,10.0.0.0/+8,10.0.0.0/8/8", 0 },
		/* a list that cannot be understood lets nobody in */
		{ "10.1.2.3", "*,10.0.0.0/33", -1 },
		{ "10.1.2.3", "*,10.0.0.1/8", -1 },
		{ "10.1.2.3", "*,10.0.0.1/0", -1 },
		{ "10.1.2.3", "*,2001:db8::1/127", -1 },
		{ "10.1.2.3", "*,,10.1.2.3", -1 },
		{ "10.1.2.3", "*,", -1 },
		{ "10.1.2.3", ",*", -1 },
		{ "10.1.2.3", ",", -1 },
		{ "10.1.2.3", "*,!", -1 },
		{ "10.1.2.3", "!!10.1.2.3,*", 1 },
		{ "10.1.2.3", "", 0 },
		{ "", "*", -1 },
		{ "UNKNOWN", "*", -1 },
		{ "10.1.2", "*", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (address_match(rows[i].address, rows[i].list) != rows[i].match)
			fail_msg("%s in %s", rows[i].address, rows[i].list);
}

/* Items as long as can be: sshd reads addresses of 63 bytes, and patterns of any length. */
static void
test_long_items(void **state)
{
	char list[3000];

	(void)state;
	snprintf(list, sizeof(list), "%063u", 1U);
	assert_int_equal(address_match("0.0.0.1", list), 1);
	snprintf(list, sizeof(list), "%064u", 1U);
	assert_int_equal(address_match("0.0.0.1", list), 0);
	snprintf(list, sizeof(list), "0.0.0.0/%055u", 8U);
	assert_int_equal(address_match("0.0.0.1", list), 1);
	snprintf(list, sizeof(list), "0.0.0.0/%056u", 8U);
	assert_int_equal(address_match("0.0.0.1", list), 0);
	memset(list, '*', 2000);
	strcpy(list + 2000, ",!0.0.0.2");
	assert_int_equal(address_match("0.0.0.1", list), 1);
	assert_int_equal(address_match("0.0.0.2", list), -1);
	snprintf(list, sizeof(list), "fe80::1%%%056d", 0);
	assert_int_equal(address_match(list, list), -1); /* no address has 64 bytes */
	list[63] = '\0';
	assert_int_equal(address_match(list, list), 1);
	assert_int_equal(address_match(list, "fe80::1*"), 1);
}

static void
test_address_lists(void **state)
{
	static const char *const good[] = { "1.2.3.4", "!10.0.0.0/8,*", "::1", "2001:db8::/32",
		"10.0.*", "10.?.0.1", "fe80::*", "fe80::%eth0/10" };
	static const char *const bad[] = { "", ",", "a,", "1.2.3.4,", "host", "*.example.com",
		"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "::1/129", "!", "1.2.3", "1.2.3.4 5",
		"0x7f.0.0.1", "10.1/16", "10.0.0.0/+8", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104",
		"1.2.3.4%eth0" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(address_list_ok(good[i]), 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(address_list_ok(bad[i]), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_match),
		cmocka_unit_test(test_long_items),
		cmocka_unit_test(test_address_lists),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
