/*
 * access/login_certificate.c: what the certificate of a login says, by route and key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "access/login_certificate.h"

#define NOW 1700000000
#define OWN "192.0.2.7"

static const struct authorized_options all = { .permits = AUTHORIZED_ALL };
static char *hosts[] = { (char *)"vm7", NULL };

/* A route that permits everything. */
static struct route
any_route(void)
{
	return (struct route){ .hosts = { .v = hosts, .n = 1 },
		.certificate_lifetime_ms = 300 * 1000,
		.certificate_skew_ms = 60 * 1000,
		.allow_tcp = ROUTE_FORWARD_YES,
		.allow_stream = ROUTE_FORWARD_YES,
		.allow_agent = 1,
		.x11 = 1,
		.permit_tty = 1,
		.max_sessions = 1024 };
}

static void
make(const struct route *r, const struct authorized_options *options, const char *from,
    struct login_certificate *c)
{
	struct reason why;

	assert_int_equal(login_certificate_make(r, options, "ubuntu", from, NOW, c, &why), 0);
}

/* The source address of a route's certificate, in static memory; "" if it has none. */
static const char *
source(const struct route *r, const char *from)
{
	static char text[256];
	struct login_certificate c;

	make(r, &all, from, &c);
	snprintf(text, sizeof(text), "%s", c.source != NULL ? c.source : "");
	assert_true(c.order.source_address == c.source);
	login_certificate_free(&c);
	return text;
}

static unsigned int
permits(const struct route *r, const struct authorized_options *options)
{
	struct login_certificate c;
	unsigned int p;

	make(r, options, OWN, &c);
	p = c.order.permits;
	login_certificate_free(&c);
	return p;
}

static void
test_defaults(void **state)
{
	const struct route r = any_route();
	struct login_certificate c;

	(void)state;
	make(&r, &all, OWN, &c);
	assert_int_equal(c.order.kind, CERT_USER);
	assert_int_equal(c.order.valid_after, NOW - 60);
	assert_int_equal(c.order.valid_before, NOW + 300);
	assert_int_equal(c.principals.n, 1);
	assert_string_equal(c.principals.v[0], "ubuntu");
	assert_string_equal(c.source, OWN);
	assert_null(c.order.force_command);
	assert_int_equal(c.order.permits, AUTHORIZED_ALL);
	login_certificate_free(&c);
}

/* Where the machine sees another address than the gateway's own, it cannot be found out. */
static void
test_source_address_of_the_gateway_where_the_machine_sees_it(void **state)
{
	static char *tunnel[] = { (char *)"tunnel:door", NULL };
	struct route r = any_route();

	(void)state;
	assert_string_equal(source(&r, "2001:db8::1"), "2001:db8::1");
	assert_string_equal(source(&r, ""), "");
	assert_string_equal(source(&r, "the gateway"), "");
	assert_string_equal(source(&r, "fe80::1%eth0"), "");
	r.proxy_jump = (char *)"bastion";
	assert_string_equal(source(&r, OWN), "");
	r.certificate_source_address = (char *)"auto";
	assert_string_equal(source(&r, OWN), "");
	r.certificate_source_address = (char *)"10.0.0.0/8, 192.0.2.1";
	assert_string_equal(source(&r, OWN), "10.0.0.0/8,192.0.2.1");
	r = any_route();
	r.certificate_source_address = (char *)"none";
	assert_string_equal(source(&r, OWN), "");
	r = any_route();
	r.connect_via = (char *)"socks5://127.0.0.1:1080";
	assert_string_equal(source(&r, OWN), "");
	r = any_route();
	r.send_proxy = 2;
	assert_string_equal(source(&r, OWN), "");
	r = any_route();
	r.hosts.v = tunnel;
	assert_string_equal(source(&r, OWN), "");
}

static void
test_both_the_route_and_the_key_have_to_permit(void **state)
{
	struct authorized_options key = all;
	struct route r = any_route();

	(void)state;
	key.permits = AUTHORIZED_PTY | AUTHORIZED_X11_FORWARDING;
	assert_int_equal(permits(&r, &key), AUTHORIZED_PTY | AUTHORIZED_X11_FORWARDING);
	r.permit_tty = 0;
	assert_int_equal(permits(&r, &key), AUTHORIZED_X11_FORWARDING);
	assert_int_equal(permits(&r, &all), AUTHORIZED_ALL & ~AUTHORIZED_PTY);
	r = any_route();
	r.allow_tcp = ROUTE_FORWARD_LOCAL;
	r.allow_stream = ROUTE_FORWARD_NO;
	assert_int_equal(permits(&r, &all), AUTHORIZED_ALL);
	r.allow_tcp = ROUTE_FORWARD_NO;
	r.allow_stream = ROUTE_FORWARD_YES; /* which counts for nothing then */
	assert_int_equal(permits(&r, &all), AUTHORIZED_ALL & ~AUTHORIZED_PORT_FORWARDING);
	r = any_route();
	r.restrict_all = 1;
	assert_int_equal(permits(&r, &all), AUTHORIZED_ALL & ~AUTHORIZED_USER_RC);
}

/* PermitOpen = none and PermitListen = none leave nothing to forward but sockets that the machine listens on. */
static void
test_forwarding_of_nothing(void **state)
{
	static char *none[] = { (char *)"none", NULL }, *port[] = { (char *)"*:22", NULL };
	const unsigned int rest = AUTHORIZED_ALL & ~AUTHORIZED_PORT_FORWARDING;
	struct route r = any_route();

	(void)state;
	r.permit_open = r.permit_listen = (struct strlist){ .v = none, .n = 1 };
	assert_int_equal(permits(&r, &all), AUTHORIZED_ALL);
	r.allow_stream = ROUTE_FORWARD_LOCAL;
	assert_int_equal(permits(&r, &all), rest);
	r.allow_stream = ROUTE_FORWARD_NO;
	assert_int_equal(permits(&r, &all), rest);
	r.permit_open.v = port;
	assert_int_equal(permits(&r, &all), AUTHORIZED_ALL);
	r.allow_tcp = ROUTE_FORWARD_REMOTE;
	assert_int_equal(permits(&r, &all), rest);
	r.permit_listen.v = port;
	assert_int_equal(permits(&r, &all), AUTHORIZED_ALL);
}

static void
test_forced_command(void **state)
{
	struct authorized_options key = all;
	struct login_certificate c;
	struct route r = any_route();
	char longer[CERT_TEXT_MAX + 2];
	struct reason why;

	(void)state;
	key.command = (char *)"id";
	make(&r, &key, OWN, &c);
	assert_string_equal(c.order.force_command, "id");
	login_certificate_free(&c);
	r.force_command = (char *)"none";
	make(&r, &key, OWN, &c);
	assert_string_equal(c.order.force_command, "id");
	login_certificate_free(&c);
	r.force_command = (char *)"uptime";
	make(&r, &key, OWN, &c);
	assert_string_equal(c.order.force_command, "uptime");
	login_certificate_free(&c);

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	r.force_command = longer;
	assert_int_equal(login_certificate_make(&r, &all, "u", OWN, NOW, &c, &why), ERR_TOOBIG);
	login_certificate_free(&c);
}

static void
test_hop_forwards_and_runs_nothing(void **state)
{
	struct login_certificate c;
	struct route r = any_route();

	(void)state;
	make(&r, NULL, OWN, &c);
	assert_int_equal(c.order.permits, AUTHORIZED_PORT_FORWARDING);
	assert_string_equal(c.order.force_command, LOGIN_CERTIFICATE_HOP_COMMAND);
	login_certificate_free(&c);
	r.force_command = (char *)"true";
	make(&r, NULL, OWN, &c);
	assert_string_equal(c.order.force_command, "true");
	login_certificate_free(&c);
}

static void
test_what_no_certificate_can_say(void **state)
{
	char rest[LOGIN_CERTIFICATE_REST_SIZE];
	static char *word[] = { (char *)"x", NULL };
	struct route r = any_route();

	(void)state;
	login_certificate_rest(&r, rest);
	assert_string_equal(rest, "");
	r.allow_tcp = ROUTE_FORWARD_LOCAL;
	r.permit_open = r.permit_listen = r.permit_commands = r.accept_env =
	    (struct strlist){ .v = word, .n = 1 };
	r.max_sessions = 1;
	r.idle_timeout_ms = r.session_timeout_ms = r.unused_timeout_ms = 1;
	login_certificate_rest(&r, rest);
	assert_string_equal(rest,
	    "AllowTcpForwarding in one direction, PermitOpen, PermitListen, PermitCommands, "
	    "AcceptEnv, MaxSessions, IdleTimeout, SessionTimeout, UnusedConnectionTimeout");
	r = any_route();
	r.allow_stream = ROUTE_FORWARD_NO;
	login_certificate_rest(&r, rest);
	assert_string_equal(rest, "AllowStreamLocalForwarding");
	r.allow_tcp = ROUTE_FORWARD_NO;
	login_certificate_rest(&r, rest);
	assert_string_equal(rest, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_source_address_of_the_gateway_where_the_machine_sees_it),
		cmocka_unit_test(test_both_the_route_and_the_key_have_to_permit),
		cmocka_unit_test(test_forwarding_of_nothing),
		cmocka_unit_test(test_forced_command),
		cmocka_unit_test(test_hop_forwards_and_runs_nothing),
		cmocka_unit_test(test_what_no_certificate_can_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
