/*
 * conf/forward.c and conf/edge.c: [forward NAME], and what of [edge] is about first bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/forward.h"
#include "tmp_dir.h"

#define FILE_NAME "conf.d/a.ini"
#define TARGET "Target = 127.0.0.1:443\n"

static struct conf *
load(const char *text)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	int r;

	write_text(FILE_NAME, text);
	r = conf_load("conf.d", CONF_ALL, &conf, &errors);
	conf_errors_print(&errors, stderr);
	assert_int_equal(r, 0);
	return conf;
}

/* Just this error, in this line. */
static void
bad(const char *text, unsigned int line, const char *expected)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;

	write_text(FILE_NAME, text);
	assert_int_equal(conf_load("conf.d", CONF_ALL, &conf, &errors), ERR_CONFIG);
	if (errors.n != 1 || strncmp(errors.v[0].text, expected, strlen(expected)) != 0)
		conf_errors_print(&errors, stderr);
	assert_int_equal(errors.n, 1);
	assert_int_equal(strncmp(errors.v[0].text, expected, strlen(expected)), 0);
	assert_int_equal(errors.v[0].line, line);
	conf_errors_free(&errors);
}

static void
test_values(void **state)
{
	const struct conf_forward *f;
	struct conf *conf;

	(void)state;
	conf = load(
	    "[forward web]\nProtocol = tls HTTP\nMatchHost = www.example.org *.example.org\n"
	    "Target = [::1]:8443 unix:/run/web.sock\nSendProxy = v2\nIdleTimeout = none\n"
	    "[gateway]\n"
	    "[forward name]\nProtocol = connect\nTarget = %h:%p\nMode = raw\n"
	    "AllowDestinations = *.example.org:22 10.0.0.0/8:*\nMaxConnections = 7\n");
	assert_int_equal(conf->n_forwards, 2);
	f = &conf->forwards[0];
	assert_string_equal(f->name, "web");
	assert_int_equal(f->protocols, FORWARD_TLS | FORWARD_HTTP);
	assert_int_equal(f->match_host.n, 2);
	assert_string_equal(f->targets.v[1], "unix:/run/web.sock");
	assert_int_equal(f->send_proxy, 2);
	assert_int_equal(f->idle_timeout_ms, 0);
	assert_int_equal(f->connect_timeout_ms, 10000);
	assert_int_equal(f->max_connections, 4096);
	assert_int_equal(f->mode, FORWARD_PASS);
	f = &conf->forwards[1];
	assert_int_equal(f->mode, FORWARD_RAW);
	assert_int_equal(f->idle_timeout_ms, 3600000);
	assert_int_equal(f->max_connections, 7);
	assert_int_equal(f->destinations.n, 2);
	conf_free(&conf);
}

static void
test_targets_that_are_tunnels(void **state)
{
	char name[TUNNEL_NAME_SIZE];
	const struct conf_forward *f;
	struct conf *conf;

	(void)state;
	conf = load("[forward one]\nProtocol = openvpn\nTarget = tunnel:Box\n"
		    "[forward all]\nProtocol = http tls\nMatchHost = *.t.example *.u.example\n"
		    "Target = tunnel:%1\n"
		    "[forward web]\nProtocol = any\n" TARGET);
	f = conf->forwards;
	assert_true(forward_tunnel(&f[0], "", name));
	assert_string_equal(name, "box");
	assert_true(forward_tunnel(&f[1], "Web.T.example", name));
	assert_string_equal(name, "web");
	assert_true(forward_tunnel(&f[1], "a.b.u.example", name));
	assert_string_equal(name, "a.b");
	assert_true(forward_tunnel(&f[1], ".t.example", name));
	assert_string_equal(name, "");
	assert_true(forward_tunnel(&f[1], "t.example", name));
	assert_string_equal(name, "");
	assert_false(forward_tunnel(&f[2], "web.t.example", name));
	assert_string_equal(forward_tunnel_domain(conf), "t.example");
	conf_free(&conf);
	bad("[forward w]\nProtocol = http\nTarget = tunnel:%2\n", 3,
	    "Target: \"tunnel:%2\" is not tunnel:NAME or tunnel:%1");
	bad("[forward w]\nProtocol = http\nTarget = tunnel:%1\n", 1, "[forward w] has tunnel:%1");
	bad("[forward w]\nProtocol = http\nMatchHost = *\nTarget = tunnel:%1\n", 1,
	    "[forward w] has tunnel:%1");
	bad("[forward w]\nProtocol = http\nTarget = tunnel:a 127.0.0.1:1\n", 1,
	    "[forward w] has tunnel: and another");
	bad("[forward w]\nProtocol = http\nTarget = tunnel:a\nSendProxy = v1\n", 1,
	    "[forward w] has SendProxy");
	bad("[forward w]\nProtocol = connect\nTarget = tunnel:a\n", 1,
	    "[forward w] has Protocol = connect");
}

static void
test_mistakes(void **state)
{
	(void)state;
	bad("[forward]\nProtocol = any\n" TARGET, 1, "[forward] needs a name");
	bad("[forward a b]\nProtocol = any\n" TARGET, 1, "[forward a b]: ");
	bad("[forward w]\nProtocol = any\n" TARGET "[forward w]\nProtocol = tls\n" TARGET, 4,
	    "[forward w] is defined twice; first at " FILE_NAME ":1");
	bad("[forward w]\nProtocol = any\n", 1, "[forward w] has no Target");
	bad("[forward w]\n" TARGET, 1, "[forward w] has no Protocol");
	bad("[forward w]\nProtocol = tsl\n" TARGET, 2, "Protocol: \"tsl\" is none of: tls http");
	bad("[forward w]\nProtocol = tls any\n" TARGET, 1, "[forward w] has Protocol = any, which");
	bad("[forward w]\nProtocol = tls\nFirstBytes = x\n" TARGET, 1,
	    "[forward w] has Protocol and");
	bad("[forward w]\nProtocol = http\nMatchALPN = h2\n" TARGET, 1,
	    "[forward w] has MatchALPN");
	bad("[forward w]\nFirstBytes = x\nMatchHost = h\n" TARGET
	    "[forward y]\nFirstBytes = GET /x\nMatchHost = h\n" TARGET,
	    1, "[forward w] has MatchHost");
	bad("[forward w]\nProtocol = tls\nMatchHost = a/b\n" TARGET, 3,
	    "MatchHost: \"a/b\" is not");
	bad("[forward w]\nProtocol = tls\nTarget = %h:443\n", 1,
	    "[forward w] has %h in its Target: ");
	bad("[forward w]\nProtocol = openvpn\nTarget = %h:443\nAllowDestinations = *:443\n", 1,
	    "[forward w] has %h in its Target, but");
	bad("[forward w]\nProtocol = tls\nTarget = %h:443 h:1\nAllowDestinations = *\n", 1,
	    "[forward w] has %h in one Target and not in another");
	bad("[forward w]\nProtocol = tls\n" TARGET "AllowDestinations = *\n", 1,
	    "[forward w] has AllowDestinations, which");
	bad("[forward w]\nProtocol = tls\nTarget = web:%p\n", 1,
	    "[forward w] has %p in its Target");
	bad("[forward w]\nProtocol = tls\nTarget = web\n", 3, "Target: \"web\" is not HOST:PORT");
	bad("[forward w]\nProtocol = tls\nTarget = web:0\n", 3,
	    "Target: \"web:0\" is not HOST:PORT");
	bad("[forward w]\nProtocol = tls\nTarget = ::1:443\n", 3,
	    "Target: \"::1:443\": an IPv6 address goes in brackets");
	bad("[forward w]\nProtocol = tls\nTarget = unix:run/x\n", 3,
	    "Target: \"unix:run/x\" is not");
	bad("[forward w]\nProtocol = tls\nTarget = a%hb:443\n", 3, "Target: \"a%hb:443\" is not");
	bad("[forward w]\nProtocol = tls\n" TARGET "HostName = x\n", 4,
	    "unknown keyword \"HostName\" in [forward w]: write Target = HOST:PORT");
	bad("[gateway]\nTarget = x:1\n", 2,
	    "unknown keyword \"Target\" in [gateway]: it belongs to a [forward NAME]");
	bad("[forward w]\nProtocol = tls\nMatchLocalPort = x\n" TARGET, 3, "MatchLocalPort: \"x\"");
	bad("[forward w]\nProtocol = tls\nMatchAddress = x/\n" TARGET, 3, "MatchAddress: \"x/\"");
}

static void
bytes_are(const char *text, const char *expected, int n)
{
	uint8_t out[FORWARD_BYTES_MAX];

	assert_int_equal(forward_bytes(text, out), n);
	assert_memory_equal(out, expected, (size_t)n);
}

static void
test_first_bytes(void **state)
{
	char full[FORWARD_BYTES_MAX + 2];
	uint8_t out[FORWARD_BYTES_MAX];
	static const char *const wrong[] = { "\\", "a\\x", "\\x1", "\\xg0", "\\n" };
	size_t i;

	(void)state;
	bytes_are("abc", "abc", 3);
	bytes_are("\\x00\\x0E8\\\\#",
	    "\0\x0e"
	    "8\\#",
	    5);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(forward_bytes(wrong[i], out), ERR_FORMAT);
	memset(full, 'a', sizeof(full));
	full[FORWARD_BYTES_MAX + 1] = '\0';
	assert_int_equal(forward_bytes(full, out), ERR_FORMAT);
	assert_int_equal(forward_bytes(full + 1, out), FORWARD_BYTES_MAX);
	bad("[forward w]\nFirstBytes = \\q\n" TARGET, 2, "FirstBytes: \"\\q\" is not text");
	bad("[forward w]\nFirstBytes = SSH-2\n" TARGET, 2, "FirstBytes: \"SSH-2\" is SSH");
}

static void
test_there_is_a_limit(void **state)
{
	static char text[200 * 1024];
	size_t len = 0;
	int i;

	(void)state;
	for (i = 0; i < 129; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "[forward w%d]\nFirstBytes = %d\nTarget = h:1\n", i, i);
	bad(text, 128 * 3 + 1, "more than 128 [forward] sections");
	for (len = 0, i = 0; i < 100; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "[forward w%d]\nFirstBytes = %0200d\nTarget = h:1\n", i, i);
	bad(text, 99 * 3 + 1, "the [forward] sections are longer than 32 KiB altogether");
}

/* Which ListenAddress is looked at. */
static void
test_detect_on(void **state)
{
	static const char listen[] =
	    "[gateway]\nListenAddress = 0.0.0.0:22 0.0.0.0:443 [::]:443 127.0.0.1:80\n";
	static const struct {
		const char *text;
		const char *detects; /* for each ListenAddress */
	} cases[] = {
		{ "[edge]\n", "0000" },
		{ "[edge]\nDetectOn = 443\n", "0000" }, /* nothing to look for */
		{ "[edge]\nRestrictToSSH = yes\n", "1111" },
		{ "[forward w]\nProtocol = any\n" TARGET, "1111" },
		{ "[forward w]\nProtocol = any\n" TARGET "[edge]\nDetectOn = 443 127.0.0.1:80\n",
		    "0111" },
		{ "[forward w]\nProtocol = any\n" TARGET "[edge]\nDetectOn = [::]:443\n", "0010" },
		{ "[forward w]\nProtocol = any\n" TARGET "[edge]\nDetectOn = 0.0.0.0:443\n",
		    "0100" },
	};
	char text[512], got[5] = "";
	struct conf *conf;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", listen, cases[i].text);
		conf = load(text);
		for (j = 0; j < 4; j++)
			got[j] = conf_detects(conf, &conf->gateway.listen[j]) ? '1' : '0';
		assert_string_equal(got, cases[i].detects);
		conf_free(&conf);
	}
	bad("[edge]\nDetectOn = 8443\n", 2, "DetectOn: 8443 is not a ListenAddress");
	bad("[edge]\nDetectOn = 127.0.0.1:2222\n", 2,
	    "DetectOn: 127.0.0.1:2222 is not a ListenAddress");
	bad("[edge]\nDetectOn = ssh\n", 2, "DetectOn: \"ssh\" is not a port");
	bad("[edge]\nDetectOn = :22\n", 2, "DetectOn: \":22\" is not a port");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_targets_that_are_tunnels),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_first_bytes),
		cmocka_unit_test(test_there_is_a_limit),
		cmocka_unit_test(test_detect_on),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
