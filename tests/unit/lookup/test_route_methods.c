/*
 * AuthenticationMethods of a [route]: which lists it may have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_several_keys),
		cmocka_unit_test(test_other_methods_once),
		cmocka_unit_test(test_key_behind_a_password_with_passthrough),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
