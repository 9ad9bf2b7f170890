/*
 * errand/via.c: what a proxy is asked, and what its answers mean, whole and cut anywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errand/via.h"

static struct bytes
bytes_of(const char *text, size_t len)
{
	return (struct bytes){ (const uint8_t *)text, len };
}

/* A string literal that may have NULs. */
#define B(text) bytes_of(text, sizeof(text) - 1)

/* A proxy that is asked for this host. */
static struct via
proxy(const char *scheme, const char *host, const char *user)
{
	return (struct via){ .scheme = scheme,
		.host = host,
		.port = 22,
		.user = user,
		.password = user[0] != '\0' ? B("secret") : B("") };
}

static void
begins(struct via *via, struct bytes expected)
{
	struct reason why = { "" };
	struct buf out;

	buf_init(&out, VIA_QUESTION_MAX);
	assert_int_equal(via_begin(via, &out, &why), 0);
	assert_int_equal(buf_err(&out), 0);
	assert_int_equal(out.len, expected.len);
	assert_memory_equal(out.data, expected.p, expected.len);
	buf_free(&out);
}

/* Every beginning of the answer asks for more, from memory of exactly that size; the whole of it has this
 * verdict, whatever follows.  asks: the next question. */
static void
answers(const struct via *before, struct bytes answer, enum via_verdict verdict, struct bytes asks,
    struct via *after)
{
	static const char behind[] = "SSH-2.0-x\r\n";
	struct reason why;
	size_t len, used;
	struct buf out;
	uint8_t *in;

	for (len = 0; len <= answer.len + sizeof(behind) - 1; len++) {
		in = malloc(len > 0 ? len : 1);
		assert_non_null(in);
		memcpy(in, answer.p, len < answer.len ? len : answer.len);
		if (len > answer.len)
			memcpy(in + answer.len, behind, len - answer.len);
		*after = *before;
		buf_init(&out, VIA_QUESTION_MAX);
		if (len < answer.len) {
			assert_int_equal(via_input(after, (struct bytes){ in, len }, &used, &out,
					     &why),
			    VIA_MORE);
			assert_int_equal(used, len);
			assert_int_equal(out.len, 0);
		} else {
			assert_int_equal(via_input(after, (struct bytes){ in, len }, &used, &out,
					     &why),
			    verdict);
			assert_int_equal(used, answer.len);
			assert_int_equal(buf_err(&out), 0);
			assert_int_equal(out.len, asks.len);
			if (asks.len > 0)
				assert_memory_equal(out.data, asks.p, asks.len);
		}
		buf_free(&out);
		free(in);
	}
}

/* The answer ends the exchange for this reason. */
static void
fails(const struct via *before, struct bytes answer, const char *reason)
{
	struct via via = *before;
	struct reason why = { "" };
	struct buf out;
	size_t used;

	buf_init(&out, VIA_QUESTION_MAX);
	assert_int_equal(via_input(&via, answer, &used, &out, &why), VIA_FAILED);
	assert_string_equal(why.text, reason);
	buf_free(&out);
}

#define CONNECTED B("\5\0\0\1\0\0\0\0\0\0")

static void
test_socks(void **state)
{
	struct via via = proxy("socks5", "m1.internal", ""), next, end;

	(void)state;
	begins(&via, B("\5\1\0"));
	answers(&via, B("\5\0"), VIA_ASK, B("\5\1\0\3\x0bm1.internal\0\x16"), &next);
	answers(&next, CONNECTED, VIA_OPEN, B(""), &end);
	answers(&next, B("\5\0\0\4\0\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\0\x16"),
	    VIA_OPEN, B(""), &end);
	answers(&next, B("\5\0\0\3\4name\0\x16"), VIA_OPEN, B(""), &end);
	answers(&next, B("\5\0\0\3\0\0\x16"), VIA_OPEN, B(""), &end);
	fails(&via, B("\5\xff"),
	    "wants a login: write user@ into ConnectVia, and ConnectViaPassword");
	fails(&via, B("\5\2"),
	    "wants a login: write user@ into ConnectVia, and ConnectViaPassword");
	fails(&via, B("HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak SOCKS 5");
	fails(&via, B("\4"), "does not speak SOCKS 5");
	fails(&next, B("\5\5"), "refuses: connection refused (SOCKS code 5)");
	fails(&next, B("\5\2\0\1\0\0\0\0\0\0"),
	    "refuses: not allowed by the proxy's rules (SOCKS code 2)");
	fails(&next, B("\5\x63\0"), "refuses: unknown reason (SOCKS code 99)");
	fails(&next, B("\5\0\0\2\0"), "answers with an unknown type of address (2)");
}

static void
test_socks_addresses(void **state)
{
	struct via v4 = proxy("socks5", "10.0.0.5", ""), v6 = proxy("socks5", "2001:db8::1", ""),
		   next;

	(void)state;
	begins(&v4, B("\5\1\0"));
	answers(&v4, B("\5\0"), VIA_ASK, B("\5\1\0\1\x0a\0\0\5\0\x16"), &next);
	begins(&v6, B("\5\1\0"));
	answers(&v6, B("\5\0"), VIA_ASK,
	    B("\5\1\0\4\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x16"), &next);
}

static void
test_socks_login(void **state)
{
	struct via via = proxy("socks5", "m", "gw"), login, next, end;

	(void)state;
	begins(&via, B("\5\2\0\2"));
	answers(&via, B("\5\2"), VIA_ASK, B("\1\2gw\6secret"), &login);
	answers(&login, B("\1\0"), VIA_ASK, B("\5\1\0\3\1m\0\x16"), &next);
	answers(&next, CONNECTED, VIA_OPEN, B(""), &end);
	/* without a login, if the proxy wants none */
	answers(&via, B("\5\0"), VIA_ASK, B("\5\1\0\3\1m\0\x16"), &next);
	fails(&via, B("\5\xff"), "takes no user and password");
	fails(&login, B("\1\1"),
	    "refuses the user and password of ConnectVia and ConnectViaPassword");
	fails(&login, B("\5\0"), "does not speak SOCKS 5");
}

static void
test_http(void **state)
{
	struct via via = proxy("http", "m1.internal", ""), v6 = proxy("http", "2001:db8::1", ""),
		   end;

	(void)state;
	begins(&via, B("CONNECT m1.internal:22 HTTP/1.1\r\nHost: m1.internal:22\r\n\r\n"));
	answers(&via, B("HTTP/1.1 200 OK\r\n\r\n"), VIA_OPEN, B(""), &end);
	answers(&via, B("HTTP/1.0 200 Connection established\r\nProxy-agent: x\r\n\r\n"), VIA_OPEN,
	    B(""), &end);
	answers(&via, B("HTTP/1.1 299\r\nContent-Length: 9\r\n\r\n"), VIA_OPEN, B(""), &end);
	answers(&via, B("HTTP/1.1 200 OK\nX: y\n\n"), VIA_OPEN, B(""), &end);
	begins(&v6, B("CONNECT [2001:db8::1]:22 HTTP/1.1\r\nHost: [2001:db8::1]:22\r\n\r\n"));
	fails(&via, B("SSH-2.0-OpenSSH"), "does not speak HTTP");
	fails(&via, B("S"), "does not speak HTTP");
	fails(&via, B("HTTP/2.0 200 OK"), "does not speak HTTP");
	fails(&via, B("HTTP/1.1 2000"), "does not speak HTTP");
	fails(&via, B("HTTP/1.1 403 Filtered\r\n"), "refuses: forbidden (HTTP code 403)");
	fails(&via, B("HTTP/1.1 100 Continue\r\n\r\n"), "refuses: no connection (HTTP code 100)");
	fails(&via, B("HTTP/1.1 407 x"),
	    "wants a login (HTTP code 407): write user@ into ConnectVia, and ConnectViaPassword");
}

static void
test_http_login(void **state)
{
	struct via via = proxy("http", "m", "gw");

	(void)state;
	begins(&via,
	    B("CONNECT m:22 HTTP/1.1\r\nHost: m:22\r\nProxy-Authorization: Basic "
	      "Z3c6c2VjcmV0\r\n\r\n"));
	fails(&via, B("HTTP/1.1 407 x"),
	    "refuses the user and password of ConnectVia and ConnectViaPassword (HTTP code 407)");
}

static void
test_long_answers(void **state)
{
	static char text[VIA_ANSWER_MAX], name[300];
	struct via via = proxy("http", "m", ""), end;
	struct reason why;
	struct buf out;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
	begins(&via, B("CONNECT m:22 HTTP/1.1\r\nHost: m:22\r\n\r\n"));
	fails(&via, bytes_of(text, sizeof(text)), "answers with more than 8192 bytes");
	memcpy(text + 1000, "\r\n\r\n", 4);
	answers(&via, bytes_of(text, 1004), VIA_OPEN, B(""), &end);

	memset(name, 'x', sizeof(name) - 1);
	via = proxy("socks5", name, "");
	buf_init(&out, VIA_QUESTION_MAX);
	assert_int_equal(via_begin(&via, &out, &why), ERR_FORMAT);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socks),
		cmocka_unit_test(test_socks_addresses),
		cmocka_unit_test(test_socks_login),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_http_login),
		cmocka_unit_test(test_long_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
