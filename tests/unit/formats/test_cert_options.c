/*
 * formats/cert_options.c: the options of a certificate, alone and together with those of a cert-authority line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cert_samples.h"
#include "formats/authorized_keys.h"
#include "formats/authorized_options.h"
#include "formats/cert.h"

#define NOW 1700000000

/* Options of a certificate for this address: 1 or 0. */
static int
options_of(const char *line, const char *address, struct authorized_options *o, struct reason *why)
{
	struct buf blob;
	struct cert c;
	int ok;

	sample_blob(line, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	ok = cert_options(&c, address, o, why);
	buf_free(&blob);
	return ok;
}

static void
test_options_of_a_certificate(void **state)
{
	struct authorized_options o;
	struct reason why;

	(void)state;
	assert_true(options_of(ED25519_CERT, "203.0.113.9", &o, &why));
	assert_int_equal(o.permits, AUTHORIZED_ALL);
	assert_null(o.command);
	assert_int_equal(o.no_touch_required + o.verify_required, 0);
	authorized_options_free(&o);

	assert_true(options_of(OPTIONS_CERT, "192.0.2.200", &o, &why));
	assert_int_equal(o.permits, AUTHORIZED_PTY);
	assert_string_equal(o.command, "echo hi");
	assert_int_equal(o.no_touch_required, 1);
	authorized_options_free(&o);
	assert_true(options_of(OPTIONS_CERT, "2001:db8::1", &o, &why));
	authorized_options_free(&o);
	assert_false(options_of(OPTIONS_CERT, "192.0.3.1", &o, &why));
	assert_string_equal(why.text, "the certificate is not for this address (source-address)");
	assert_null(o.command);
	assert_false(options_of(OPTIONS_CERT, "2001:db8::2", &o, &why));

	assert_true(options_of(STRICT_CERT, "203.0.113.9", &o, &why));
	assert_int_equal(o.permits, AUTHORIZED_ALL & ~AUTHORIZED_AGENT_FORWARDING);
	assert_int_equal(o.verify_required, 1);
	assert_int_equal(o.no_touch_required, 0);
	authorized_options_free(&o);

	assert_false(options_of(CRITICAL_CERT, "203.0.113.9", &o, &why));
	assert_string_equal(why.text,
	    "the certificate has a critical option that is not supported: sundays@example.com");
}

static void
test_source_address(void **state)
{
	static const struct {
		const char *list;
		int match;
	} lists[] = {
		{ "192.0.2.9", 1 },
		{ "192.0.2.0/24", 1 },
		{ "198.51.100.1,192.0.2.0/28", 1 },
		{ "0.0.0.0/0", 1 },
		{ "::/0", 0 },
		{ "192.0.2.9/032", 1 },
		{ "192.521", 1 },
		{ "::ffff:192.0.2.9", 0 }, /* nor is it for sshd */
		{ "::ffff:192.0.2.9,192.0.2.9", 1 },
		{ "198.51.100.0/24", 0 },
		{ "", -1 },
		{ "192.0.2.0/24,", -1 },
		{ ",192.0.2.0/24", -1 },
		{ "192.0.2.9/24", -1 }, /* bits behind the prefix */
		{ "192.0.2.0/33", -1 },
		{ "192.0.2.*", -1 },
		{ "192.0.2.9/", -1 },
		{ "192.0.2.9/129", -1 },
		{ "192.0.2.9,,192.0.2.9", -1 },
		{ "192.0.2.9,fe80::1%eth0", -1 },
		{ "192.0.2.9,0000000000000000000000000000000000000000000000300.0.2.9", -1 },
		{ "!198.51.100.1", -1 },
		{ "192.0.2.0/24,host.example", -1 },
		{ "192.0.2.0/24, 198.51.100.1", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		assert_int_equal(address_match_blocks("192.0.2.9", lists[i].list), lists[i].match);
	assert_int_equal(address_match_blocks("", "0.0.0.0/0"), -1);
}

/* Does a file with this line let the certificate in as alice?  The options, if so. */
static int
line_takes(const char *options, const char *key, const char *cert, struct authorized_options *o,
    struct reason *why)
{
	struct authorized_request request = { .address = "203.0.113.9",
		.login = "alice",
		.now = NOW };
	char text[4096];
	struct buf blob;
	struct cert c;
	int found;

	sample_blob(cert, &blob);
	assert_int_equal(cert_parse(&c, buf_bytes(&blob)), 0);
	request.blob = buf_bytes(&blob);
	request.cert = &c;
	snprintf(text, sizeof(text), "# who\n%s %s a comment\n", options, key);
	found = authorized_keys_find(text, strlen(text), &request, o, why);
	buf_free(&blob);
	return found;
}

static void
expect_refused(const char *options, const char *key, const char *cert, const char *reason)
{
	struct authorized_options o;
	struct reason why;

	assert_int_equal(line_takes(options, key, cert, &o, &why), 0);
	assert_string_equal(why.text, reason);
}

static void
test_cert_authority(void **state)
{
	struct authorized_options o;
	struct reason why;

	(void)state;
	assert_int_equal(line_takes("cert-authority", CA_KEY, ED25519_CERT, &o, &why), 1);
	assert_int_equal(o.permits, AUTHORIZED_ALL);
	assert_int_equal(o.line, 2);
	authorized_options_free(&o);
	assert_int_equal(line_takes("cert-authority,principals=\"x,bob\",no-pty,verify-required",
			     CA_KEY, STRICT_CERT, &o, &why),
	    1);
	assert_int_equal(o.permits,
	    AUTHORIZED_ALL & ~AUTHORIZED_AGENT_FORWARDING & ~AUTHORIZED_PTY);
	assert_int_equal(o.verify_required, 1);
	authorized_options_free(&o);

	expect_refused("", CA_KEY, ED25519_CERT, "line 2: the CA is there without cert-authority");
	expect_refused("cert-authority", RSA_CA_KEY, ED25519_CERT, "");
	expect_refused("cert-authority", ED25519_KEY, ED25519_CERT, "");
	expect_refused("cert-authority", ED25519_CERT, ED25519_CERT, "");
	expect_refused("cert-authority,principals=\"Alice,alice2\"", CA_KEY, ED25519_CERT,
	    "line 2: none of principals= is a principal of the certificate");
	/* names as they are, and none behind an empty one */
	assert_int_equal(line_takes("cert-authority,principals=\"!x,bob,\"", CA_KEY, STRICT_CERT,
			     &o, &why),
	    1);
	assert_int_equal(o.principals.n, 2);
	authorized_options_free(&o);
	expect_refused("cert-authority,principals=\"x,,bob\"", CA_KEY, STRICT_CERT,
	    "line 2: none of principals= is a principal of the certificate");
	expect_refused("cert-authority,principals=\"!bob\"", CA_KEY, STRICT_CERT,
	    "line 2: none of principals= is a principal of the certificate");
	expect_refused("cert-authority,principals=\",bob\"", CA_KEY, STRICT_CERT,
	    "line 2: bad principals=");
	expect_refused("cert-authority,principals=\"\"", CA_KEY, NOBODY_CERT,
	    "line 2: bad principals=");
	expect_refused("cert-authority", CA_KEY, NOBODY_CERT,
	    "line 2: the login is not a principal of the certificate");
	expect_refused("cert-authority,from=\"192.0.2.1\"", CA_KEY, ED25519_CERT,
	    "line 2: from= does not match");
	expect_refused("cert-authority", CA_KEY, CRITICAL_CERT,
	    "line 2: the certificate has a critical option that is not supported: "
	    "sundays@example.com");
}

static void
test_options_of_line_and_certificate_merge(void **state)
{
	struct authorized_options line = { .permits = AUTHORIZED_ALL, .no_touch_required = 1 };
	struct authorized_options cert = { .permits = AUTHORIZED_PTY,
		.verify_required = 1,
		.command = (char[]){ "one" } };
	struct reason why;

	(void)state;
	assert_int_equal(authorized_options_merge(&line, &cert, &why), 1);
	assert_int_equal(line.permits, AUTHORIZED_PTY);
	assert_int_equal(line.no_touch_required, 0);
	assert_int_equal(line.verify_required, 1);
	assert_string_equal(line.command, "one");
	assert_int_equal(authorized_options_merge(&line, &cert, &why), 1);
	cert.command = (char[]){ "two" };
	assert_int_equal(authorized_options_merge(&line, &cert, &why), 0);
	assert_string_equal(why.text, "two different commands are forced");
	authorized_options_free(&line);
}

/* As in sshd, lists and tunnel= of the first key hold, and of the second if the first has none. */
static void
test_options_of_two_keys_merge(void **state)
{
	struct authorized_options first = { .permits = AUTHORIZED_ALL }, second = first;
	struct reason why;

	(void)state;
	assert_int_equal(strlist_add_words(&first.permit_open, "a:1"), 0);
	assert_int_equal(strlist_add_words(&second.permit_open, "b:2"), 0);
	assert_int_equal(strlist_add_words(&second.permit_listen, "*:3 *:4"), 0);
	assert_int_equal(strlist_add_words(&second.environment, "A=1"), 0);
	second.has_tunnel = 1;
	second.tunnel = 7;
	assert_int_equal(authorized_options_merge(&first, &second, &why), 1);
	assert_int_equal(first.permit_open.n, 1);
	assert_string_equal(first.permit_open.v[0], "a:1");
	assert_int_equal(first.permit_listen.n, 2);
	assert_string_equal(first.environment.v[0], "A=1");
	assert_int_equal(first.has_tunnel, 1);
	assert_int_equal(first.tunnel, 7);
	authorized_options_free(&first);
	authorized_options_free(&second);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_of_a_certificate),
		cmocka_unit_test(test_source_address),
		cmocka_unit_test(test_cert_authority),
		cmocka_unit_test(test_options_of_line_and_certificate_merge),
		cmocka_unit_test(test_options_of_two_keys_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
