/*
 * lookup/connect_via.c: the values of ConnectVia that are taken, and why others are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lookup/connect_via.h"

static void
test_good_values(void **state)
{
	static const struct {
		const char *value, *scheme, *user, *host, *text;
		uint16_t port;
	} rows[] = {
		{ "socks5://proxy.example:1080", "socks5", "", "proxy.example",
		    "socks5://proxy.example:1080", 1080 },
		{ "http://gw@10.0.0.1:3128", "http", "gw", "10.0.0.1", "http://10.0.0.1:3128",
		    3128 },
		{ "socks5://gw@example.com@[2001:db8::1]:65535", "socks5", "gw@example.com",
		    "2001:db8::1", "socks5://[2001:db8::1]:65535", 65535 },
		{ "https://gw@proxy.example:443", "https", "gw", "proxy.example",
		    "https://proxy.example:443", 443 },
		{ "tls://proxy.example:443", "tls", "", "proxy.example", "tls://proxy.example:443",
		    443 },
	};
	char text[CONNECT_VIA_TEXT_SIZE];
	struct connect_via via;
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(connect_via_parse(rows[i].value, &via, &why), 0);
		assert_string_equal(via.scheme, rows[i].scheme);
		assert_int_equal(connect_via_is_tls(&via), i >= 3);
		assert_string_equal(via.user, rows[i].user);
		assert_string_equal(via.host, rows[i].host);
		assert_int_equal(via.port, rows[i].port);
		assert_string_equal(connect_via_text(&via, text), rows[i].text);
	}
}

static void
test_bad_values(void **state)
{
	static const struct {
		const char *value, *why;
	} rows[] = {
		{ "proxy:1080", "write socks5://" },
		{ "://proxy:1080", "write socks5://" },
		{ "socks4://proxy:1080", "write socks5://" },
		{ "ftps://proxy:443", "write socks5://" },
		{ "tls://gw@proxy:443", "tls:// has no user" },
		{ "http://gw:hunter2@proxy:1", "write ConnectViaPassword = NAME" },
		{ "http://@proxy:1", "1 to 255 bytes" },
		{ "http://g w@proxy:1", "printable" },
		{ "http://proxy", "does not end with a port" },
		{ "http://proxy:", "does not end with a port" },
		{ "http://proxy:0", "does not end with a port" },
		{ "http://proxy:65536", "does not end with a port" },
		{ "http://proxy:99999999999999999999", "does not end with a port" },
		{ "http://proxy:80/", "does not end with a port" },
		{ "http://::1:80", "in brackets" },
		{ "http://:80", "not a host name" },
		{ "http://[]:80", "not a host name" },
		{ "http://a b:80", "not a host name" },
		{ "http://a\r\nb:80", "not a host name" },
	};
	struct connect_via via;
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(connect_via_parse(rows[i].value, &via, &why), ERR_FORMAT);
		if (strstr(why.text, rows[i].why) == NULL)
			fail_msg("%s: %s", rows[i].value, why.text);
		assert_null(strstr(why.text, "hunter2"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_values),
		cmocka_unit_test(test_bad_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
