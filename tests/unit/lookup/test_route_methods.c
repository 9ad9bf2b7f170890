/*
 * AuthenticationMethods of a [route]: which lists it may have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lookup_lab.h"
#include "tmp_dir.h"

static const char base[] = "[route a]\nHostName = h\n" REST_OF_ROUTE;

static void
accepted(const char *more, size_t lists)
{
	struct lookup_lab lab;
	struct route *r;
	char text[512];

	snprintf(text, sizeof(text), "%s%s", base, more);
	lookup_lab_load(&lab, text);
	assert_int_equal(lookup_lab_find(&lab, "a", &r), LOOKUP_FOUND);
	assert_int_equal(r->methods.n, lists);
	route_free(&r);
	lookup_lab_free(&lab);
}

static void
refused(const char *more, const char *error)
{
	char text[512], expected[512];

	snprintf(text, sizeof(text), "%s%s", base, more);
	snprintf(expected, sizeof(expected), "conf.d/a.ini:%s\n", error);
	lookup_lab_refuses(text, expected);
}

#define AM "AuthenticationMethods = "
#define THREE "publickey,publickey,publickey,"

static void
test_several_keys(void **state)
{
	(void)state;
	accepted(AM "publickey,publickey\n", 1);
	accepted(AM "publickey,publickey publickey\n", 2);
	accepted("Passthrough = yes\n" AM "publickey,publickey,password\n", 1);
	accepted(AM THREE THREE THREE THREE THREE "publickey\n", 1);
	/* the list is cut after 80 bytes */
	refused(AM THREE THREE THREE THREE THREE "publickey,publickey\n",
	    "6: AuthenticationMethods: \"" THREE THREE "publickey,publickey,\" has more than 16 "
	    "methods");
}

static void
test_other_methods_once(void **state)
{
	(void)state;
	refused(AM "publickey,password,password\n",
	    "6: AuthenticationMethods: \"publickey,password,password\" has a method twice");
}

/* The mapped key does not sign because the upstream has accepted a password. */
static void
test_key_behind_a_password_with_passthrough(void **state)
{
	(void)state;
	refused("Passthrough = yes\n" AM "publickey,password,publickey\n",
	    "7: AuthenticationMethods: publickey,password,publickey: with Passthrough, the mapped "
	    "key does not sign because the upstream has accepted a password; write "
	    "publickey,publickey,password");
}

/* The lists of a route with a code, as AuthenticationMethods has them or, if it is not written, by default. */
static void
lists(const char *more, const char *expected)
{
	char text[512], have[512] = "";
	struct lookup_lab lab;
	struct route *r;
	size_t i;

	snprintf(text, sizeof(text), "%sTOTP = t\n%s", base, more);
	lookup_lab_load(&lab, text);
	assert_int_equal(lookup_lab_find(&lab, "a", &r), LOOKUP_FOUND);
	for (i = 0; i < r->methods.n; i++)
		snprintf(have + strlen(have), sizeof(have) - strlen(have), "%s%s", i > 0 ? " " : "",
		    r->methods.v[i]);
	assert_string_equal(have, expected);
	route_free(&r);
	lookup_lab_free(&lab);
}

#define KBDINT "keyboard-interactive"

static void
test_lists_with_a_code(void **state)
{
	(void)state;
	lists("", "publickey," KBDINT ":totp");
	lists("Passthrough = yes\n",
	    "publickey," KBDINT ":totp " KBDINT ":totp,password " KBDINT ":totp," KBDINT);
	lists(AM "publickey " KBDINT ":totp,publickey\n", "publickey " KBDINT ":totp,publickey");
	lists("TotpRemember = 12h\nTotpSkew = 0\n", "publickey," KBDINT ":totp");
	lists("TotpRemember = none\n", "publickey," KBDINT ":totp");
	lists("TotpRemember = 0\n", "publickey," KBDINT ":totp");
	lists("TotpRemember = 1m\n", "publickey," KBDINT ":totp");
}

static void
test_lists_that_ask_for_no_code(void **state)
{
	(void)state;
	refused("TOTP = t\n" AM "publickey\n",
	    "7: AuthenticationMethods: no list has " KBDINT ":totp, so nobody is asked for a code "
	    "of TOTP; write publickey," KBDINT ":totp");
	refused(AM "publickey," KBDINT ":totp\n",
	    "6: AuthenticationMethods: " KBDINT ":totp: the route has nothing to check it with");
	refused(AM "publickey," KBDINT ":factor\n",
	    "6: AuthenticationMethods: " KBDINT ":factor: the route has nothing to check it with");
	refused("TOTP = t\nTotpRemember = 12\n",
	    "7: TotpRemember: \"12\" is too short: at least 1m");
	refused("TotpRemember = 1h\n",
	    "6: TotpRemember needs TOTP: the secret that codes are made with");
	lookup_lab_refuses(
	    "[route a]\nHostName = h\nStrictHostKeyChecking = no\nPassthrough = yes\n"
	    "TOTP = t\nTotpRemember = 1h\n",
	    "conf.d/a.ini:6: TotpRemember remembers a key or password that came before the code, and "
	    "with Passthrough none does: remove it\n");
	refused("TOTP = t\nTotpRemember = 1h\n" AM KBDINT ":totp,publickey\n",
	    "8: AuthenticationMethods: with TotpRemember, " KBDINT ":totp must come after a key or "
	    "password, which is what is remembered");
	refused("TOTP = t\n" AM KBDINT ":totp\n",
	    "7: AuthenticationMethods: a code alone lets in who guesses it; write publickey," KBDINT
	    ":totp");
}

/* The upstream gets no password of somebody who lacks the code. */
static void
test_code_behind_a_password_with_passthrough(void **state)
{
	(void)state;
	refused("Passthrough = yes\nTOTP = t\n" AM "password," KBDINT ":totp\n",
	    "8: AuthenticationMethods: password," KBDINT
	    ":totp: with Passthrough, the gateway asks "
	    "for its own factor before the upstream gets a password; write " KBDINT
	    ":totp,password");
}

static void
test_program_of_a_factor(void **state)
{
	(void)state;
	lists("Factor = exec:/bin/true a b\n", "publickey," KBDINT ":totp," KBDINT ":factor");
	lists("Factor = exec:/bin/true\nPassthrough = yes\n",
	    "publickey," KBDINT ":totp," KBDINT ":factor " KBDINT ":totp," KBDINT
	    ":factor,password " KBDINT ":totp," KBDINT ":factor," KBDINT);
	lists("Factor = exec:/bin/true\n" AM KBDINT ":factor publickey," KBDINT ":totp\n",
	    KBDINT ":factor publickey," KBDINT ":totp");
	refused("Factor = exec:/bin/true\n" AM "publickey\n",
	    "7: AuthenticationMethods: no list has " KBDINT
	    ":factor, so the program of Factor is never run; write publickey," KBDINT ":factor");
	refused("Factor = /bin/true\n", "6: Factor: \"/bin/true\" is not exec:PROGRAM");
	refused("Factor = exec:\n", "6: Factor: \"exec:\" is not exec:PROGRAM");
	refused("Factor = exec:/bin/true %u\n",
	    "6: Factor: \"exec:/bin/true %u\": %u and %1 cannot be used in this keyword");
	refused("Factor = exec:/bin/true 'a b'\n",
	    "6: Factor: quotes have no meaning, as there is no shell: words are split at blanks; "
	    "for more, write a script");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_several_keys),
		cmocka_unit_test(test_other_methods_once),
		cmocka_unit_test(test_key_behind_a_password_with_passthrough),
		cmocka_unit_test(test_lists_with_a_code),
		cmocka_unit_test(test_lists_that_ask_for_no_code),
		cmocka_unit_test(test_code_behind_a_password_with_passthrough),
		cmocka_unit_test(test_program_of_a_factor),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
