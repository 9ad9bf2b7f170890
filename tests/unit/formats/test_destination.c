/*
 * formats/destination.c: which names may be asked for, and which addresses may be connected to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "formats/destination.h"

static void
make_list(struct strlist *list, const char *words)
{
	*list = (struct strlist){ 0 };
	assert_int_equal(strlist_add_words(list, words), 0);
}

static void
test_entries_that_are_well_formed(void **state)
{
	static const char *const good[] = { "vm1", "*.corp.example", "*", "vm?:2222", "vm1:*",
		"10.0.0.0/8", "10.0.0.5", "10.0.0.0/8:22", "10.0.0.0/8:*", "fd00::/8", "::1",
		"[fd00::/8]", "[fd00::1]:2222", "[fd00::/8]:*", "0.0.0.0/0" };
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (destination_check(good[i], &why) != 0)
			fail_msg("%s: %s", good[i], why.text);
}

static void
test_entries_that_are_not(void **state)
{
	static const char *const bad[] = { "", ":22", "vm1:", "vm1:0", "vm1:65536", "vm1:x", "10.*",
		"10.0.0.1/8", "10.0.0.0/33", "[fd00::/8", "[fd00::/8]x", "[fd00::/8]22", "vm1,vm2",
		"a/b", "!vm1", "u@vm1", "vm 1", "[]:22", "::ffff:10.0.0.1", "1.2.3" };
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (destination_check(bad[i], &why) != ERR_FORMAT)
			fail_msg("%s is taken", bad[i]);
}

static void
test_hosts_that_a_user_may_name(void **state)
{
	static const struct {
		const char *host;
		int ok;
	} rows[] = {
		{ "vm1", 1 },
		{ "vm1.corp.example.", 1 },
		{ "10.0.0.5", 1 },
		{ "fd00::5", 1 },
		{ "_ssh._tcp.example", 1 },
		{ "", 0 },
		{ "-oProxyCommand=x", 0 },
		{ ".", 0 },
		{ "vm1 vm2", 0 },
		{ "vm1\n", 0 },
		{ "fe80::1%eth0", 0 },
		{ "[fd00::5]", 0 },
		{ "/etc/passwd", 0 },
		{ "vm1\x80", 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (destination_host_ok(rows[i].host) != rows[i].ok)
			fail_msg("%s", rows[i].host);
}

static void
test_names_match_hosts_and_addresses_networks(void **state)
{
	static const struct {
		const char *list, *host;
		uint32_t port;
		int may;
	} rows[] = {
		{ "", "vm1", 22, 0 },
		{ "vm1", "vm1", 22, 1 },
		{ "vm1", "VM1", 22, 1 },
		{ "vm1", "vm12", 22, 0 },
		{ "vm1", "vm1", 23, 0 },
		{ "vm1:23", "vm1", 22, 0 },
		{ "vm1:23", "vm1", 23, 1 },
		{ "vm1:*", "vm1", 65535, 1 },
		{ "*.corp", "a.b.corp", 22, 1 },
		{ "*.corp", "corp", 22, 0 },
		{ "*.corp", "a.corp.evil", 22, 0 },
		{ "*", "10.0.0.5", 22, 0 },
		{ "* 10.0.0.0/8", "10.0.0.5", 22, 1 },
		{ "* 10.0.0.0/8", "11.0.0.5", 22, 0 },
		{ "10.0.0.0/8", "vm1", 22, 0 },
		{ "[fd00::/8]:2222", "fd00::5", 2222, 1 },
		{ "[fd00::/8]:2222", "fd00::5", 22, 0 },
		{ "10.0.0.0/8", "::ffff:10.0.0.5", 22, 1 },
		/* a resolver takes these for 127.0.0.1: names here, whose addresses are judged later */
		{ "10.0.0.0/8", "127.1", 22, 0 },
		{ "10.0.0.0/8", "2130706433", 22, 0 },
	};
	struct strlist list;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_list(&list, rows[i].list);
		if (destination_may_ask(&list, rows[i].host, rows[i].port) != rows[i].may)
			fail_msg("%s: %s port %u", rows[i].list, rows[i].host, rows[i].port);
		strlist_free(&list);
	}
}

static void
test_addresses_that_may_be_connected_to(void **state)
{
	static const struct {
		const char *list, *address;
		uint32_t port;
		int own, may;
	} rows[] = {
		/* without networks: all but the special ones and our own */
		{ "*", "192.0.2.5", 22, 0, 1 },
		{ "*", "2001:db8::5", 22, 0, 1 },
		{ "*", "192.0.2.5", 22, 1, 0 },
		{ "*", "127.0.0.1", 22, 0, 0 },
		{ "*", "127.8.9.1", 22, 0, 0 },
		{ "*", "::1", 22, 0, 0 },
		{ "*", "::ffff:127.0.0.1", 22, 0, 0 },
		{ "*", "169.254.169.254", 22, 0, 0 },
		{ "*", "fe80::1", 22, 0, 0 },
		{ "*", "fe80::1%eth0", 22, 0, 0 },
		{ "*", "0.0.0.0", 22, 0, 0 },
		{ "*", "::", 22, 0, 0 },
		{ "*", "224.0.0.1", 22, 0, 0 },
		{ "*", "255.255.255.255", 22, 0, 0 },
		{ "*", "ff02::1", 22, 0, 0 },
		{ "*", "vm1", 22, 0, 0 },
		/* with networks: only those */
		{ "* 10.0.0.0/8", "10.0.0.5", 22, 0, 1 },
		{ "* 10.0.0.0/8", "192.0.2.5", 22, 0, 0 },
		{ "* 10.0.0.0/8", "10.0.0.5", 23, 0, 0 },
		{ "* 10.0.0.0/8:*", "10.0.0.5", 23, 0, 1 },
		{ "* 10.0.0.0/8", "2001:db8::5", 22, 0, 0 },
		{ "* 0.0.0.0/0", "127.0.0.1", 22, 0, 0 },
		{ "* 0.0.0.0/0", "169.254.169.254", 22, 0, 0 },
		{ "* ::/0", "::1", 22, 0, 0 },
		{ "* ::/0", "fe80::1%eth0", 22, 0, 0 },
		/* listed as such */
		{ "* 127.0.0.0/8", "127.0.0.1", 22, 1, 1 },
		{ "* 127.0.0.1", "127.0.0.1", 22, 1, 1 },
		{ "* 126.0.0.0/7", "127.0.0.1", 22, 1, 0 },
		{ "* ::1", "::1", 22, 1, 1 },
		{ "* fe80::/10", "fe80::1%eth0", 22, 0, 1 },
		{ "* 169.254.169.254", "169.254.169.254", 22, 0, 1 },
		{ "* 10.0.0.0/8", "10.0.0.5", 22, 1, 0 },
		{ "* 10.0.0.5", "10.0.0.5", 22, 1, 1 },
		{ "* 10.0.0.5/32", "10.0.0.5", 22, 1, 1 },
		{ "* 2001:db8::5/128", "2001:db8::5", 22, 1, 1 },
		{ "* 2001:db8::/32", "2001:db8::5", 22, 1, 0 },
		{ "* 0.0.0.0", "0.0.0.0", 22, 0, 0 },
	};
	struct strlist list;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_list(&list, rows[i].list);
		if (destination_may_connect(&list, rows[i].address, rows[i].port, rows[i].own) !=
		    rows[i].may)
			fail_msg("%s: %s port %u own %d", rows[i].list, rows[i].address,
			    rows[i].port, rows[i].own);
		strlist_free(&list);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_that_are_well_formed),
		cmocka_unit_test(test_entries_that_are_not),
		cmocka_unit_test(test_hosts_that_a_user_may_name),
		cmocka_unit_test(test_names_match_hosts_and_addresses_networks),
		cmocka_unit_test(test_addresses_that_may_be_connected_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
