/*
 * edge/kind.c: what is recognised at which byte, and nothing else, however it is cut.  Runs in the directory of
 * the sources.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "kind_check.h"

/* A literal and its length, without the NUL at its end. */
#define B(text) text, sizeof(text) - 1

#define OPENSSH "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n"
/* an IGNORE with 25 bytes of data and 4 of padding */
#define IGNORED(data) "\0\0\0\x23\x04\x02\0\0\0\x19" data "pppp"

static const struct sample {
	const char *p;
	size_t len;
	enum ipc_kind kind;
	const char *host;
} samples[] = {
	/* SSH: known at the end of its line, or after 255 bytes without one */
	{ B(OPENSSH), IPC_KIND_SSH, "" },
	{ B("SSH-2.0-PuTTY_Release_0.83\r\n\0\0\4\x1c\6\x14"), IPC_KIND_SSH, "" },
	{ B("SSH-1.5-old\n"), IPC_KIND_SSH, "" },
	{ B("SSH-\0\n"), IPC_KIND_SSH, "" },
	{ B("SSX-2.0-x\r\n"), IPC_KIND_OTHER, "" },
	/* with a host in its first packet */
	{ B("SSH-2.0-x / HTTP/1.1\r\n\0\0\0\x11\4\2\0\0\0\7Host: apppp"), IPC_KIND_BANNER, "a" },
	{ B("SSH-2.0-x / HTTP/1.1\r\n\0\0\0\x11\4\2\0\0\0\6Host: apppp"), IPC_KIND_SSH, "" },
	{ B("SSH-2.0-x / HTTP/1.1\r\n" IGNORED("\r\nHost: VM1.Example:22\r\n\r")), IPC_KIND_BANNER,
	    "vm1.example" },
	{ B("SSH-2.0-x / HTTP/1.0\n" IGNORED("HOST:vm1\r\n\r\n_____________")), IPC_KIND_BANNER,
	    "vm1" },
	{ B("SSH-2.0-x / HTTP/1.1\r\n" IGNORED("\r\nHost: vm1\0example:22\r\n\r")), IPC_KIND_SSH,
	    "" },
	{ B("SSH-2.0-x / HTTP/1.1\r\n" IGNORED("\r\nHost: -oProxyCommand=\r\n")), IPC_KIND_SSH,
	    "" },
	{ B("SSH-2.0-x / HTTP/1.1\r\n\0\0\4\x1c\6\x14"), IPC_KIND_SSH, "" }, /* a KEXINIT */
	{ B("SSH-2.0-x / HTTP/1.1\r\n\xff\xff\xff\xff\4\2"), IPC_KIND_SSH, "" },
	{ B("SSH-2.0-x / HTTP/1.1\r\n\0\0\0\5\4\2"), IPC_KIND_SSH, "" },
	{ B("SSH-2.0-x / HTTP/1.1\r\nHost: vm1\r\n\r\n"), IPC_KIND_SSH, "" },

	/* HTTP: known at its Host:, or at the end of its head */
	{ B("GET / HTTP/1.1\r\nHost: www.Example.org\r\n"), IPC_KIND_HTTP, "www.example.org" },
	{ B("GET /a?b=c HTTP/1.1\r\nUser-Agent: curl/8\r\nhOsT:\twww.example.org:8080 \r\n"),
	    IPC_KIND_HTTP, "www.example.org" },
	{ B("GET / HTTP/1.1\nHost: www.example.org.\n"), IPC_KIND_HTTP, "www.example.org" },
	{ B("GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n"), IPC_KIND_HTTP, "2001:db8::1" },
	{ B("GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n"), IPC_KIND_HTTP, "192.0.2.1" },
	{ B("GET http://one.example/x HTTP/1.1\r\n"), IPC_KIND_HTTP, "one.example" },
	{ B("GET HTTPS://[::1]:8443?x HTTP/1.1\r\n"), IPC_KIND_HTTP, "::1" },
	{ B("GET http://user@one.example/ HTTP/1.1\r\n"), IPC_KIND_HTTP, "" },
	{ B("GET http:///x HTTP/1.1\r\n"), IPC_KIND_HTTP, "" },
	{ B("OPTIONS * HTTP/1.0\r\n\r\n"), IPC_KIND_HTTP, "" },
	{ B("SEARCH / HTTP/1.1\r\nHost: s\r\n"), IPC_KIND_HTTP, "s" },
	{ B("SS / HTTP/1.1\r\nHost: s\r\n"), IPC_KIND_HTTP, "s" },
	{ B("BASELINE-CONTROL / HTTP/1.1\r\n\r\n"), IPC_KIND_HTTP, "" },
	{ B("GET / HTTP/1.1\r\nHost: a\0b\r\n"), IPC_KIND_HTTP, "" },
	{ B("GET / HTTP/1.1\r\nX: \x1b\r\nHost: a\r\n"), IPC_KIND_HTTP, "" },
	{ B("GET / HTTP/1.1\r\nHost: a b\r\n"), IPC_KIND_HTTP, "" },
	{ B("GET / HTTP/1.1\r\nHost:\r\n"), IPC_KIND_HTTP, "" },
	{ B("GET / HTTP/1.1\r\nHost: a..\r\n"), IPC_KIND_HTTP, "" },
	{ B("GET / HTTP/1.1\r\nHost: [a]\r\n"), IPC_KIND_HTTP, "" },
	{ B("GET / HTTP/1.1\r\nHost: a:b\r\n"), IPC_KIND_HTTP, "" },
	{ B("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), IPC_KIND_HTTP, "" },
	{ B("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), IPC_KIND_HTTP, "" },
	{ B("PRI * HTTP/2.0\r\n"), IPC_KIND_HTTP, "" },
	{ B("get / HTTP/1.1\r\n"), IPC_KIND_OTHER, "" },
	{ B("GET /\r\n"), IPC_KIND_OTHER, "" },
	{ B("GET  / HTTP/1.1\r\n"), IPC_KIND_OTHER, "" },
	{ B("GET / HTTP/1.1 \r\n"), IPC_KIND_OTHER, "" },
	{ B("GET / HTTP/2.0\r\n"), IPC_KIND_OTHER, "" },
	{ B("GET / HTTP/1.1\rHost: a\r\n"), IPC_KIND_OTHER, "" },
	{ B("GET /\0 HTTP/1.1\r\n"), IPC_KIND_OTHER, "" },
	{ B("ABCDEFGHIJKLMNOPQRSTU"), IPC_KIND_OTHER, "" },
	{ B("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), IPC_KIND_OTHER, "" },

	/* XMPP: known at its to=, or at the end of its header */
	{ B("<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='Example.ORG'"),
	    IPC_KIND_XMPP, "example.org" },
	{ B("<stream:stream to=\"example.org\""), IPC_KIND_XMPP, "example.org" },
	{ B("<?xml version=\"1.0\"?>\n<stream:stream\n to = 'a'"), IPC_KIND_XMPP, "a" },
	{ B("<stream:stream xto='a' x='to=\"b\">'>"), IPC_KIND_XMPP, "" },
	{ B("<stream:stream to='a@b'"), IPC_KIND_XMPP, "" },
	{ B("<stream:stream to='a\0b'"), IPC_KIND_XMPP, "" },
	{ B("<stream:streams"), IPC_KIND_OTHER, "" },
	{ B("<stream:stream to=a"), IPC_KIND_OTHER, "" },
	{ B("<?xml version='1.0'><s"), IPC_KIND_OTHER, "" },
	{ B("<?xml version='1.0'?><html"), IPC_KIND_OTHER, "" },
	{ B("<policy"), IPC_KIND_OTHER, "" },

	/* OpenVPN: known at its third byte */
	{ B("\0\x0e\x38"), IPC_KIND_OPENVPN, "" },
	{ B("\0\x36\x38\x9f\x60"), IPC_KIND_OPENVPN, "" },
	{ B("\1\x90\x50"), IPC_KIND_OPENVPN, "" },
	{ B("\0\x0d"), IPC_KIND_OTHER, "" },
	{ B("\0\x0e\x50"), IPC_KIND_OTHER, "" },
	{ B("\1\x90\x38"), IPC_KIND_OTHER, "" },
	{ B("\0\x0e\x20"), IPC_KIND_OTHER, "" },
	{ B("\5\1"), IPC_KIND_OTHER, "" },

	/* TLS that is none; test_kind_tls.c has what is */
	{ B("\x80\x2e\1\3\1"), IPC_KIND_OTHER, "" }, /* a hello of SSL 2 */
	{ B("\x16\2"), IPC_KIND_OTHER, "" },
	{ B("\x16\3\1\0\0"), IPC_KIND_OTHER, "" },
	{ B("\x16\3\1\x41"), IPC_KIND_OTHER, "" },
	{ B("\x16\3\1\0\1\2"), IPC_KIND_OTHER, "" },
	{ B("\x16\3\1\1\0\1\0\0\xfc\2"), IPC_KIND_OTHER, "" },
	{ B("\x16\3\1\1\0\1\1\0\0"), IPC_KIND_OTHER, "" }, /* of 64 KiB */
	{ B("\x16\3\1\0\1\1\x17"), IPC_KIND_OTHER, "" },
	{ B("\x15\3\1\0\2"), IPC_KIND_OTHER, "" },

	/* nothing that is known */
	{ B("\r\n"), IPC_KIND_OTHER, "" },
	{ B("*1\r\n$4\r\nPING\r\n"), IPC_KIND_OTHER, "" },
	{ B("\0\0\0\x55\xfeSMB"), IPC_KIND_OTHER, "" },
	{ B("\xff\xff"), IPC_KIND_OTHER, "" },
};

static void
test_samples(void **state)
{
	const struct sample *s;
	struct kind k;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		s = &samples[i];
		if (kind_check((const uint8_t *)s->p, s->len, &k) != 0 || k.kind != s->kind ||
		    strcmp(k.host, s->host) != 0)
			fail_msg("sample %zu, \"%.60s\": kind %d, host \"%s\"", i, s->p, k.kind,
			    k.host);
	}
}

/* Nothing is known of these before their last byte. */
static void
test_no_answer_before_its_time(void **state)
{
	static const struct sample late[] = {
		{ B(OPENSSH), IPC_KIND_SSH, "" },
		{ B("SSH-2.0-x / HTTP/1.1\r\n" IGNORED("\r\nHost: vm1.example:22\r\n\r")),
		    IPC_KIND_BANNER, "vm1.example" },
		{ B("GET / HTTP/1.1\r\nHost: a\r\n"), IPC_KIND_HTTP, "a" },
		{ B("POST http://a/ HTTP/1.1\r\n"), IPC_KIND_HTTP, "a" },
		{ B("GET / HTTP/1.1\r\nAccept: */*\r\n\r\n"), IPC_KIND_HTTP, "" },
		{ B("CONNECT vm1:22 HTTP/1.1\r\nHost: a\r\n\r\n"), IPC_KIND_CONNECT, "vm1" },
		{ B("<?xml version='1.0'?> <stream:stream to='a'"), IPC_KIND_XMPP, "a" },
		{ B("\0\x0e\x38"), IPC_KIND_OPENVPN, "" },
	};
	struct kind k;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
		for (n = 0; n < late[i].len; n++)
			assert_int_equal(kind_of((const uint8_t *)late[i].p, n, KIND_OPEN, &k),
			    ERR_AGAIN);
		assert_int_equal(kind_of((const uint8_t *)late[i].p, n, KIND_OPEN, &k), 0);
		assert_int_equal(k.kind, late[i].kind);
		assert_string_equal(k.host, late[i].host);
	}
}

/* And these are something else at their last byte. */
static void
test_the_first_wrong_byte_decides(void **state)
{
	static const char *const texts[] = { "a", "SSx", "Gx", "GET  ", "GET /\t",
		"GET / HTTP/1.1xx", "<x", "<?xmx", "<stream:stream t=x", "\x16\x02", "\x05",
		"\x80" };
	struct kind k;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		len = strlen(texts[i]);
		assert_int_equal(kind_of((const uint8_t *)texts[i], len - 1, KIND_OPEN, &k),
		    ERR_AGAIN);
		assert_int_equal(kind_of((const uint8_t *)texts[i], len, KIND_OPEN, &k), 0);
		assert_int_equal(k.kind, IPC_KIND_OTHER);
	}
}

static const struct connect {
	const char *head, *host;
	uint16_t port;
	const char *credentials;
} connects[] = {
	{ "CONNECT vm1:22 HTTP/1.1\r\n\r\n", "vm1", 22, "" },
	{ "CONNECT VM1.Example.:22 HTTP/1.0\n\n", "vm1.example", 22, "" },
	{ "CONNECT [2001:DB8::1]:65535 HTTP/1.1\r\nHost: x\r\n\r\n", "2001:db8::1", 65535, "" },
	/* without a port, or with one that is none: malformed */
	{ "CONNECT vm1 HTTP/1.1\r\n\r\n", "", 0, "" },
	{ "CONNECT vm1: HTTP/1.1\r\n\r\n", "", 0, "" },
	{ "CONNECT vm1:0 HTTP/1.1\r\n\r\n", "", 0, "" },
	{ "CONNECT vm1:65536 HTTP/1.1\r\n\r\n", "", 0, "" },
	{ "CONNECT vm1:022022 HTTP/1.1\r\n\r\n", "", 0, "" },
	{ "CONNECT vm1:+22 HTTP/1.1\r\n\r\n", "", 0, "" },
	{ "CONNECT ::1:22 HTTP/1.1\r\n\r\n", "", 0, "" },
	{ "CONNECT -x:22 HTTP/1.1\r\n\r\n", "", 0, "" },
	{ "CONNECT http://vm1:22/ HTTP/1.1\r\n\r\n", "", 0, "" },
	/* credentials */
	{ "CONNECT a:22 HTTP/1.1\r\nProxy-Authorization: Basic Z3c6c2VjcmV0\r\n\r\n", "a", 22,
	    "gw:secret" },
	{ "CONNECT a:22 HTTP/1.1\r\nPROXY-AUTHORIZATION:basic  Z3c6YTpi \r\nX: y\r\n\r\n", "a", 22,
	    "gw:a:b" },
	{ "CONNECT a:22 HTTP/1.1\r\nProxy-Authorization: Basic Og==\r\n\r\n", "a", 22, ":" },
	{ "CONNECT a:22 HTTP/1.1\r\nProxy-Authorization: Basic Z3c=\r\n\r\n", "a", 22, "" },
	{ "CONNECT a:22 HTTP/1.1\r\nProxy-Authorization: Basic Z3c6\r\nProxy-Authorization: Basic "
	  "Z3c6YTpi\r\n\r\n",
	    "a", 22, "" },
	{ "CONNECT a:22 HTTP/1.1\r\nProxy-Authorization: Basic Z3c6c2!\r\nProxy-Authorization: "
	  "Basic Og==\r\n\r\n",
	    "a", 22, "" },
	{ "CONNECT a:22 HTTP/1.1\r\nProxy-Authorization: Basic Z3c6AA==\r\n\r\n", "a", 22, "" },
	{ "CONNECT a:22 HTTP/1.1\r\nProxy-Authorization: Digest Z3c6YTpi\r\n\r\n", "a", 22, "" },
	{ "CONNECT a:22 HTTP/1.1\r\nAuthorization: Basic Z3c6YTpi\r\n\r\n", "a", 22, "" },
};

static void
test_connect(void **state)
{
	const struct connect *c;
	char stream[400];
	struct kind k;
	size_t i;
	int len;

	(void)state;
	for (i = 0; i < sizeof(connects) / sizeof(connects[0]); i++) {
		c = &connects[i];
		/* a client that does not wait for the answer */
		len = snprintf(stream, sizeof(stream), "%s%s", c->head, OPENSSH);
		assert_int_equal(kind_check((const uint8_t *)stream, (size_t)len, &k), 0);
		assert_int_equal(k.kind, IPC_KIND_CONNECT);
		assert_int_equal(k.take, strlen(c->head));
		assert_string_equal(k.host, c->host);
		assert_int_equal(k.port, c->port);
		assert_string_equal(k.credentials, c->credentials);
	}
}

/* A password of the key store's size fits, a longer one does not count. */
static void
test_connect_with_long_password(void **state)
{
	static const char begin[] = "CONNECT a:22 HTTP/1.1\r\nProxy-Authorization: Basic Z3c6";
	char head[2000];
	struct kind k;
	size_t len, quads;

	(void)state;
	for (quads = 341; quads < 400; quads += 58) {
		len = sizeof(begin) - 1;
		memcpy(head, begin, len);
		for (size_t i = 0; i < quads; i++, len += 4)
			memcpy(head + len, "YWFh", 4);
		memcpy(head + len, "\r\n\r\n", 4);
		assert_int_equal(kind_check((const uint8_t *)head, len + 4, &k), 0);
		assert_int_equal(k.kind, IPC_KIND_CONNECT);
		assert_int_equal(strlen(k.credentials), quads == 341 ? 3 + 3 * quads : 0);
	}
}

static void
test_nothing_in_time(void **state)
{
	struct kind k;

	(void)state;
	assert_int_equal(kind_of((const uint8_t *)"", 0, KIND_OPEN, &k), ERR_AGAIN);
	assert_int_equal(kind_of((const uint8_t *)"", 0, KIND_LATE, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_SILENT);
	assert_int_equal(kind_of((const uint8_t *)"", 0, KIND_CLOSED, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_CLOSED);
}

static void
test_too_little_in_time(void **state)
{
	struct kind k;

	(void)state;
	assert_int_equal(kind_of((const uint8_t *)"GET", 3, KIND_LATE, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_OTHER);
	assert_int_equal(kind_of((const uint8_t *)"GET", 3, KIND_CLOSED, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_CLOSED);
	/* the session has its own words for a version string without an end */
	assert_int_equal(kind_of((const uint8_t *)"SSH-2.0-x", 9, KIND_LATE, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_SSH);
	assert_int_equal(kind_of((const uint8_t *)B("SSH-2.0-x / HTTP/1.1\r\n\0\0"), KIND_LATE, &k),
	    0);
	assert_int_equal(k.kind, IPC_KIND_SSH);
}

/* What has not ended after KIND_MAX bytes is not looked at any longer. */
static void
test_too_much(void **state)
{
	static const char *const begins[] = { "GET / HTTP/1.1\r\nX: ",
		"CONNECT a:22 HTTP/1.1\r\nX: ", "GET /", "<stream:stream x='", "<?xml ", "" };
	static uint8_t p[2 * KIND_MAX];
	struct kind k, more;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		memset(p, 'A', sizeof(p));
		memcpy(p, begins[i], strlen(begins[i]));
		assert_int_equal(kind_of(p, KIND_MAX - 1, KIND_OPEN, &k),
		    begins[i][0] == '\0' ? 0 : ERR_AGAIN);
		assert_int_equal(kind_of(p, KIND_MAX, KIND_OPEN, &k), 0);
		assert_int_equal(k.kind, IPC_KIND_OTHER);
		assert_int_equal(kind_of(p, sizeof(p), KIND_CLOSED, &more), 0);
		assert_memory_equal(&k, &more, sizeof(k));
	}
	memset(p, 'A', sizeof(p));
	memcpy(p, "SSH-", 4);
	assert_int_equal(kind_of(p, 254, KIND_OPEN, &k), ERR_AGAIN);
	assert_int_equal(kind_of(p, 255, KIND_OPEN, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_SSH);
}

static void
test_patterns(void **state)
{
	static const struct bytes patterns[] = { { (const uint8_t *)"\x05", 1 },
		{ (const uint8_t *)"\x05\x01", 2 }, { (const uint8_t *)"ab\0c", 4 },
		{ (const uint8_t *)"ab", 2 }, { (const uint8_t *)"ab", 2 } };
	static const struct {
		const char *p;
		size_t len;
		enum kind_end end;
		int r;
		uint32_t index;
	} cases[] = {
		{ B(""), KIND_OPEN, ERR_AGAIN, IPC_NO_PATTERN },
		{ B(""), KIND_LATE, 0, IPC_NO_PATTERN },
		{ B("\5"), KIND_OPEN, ERR_AGAIN, IPC_NO_PATTERN },
		{ B("\5"), KIND_LATE, 0, 0 },
		{ B("\5\1"), KIND_OPEN, 0, 1 },
		{ B("\5\2"), KIND_OPEN, 0, 0 },
		{ B("ab\0"), KIND_OPEN, ERR_AGAIN, IPC_NO_PATTERN },
		{ B("ab\0"), KIND_CLOSED, 0, 3 },
		{ B("ab\0c and more"), KIND_OPEN, 0, 2 },
		{ B("abc"), KIND_OPEN, 0, 3 },
		{ B("b"), KIND_OPEN, 0, IPC_NO_PATTERN },
		{ B("ab\0d"), KIND_OPEN, 0, 3 },
	};
	uint32_t index;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(kind_pattern((const uint8_t *)cases[i].p, cases[i].len,
				     cases[i].end, patterns, 5, &index),
		    cases[i].r);
		assert_int_equal(index, cases[i].index);
	}
	assert_int_equal(kind_pattern((const uint8_t *)"x", 1, KIND_OPEN, NULL, 0, &index), 0);
	assert_int_equal(index, IPC_NO_PATTERN);
}

/* The inputs that the fuzzers start from. */
static void
test_corpus(void **state)
{
	static uint8_t p[2 * KIND_MAX];
	struct dirent *entry;
	char path[512];
	struct kind k;
	unsigned int seen = 0;
	size_t len;
	FILE *f;
	DIR *dir = opendir("tests/fuzz/corpus/kind");

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "tests/fuzz/corpus/kind/%s", entry->d_name);
		f = fopen(path, "r");
		assert_non_null(f);
		len = fread(p, 1, sizeof(p), f);
		assert_int_equal(fclose(f), 0);
		if (kind_check(p, len, &k) == 0)
			seen |= 1U << k.kind;
	}
	assert_int_equal(closedir(dir), 0);
	assert_int_equal(seen,
	    1U << IPC_KIND_SSH | 1U << IPC_KIND_TLS | 1U << IPC_KIND_HTTP | 1U << IPC_KIND_CONNECT |
		1U << IPC_KIND_BANNER | 1U << IPC_KIND_XMPP | 1U << IPC_KIND_OPENVPN |
		1U << IPC_KIND_OTHER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_no_answer_before_its_time),
		cmocka_unit_test(test_the_first_wrong_byte_decides),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_connect_with_long_password),
		cmocka_unit_test(test_nothing_in_time),
		cmocka_unit_test(test_too_little_in_time),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
