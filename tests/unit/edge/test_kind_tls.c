/*
 * edge/kind_tls.c: the ClientHello, in any number of records, with names that can be hosts and others; and those of
 * programs on this host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "kind_check.h"

/* The time of a program on a busy machine. */
#define PATIENCE_MS 60000

#define B(text) text, sizeof(text) - 1

/* Data of extensions: a list of names. */
#define SNI(len2, len, name) "\0" len2 "\0\0" len name
#define NAME_VM1 SNI("\6", "\3", "vm1")

struct extension {
	uint16_t type;
	const char *data;
	size_t len;
};

static void
put_u16(struct buf *b, size_t v)
{
	buf_put_u8(b, (uint8_t)(v >> 8));
	buf_put_u8(b, (uint8_t)v);
}

/* A message with these extensions; none: not even a list of them. */
static void
put_hello(struct buf *message, const struct extension *e, size_t n)
{
	static const uint8_t begin[] = { 3, 3, 'r', 'a', 'n', 'd', 'o', 'm', 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* session */ 3, 1, 2, 3,
		/* suites, the first of RFC 8701 */ 0, 4, 0x1a, 0x1a, 0x13, 1, 1, 0 };
	struct buf list;
	size_t i;

	buf_init(message, KIND_MAX * 2);
	buf_init(&list, KIND_MAX * 2);
	for (i = 0; i < n; i++) {
		put_u16(&list, e[i].type);
		put_u16(&list, e[i].len);
		buf_put(&list, e[i].data, e[i].len);
	}
	buf_put_u8(message, 1);
	buf_put_u8(message, 0);
	put_u16(message, sizeof(begin) + (n > 0 ? 2 + list.len : 0));
	buf_put(message, begin, sizeof(begin));
	if (n > 0) {
		put_u16(message, list.len);
		buf_put(message, list.data, list.len);
	}
	assert_int_equal(buf_err(message), 0);
	buf_free(&list);
}

/* The message in records of at most so many bytes. */
static void
put_records(struct buf *out, const struct buf *message, size_t record)
{
	size_t at, some;

	buf_init(out, KIND_MAX * 8);
	for (at = 0; at < message->len; at += some) {
		some = message->len - at < record ? message->len - at : record;
		buf_put(out, "\x16\3\1", 3);
		put_u16(out, some);
		buf_put(out, message->data + at, some);
	}
	assert_int_equal(buf_err(out), 0);
}

/* Recognise a message with these extensions, in one record, in several, and with each byte in its own. */
static void
recognise(const struct extension *e, size_t n, struct kind *k)
{
	static const size_t records[] = { 1, 2, 7, 100 };
	struct buf message, out;
	struct kind other;
	size_t i;

	put_hello(&message, e, n);
	put_records(&out, &message, 16384);
	assert_int_equal(kind_check(out.data, out.len, k), 0);
	buf_free(&out);
	for (i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		put_records(&out, &message, records[i]);
		assert_int_equal(kind_check(out.data, out.len, &other), 0);
		assert_memory_equal(k, &other, sizeof(*k));
		buf_free(&out);
	}
	buf_free(&message);
}

static void
test_host_and_alpn(void **state)
{
	static const struct extension e[] = { { 0x2a2a, B("") }, { 0, B(NAME_VM1) },
		{ 43, B("\2\3\4") }, { 16, B("\0\x11\2\x0a\x0a\2h2\3ssh\6http/1") },
		{ 0xfafa, B("\0") } };
	struct kind k;

	(void)state;
	recognise(e, 5, &k);
	assert_int_equal(k.kind, IPC_KIND_TLS);
	assert_string_equal(k.host, "vm1");
	/* without the name of RFC 8701, which cannot be shown */
	assert_string_equal(k.alpn, "h2,ssh,http/1");
}

static void
test_hello_without_extensions(void **state)
{
	struct kind k;

	(void)state;
	recognise(NULL, 0, &k);
	assert_int_equal(k.kind, IPC_KIND_TLS);
	assert_string_equal(k.host, "");
	assert_string_equal(k.alpn, "");
}

static void
test_names(void **state)
{
	static const struct {
		struct extension e;
		enum ipc_kind kind;
		const char *host;
	} cases[] = {
		{ { 0, B(SNI("\x0b", "\x08", "VM1.Org.")) }, IPC_KIND_TLS, "vm1.org" },
		{ { 0, B(SNI("\x0c", "\x09", "192.0.2.1")) }, IPC_KIND_TLS, "192.0.2.1" },
		{ { 0, B(SNI("\6", "\3", "::1")) }, IPC_KIND_TLS, "::1" },
		{ { 0, B(SNI("\x08", "\5", "[::1]")) }, IPC_KIND_TLS, "::1" },
		{ { 0, B(SNI("\x09", "\6", "xn--ab")) }, IPC_KIND_TLS, "xn--ab" },
		/* no names of hosts */
		{ { 0, B(SNI("\6", "\3", "a\0b")) }, IPC_KIND_TLS, "" },
		{ { 0, B(SNI("\6", "\3", "a b")) }, IPC_KIND_TLS, "" },
		{ { 0, B(SNI("\6", "\3", "../")) }, IPC_KIND_TLS, "" },
		{ { 0, B(SNI("\6", "\3", "-ab")) }, IPC_KIND_TLS, "" },
		{ { 0, B(SNI("\6", "\3", "\xc3\xa9z")) }, IPC_KIND_TLS, "" },
		{ { 0, B(SNI("\4", "\1", ".")) }, IPC_KIND_TLS, "" },
		/* another type of name */
		{ { 0, B("\0\6\1\0\3vm1") }, IPC_KIND_TLS, "" },
		{ { 0, B("\0\x0a\1\0\1x\0\0\3vm1") }, IPC_KIND_TLS, "vm1" },
		/* malformed */
		{ { 0, B("") }, IPC_KIND_OTHER, "" },
		{ { 0, B("\0\0") }, IPC_KIND_OTHER, "" },
		{ { 0, B("\0\3\0\0\0") }, IPC_KIND_OTHER, "" },
		{ { 0, B("\0\6\0\0\4vm1") }, IPC_KIND_OTHER, "" },
		{ { 0, B("\0\7\0\0\3vm1") }, IPC_KIND_OTHER, "" },
		{ { 0, B("\0\6\0\0\3vm1x") }, IPC_KIND_OTHER, "" },
		{ { 0, B("\0\x0c\0\0\3vm1\0\0\3vm2") }, IPC_KIND_OTHER, "" },
		{ { 16, B("\0\0") }, IPC_KIND_OTHER, "" },
		{ { 16, B("\0\1\0") }, IPC_KIND_OTHER, "" },
		{ { 16, B("\0\3\3ab") }, IPC_KIND_OTHER, "" },
		/* names of ALPN that cannot stand in a list */
		{ { 16, B("\0\4\3a,b") }, IPC_KIND_TLS, "" },
		{ { 16, B("\0\4\3a b") }, IPC_KIND_TLS, "" },
	};
	struct kind k;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		recognise(&cases[i].e, 1, &k);
		if (k.kind != cases[i].kind || strcmp(k.host, cases[i].host) != 0)
			fail_msg("case %zu: kind %d, host \"%s\"", i, k.kind, k.host);
		assert_string_equal(k.alpn, "");
	}
}

static void
test_extension_twice(void **state)
{
	static const struct extension names[] = { { 0, B(NAME_VM1) }, { 0, B(NAME_VM1) } };
	static const struct extension alpns[] = { { 16, B("\0\2\1a") }, { 16, B("\0\2\1a") } };
	struct kind k;

	(void)state;
	recognise(names, 2, &k);
	assert_int_equal(k.kind, IPC_KIND_OTHER);
	recognise(alpns, 2, &k);
	assert_int_equal(k.kind, IPC_KIND_OTHER);
}

/* Names that there is no room for are left out, and not cut. */
static void
test_many_alpn_names(void **state)
{
	char data[2 + 60 * 10 + 2];
	struct extension e = { 16, data, sizeof(data) };
	struct kind k;
	size_t i;

	(void)state;
	data[0] = (char)((sizeof(data) - 2) >> 8);
	data[1] = (char)((sizeof(data) - 2) & 0xff);
	for (i = 0; i < 60; i++)
		memcpy(data + 2 + 10 * i,
		    "\x09"
		    "name-1234",
		    10);
	memcpy(data + 2 + 600, "\1z", 2);
	recognise(&e, 1, &k);
	assert_int_equal(k.kind, IPC_KIND_TLS);
	assert_int_equal(strlen(k.alpn), 25 * 10 - 1 + 2);
	assert_string_equal(k.alpn + 24 * 10, "name-1234,z");
}

/* As much as can be looked at, and one byte more. */
static void
test_the_largest_hello(void **state)
{
	static char padding[KIND_MAX];
	struct extension e[] = { { 21, padding, 0 }, { 0, B(NAME_VM1) } };
	struct buf message, out;
	struct kind k;

	(void)state;
	put_hello(&message, e, 2);
	e[0].len = KIND_MAX - 5 - message.len;
	buf_free(&message);
	put_hello(&message, e, 2);
	put_records(&out, &message, 16384);
	assert_int_equal(out.len, KIND_MAX);
	assert_int_equal(kind_of(out.data, out.len - 1, KIND_OPEN, &k), ERR_AGAIN);
	assert_int_equal(kind_of(out.data, out.len, KIND_OPEN, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_TLS);
	assert_string_equal(k.host, "vm1");
	buf_free(&out);
	/* the header of another record is too much */
	put_records(&out, &message, 16000);
	assert_int_equal(kind_of(out.data, out.len, KIND_OPEN, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_OTHER);
	buf_free(&out);
	buf_free(&message);
	e[0].len++;
	put_hello(&message, e, 2);
	put_records(&out, &message, 16384);
	assert_int_equal(kind_of(out.data, 9, KIND_OPEN, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_OTHER);
	buf_free(&out);
	buf_free(&message);
}

static void
test_other_record_within(void **state)
{
	const struct extension e = { 0, B(NAME_VM1) };
	struct buf message, out;
	struct kind k;

	(void)state;
	put_hello(&message, &e, 1);
	put_records(&out, &message, 20);
	out.data[25] = 21; /* an alert between */
	assert_int_equal(kind_check(out.data, out.len, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_OTHER);
	buf_free(&out);
	buf_free(&message);
}

/* --- hellos of real programs --- */

static pid_t
start(const char *const *argv)
{
	pid_t pid = fork();
	int null;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null == -1 || dup2(null, 0) == -1 || dup2(null, 1) == -1 || dup2(null, 2) == -1)
		_exit(127);
	execvp(argv[0], (char **)(uintptr_t)argv);
	_exit(127);
}

/* Wait for a connection: -1 if the program ends without one. */
static int
accept_from(int listening, pid_t pid)
{
	struct pollfd pfd = { listening, POLLIN, 0 };
	int status, waited;

	for (waited = 0; waited < PATIENCE_MS; waited += 100) {
		if (poll(&pfd, 1, 100) == 1)
			return accept(listening, NULL, NULL);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return -1;
	}
	return -1;
}

/* What the program sends first to 127.0.0.1 and the port that replaces PORT in its arguments: 0 with *k, all
 * cuts of it checked. */
static int
capture(const char *const *words, struct kind *k)
{
	static uint8_t p[KIND_MAX];
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(sin);
	const char *argv[16];
	char changed[16][400];
	size_t n = 0, i;
	ssize_t got = 0;
	struct pollfd pfd = { -1, POLLIN, 0 };
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r = ERR_AGAIN;
	const char *mark;
	pid_t pid;

	assert_int_equal(bind(listening, (struct sockaddr *)&sin, size), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&sin, &size), 0);
	for (i = 0; words[i] != NULL; i++) {
		assert_true(i < 15);
		mark = strstr(words[i], "PORT");
		snprintf(changed[i], sizeof(changed[i]), "%s", words[i]);
		if (mark != NULL)
			snprintf(changed[i] + (mark - words[i]),
			    sizeof(changed[i]) - (size_t)(mark - words[i]), "%u%s",
			    ntohs(sin.sin_port), mark + 4);
		argv[i] = changed[i];
	}
	argv[i] = NULL;
	pid = start(argv);
	pfd.fd = accept_from(listening, pid);
	while (pfd.fd != -1 && r == ERR_AGAIN && poll(&pfd, 1, PATIENCE_MS) == 1) {
		got = recv(pfd.fd, p + n, sizeof(p) - n, 0);
		if (got <= 0)
			break;
		n += (size_t)got;
		r = kind_of(p, n, KIND_OPEN, k);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	fd_close(&pfd.fd);
	fd_close(&listening);
	if (r == 0)
		assert_int_equal(kind_check(p, n, k), 0);
	return r;
}

/* The hello of this client has this SNI and ALPN; skipped without the client. */
static void
assert_hello(const char *const *argv, const char *host, const char *alpn)
{
	struct kind k;

	if (capture(argv, &k) != 0)
		skip();
	assert_int_equal(k.kind, IPC_KIND_TLS);
	assert_string_equal(k.host, host);
	assert_string_equal(k.alpn, alpn);
}

static void
test_hello_of_openssl(void **state)
{
	const char *const argv[] = { "openssl", "s_client", "-quiet", "-connect", "127.0.0.1:PORT",
		"-servername", "VM1.example.org", "-alpn", "ssh,http/1.1", NULL };

	(void)state;
	assert_hello(argv, "vm1.example.org", "ssh,http/1.1");
}

static void
test_hello_of_openssl_for_tls_1_2(void **state)
{
	const char *const argv[] = { "openssl", "s_client", "-quiet", "-connect", "127.0.0.1:PORT",
		"-noservername", "-tls1_2", NULL };

	(void)state;
	assert_hello(argv, "", "");
}

static void
test_hello_of_curl(void **state)
{
	const char *const argv[] = { "curl", "-sk", "--noproxy", "*", "--http1.1", "--connect-to",
		"::127.0.0.1:PORT", "https://www.example.org/", NULL };

	(void)state;
	assert_hello(argv, "www.example.org", "http/1.1");
}

static void
test_requests_of_curl(void **state)
{
	const char *const plain[] = { "curl", "-s", "--noproxy", "*", "--connect-to",
		"::127.0.0.1:PORT", "http://www.example.org:81/x", NULL };
	const char *const proxied[] = { "curl", "-s", "-x", "http://127.0.0.1:PORT",
		"http://www.example.org/", NULL };
	const char *const connect[] = { "curl", "-sp", "-x", "http://gw:secret@127.0.0.1:PORT",
		"http://vm1:22/", NULL };
	struct kind k;

	(void)state;
	if (capture(plain, &k) != 0)
		skip();
	assert_int_equal(k.kind, IPC_KIND_HTTP);
	assert_string_equal(k.host, "www.example.org");
	assert_int_equal(capture(proxied, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_HTTP);
	assert_string_equal(k.host, "www.example.org");
	assert_int_equal(capture(connect, &k), 0);
	assert_int_equal(k.kind, IPC_KIND_CONNECT);
	assert_string_equal(k.host, "vm1");
	assert_int_equal(k.port, 22);
	assert_string_equal(k.credentials, "gw:secret");
}

static void
test_hello_of_python(void **state)
{
	static const char script[] = "import socket, ssl\n"
				     "c = ssl.create_default_context()\n"
				     "c.set_alpn_protocols(['h2'])\n"
				     "c.wrap_socket(socket.create_connection(('127.0.0.1', PORT)), "
				     "server_hostname='192.0.2.7')";
	const char *const argv[] = { "python3", "-c", script, NULL };

	(void)state;
	/* it sends no address as SNI */
	assert_hello(argv, "", "h2");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_and_alpn),
		cmocka_unit_test(test_hello_without_extensions),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_extension_twice),
		cmocka_unit_test(test_many_alpn_names),
		cmocka_unit_test(test_the_largest_hello),
		cmocka_unit_test(test_other_record_within),
		cmocka_unit_test(test_hello_of_openssl),
		cmocka_unit_test(test_hello_of_openssl_for_tls_1_2),
		cmocka_unit_test(test_hello_of_curl),
		cmocka_unit_test(test_requests_of_curl),
		cmocka_unit_test(test_hello_of_python),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
