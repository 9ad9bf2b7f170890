/*
 * master/choose.c: which section, or SSH, by what is known of a connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "master/choose.h"

static const char sections[] =
    "[gateway]\n[edge]\n"
    "[forward rest]\nProtocol = any\nTarget = h:1\n"
    "[forward www]\nProtocol = tls http\nMatchHost = www.example.org\n"
    "Target = h:1\n"
    "[forward h2]\nProtocol = tls\nMatchALPN = h2\nTarget = h:1\n"
    "[forward domain]\nProtocol = tls\nMatchHost = *.example.org\n"
    "Target = h:1\n"
    "[forward port]\nProtocol = xmpp\nMatchLocalPort = 5222 5223\n"
    "Target = h:1\n"
    "[forward vpn]\nProtocol = openvpn\nMatchAddress = !192.0.2.9 "
    "192.0.2.0/24\nTarget = h:1\n"
    "[forward local]\nProtocol = openvpn\nMatchLocalAddress = 2001:db8::1\n"
    "Target = h:1\n"
    "[forward ab]\nFirstBytes = ab\nTarget = h:1\n"
    "[forward a]\nFirstBytes = a\nTarget = h:1\n"
    "[forward raw]\nProtocol = ssh tls\nMode = raw\nTarget = h:1\n"
    "[forward connect]\nProtocol = connect\nTarget = h:1\n"
    "[forward banner]\nProtocol = banner\nTarget = h:1\n";

static struct conf *
parse(const char *text)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	int r = conf_gateway_parse(text, strlen(text), &conf, &errors);

	conf_errors_print(&errors, stderr);
	assert_int_equal(r, 0);
	return conf;
}

/* The name of the section, or a word for what else becomes of it. */
static const char *
chosen(const struct conf *conf, struct choose_facts facts)
{
	static const char *const words[] = { "SSH", "", "LOGINS", "NONE", "SILENT", "CLOSED" };
	const struct conf_forward *forward;
	enum choice choice;

	facts.host = facts.host == NULL ? "" : facts.host;
	facts.alpn = facts.alpn == NULL ? "" : facts.alpn;
	facts.client = facts.client == NULL ? "192.0.2.7" : facts.client;
	facts.local = facts.local == NULL ? "198.51.100.1" : facts.local;
	facts.local_port = facts.local_port == 0 ? 443 : facts.local_port;
	choice = choose(conf, &facts, &forward);
	assert_true((forward != NULL) == (choice == CHOICE_FORWARD));
	return forward != NULL ? forward->name : words[choice];
}

#define CHOSEN(conf, name, ...) \
	assert_string_equal(chosen(conf, (struct choose_facts){ __VA_ARGS__ }), name)
#define FIRST(text) .first = { (const uint8_t *)(text), sizeof(text) - 1 }

static void
test_sections(void **state)
{
	struct conf *c = parse(sections);

	(void)state;
	CHOSEN(c, "www", .kind = IPC_KIND_TLS, .host = "www.example.org");
	CHOSEN(c, "www", .kind = IPC_KIND_HTTP, .host = "www.example.org", .alpn = "h2");
	CHOSEN(c, "h2", .kind = IPC_KIND_TLS, .host = "api.example.org", .alpn = "http/1.1,h2");
	CHOSEN(c, "domain", .kind = IPC_KIND_TLS, .host = "api.example.org", .alpn = "h2c,h");
	CHOSEN(c, "rest", .kind = IPC_KIND_TLS, .host = "example.org");
	CHOSEN(c, "rest", .kind = IPC_KIND_TLS, .host = "www.example.org.evil.example");
	CHOSEN(c, "rest", .kind = IPC_KIND_TLS);
	CHOSEN(c, "rest", .kind = IPC_KIND_HTTP, .host = "api.example.org");
	CHOSEN(c, "port", .kind = IPC_KIND_XMPP, .local_port = 5223);
	CHOSEN(c, "rest", .kind = IPC_KIND_XMPP);
	CHOSEN(c, "vpn", .kind = IPC_KIND_OPENVPN);
	CHOSEN(c, "rest", .kind = IPC_KIND_OPENVPN, .client = "192.0.2.9");
	CHOSEN(c, "local", .kind = IPC_KIND_OPENVPN, .client = "192.0.2.9", .local = "2001:db8::1");
	CHOSEN(c, "rest", .kind = IPC_KIND_OTHER);
	CHOSEN(c, "banner", .kind = IPC_KIND_BANNER, .host = "vm1");
	CHOSEN(c, "connect", .kind = IPC_KIND_CONNECT, .host = "vm1");
	conf_free(&c);
}

/* The longest that fits is known; a shorter one fits if it is its beginning. */
static void
test_first_bytes(void **state)
{
	struct conf *c = parse(sections);

	(void)state;
	CHOSEN(c, "ab", .kind = IPC_KIND_OTHER, FIRST("ab"));
	CHOSEN(c, "a", .kind = IPC_KIND_OTHER, FIRST("a"));
	CHOSEN(c, "rest", .kind = IPC_KIND_OTHER, FIRST("b"));
	/* the section with the longer one excepted, as its conditions do not hold */
	CHOSEN(c, "raw", .kind = IPC_KIND_SSH, .inner = 1, FIRST("ab"));
	conf_free(&c);
	c = parse("[gateway]\n[edge]\n"
		  "[forward ab]\nFirstBytes = ab\nMatchAddress = 10.0.0.1\nTarget = h:1\n"
		  "[forward a]\nFirstBytes = a\nTarget = h:1\n");
	CHOSEN(c, "a", .kind = IPC_KIND_OTHER, FIRST("ab"));
	CHOSEN(c, "ab", .kind = IPC_KIND_OTHER, .client = "10.0.0.1", FIRST("ab"));
	CHOSEN(c, "NONE", .kind = IPC_KIND_OTHER);
	conf_free(&c);
}

/* What says more of the first bytes wins over what says less, and MatchALPN over [tls] sections, too. */
static void
test_order(void **state)
{
	struct conf *c = parse("[gateway]\n[edge]\n"
			       "[forward rest]\nProtocol = any\nTarget = h:1\n"
			       "[forward web]\nProtocol = tls http\nTarget = h:1\n"
			       "[forward acme]\nFirstBytes = GET /.well-known/\n"
			       "MatchHost = gw.example.org\nTarget = h:1\n"
			       "[forward alpn]\nProtocol = tls\nMatchALPN = acme-tls/1\n"
			       "MatchLocalPort = 443\nTarget = h:1\n");
	struct choose_facts facts = { .kind = IPC_KIND_TLS,
		.host = "gw.example.org",
		.alpn = "acme-tls/1",
		.client = "192.0.2.7",
		.local = "198.51.100.1",
		.local_port = 443 };

	(void)state;
	CHOSEN(c, "acme", .kind = IPC_KIND_HTTP, .host = "gw.example.org",
	    FIRST("GET /.well-known/"));
	CHOSEN(c, "web", .kind = IPC_KIND_HTTP, .host = "x.example.org",
	    FIRST("GET /.well-known/"));
	CHOSEN(c, "rest", .kind = IPC_KIND_OTHER, FIRST("GET /.well-known/"));
	CHOSEN(c, "web", .kind = IPC_KIND_HTTP, FIRST("GET /"));
	CHOSEN(c, "alpn", .kind = IPC_KIND_TLS, .alpn = "acme-tls/1");
	CHOSEN(c, "web", .kind = IPC_KIND_TLS, .alpn = "h2");
	CHOSEN(c, "rest", .kind = IPC_KIND_OTHER);
	assert_true(choose_by_alpn(c, &facts));
	facts.local_port = 8443;
	assert_false(choose_by_alpn(c, &facts));
	facts.local_port = 443;
	facts.alpn = "h2";
	assert_false(choose_by_alpn(c, &facts));
	conf_free(&c);
}

/* SSH is for the routes, also where Protocol = any. */
static void
test_ssh(void **state)
{
	struct conf *c = parse(sections);

	(void)state;
	CHOSEN(c, "SSH", .kind = IPC_KIND_SSH);
	CHOSEN(c, "SSH", .kind = IPC_KIND_SILENT);
	CHOSEN(c, "CLOSED", .kind = IPC_KIND_CLOSED);
	/* Mode = raw: what is inside of TLS, and nothing else */
	CHOSEN(c, "raw", .kind = IPC_KIND_SSH, .inner = 1);
	CHOSEN(c, "LOGINS", .kind = IPC_KIND_SSH, .inner = 1, .login_only = 1);
	CHOSEN(c, "raw", .kind = IPC_KIND_TLS, .inner = 1, .host = "www.example.org");
	CHOSEN(c, "NONE", .kind = IPC_KIND_HTTP, .inner = 1, .host = "www.example.org");
	conf_free(&c);
	c = parse(
	    "[gateway]\n[edge]\n[forward s]\nProtocol = ssh\nMatchLocalPort = 23\nTarget = h:1\n");
	CHOSEN(c, "s", .kind = IPC_KIND_SSH, .local_port = 23);
	CHOSEN(c, "SSH", .kind = IPC_KIND_SSH);
	CHOSEN(c, "SSH", .kind = IPC_KIND_BANNER, .host = "vm1");
	CHOSEN(c, "NONE", .kind = IPC_KIND_TLS);
	conf_free(&c);
	c = parse("[gateway]\n[edge]\nRestrictToSSH = yes\n");
	CHOSEN(c, "SSH", .kind = IPC_KIND_SSH);
	CHOSEN(c, "SILENT", .kind = IPC_KIND_SILENT);
	CHOSEN(c, "NONE", .kind = IPC_KIND_OTHER);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_first_bytes),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_ssh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
