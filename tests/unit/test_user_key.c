/*
 * access/user_key.c: what a certificate's bearer is permitted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "formats/authorized_options.h"
#include "formats/pubkey.h"
#include "cert_samples.h"
#include "access/user_key.h"
#include "tmp_dir.h"

/* 2030: all samples are valid. */
#define NOW 1893456000

/* Does it let alice in? */
static int
allows(struct route *route, const char *line, struct user_key_answer *answer)
{
	const struct user_key_request request = { .route = route,
		.login = "alice",
		.address = "192.0.2.200",
		.now = NOW };
	struct buf blob;
	int ok;

	buf_init(&blob, 65536);
	assert_int_equal(pubkey_parse(line, strlen(line), &blob), 0);
	ok = user_key_allowed(&request, buf_bytes(&blob), answer);
	buf_free(&blob);
	return ok;
}

/* As with sshd's AuthorizedPrincipalsFile without options: that no touch is needed, the
 * certificate alone can't say. */
static void
test_names_and_touch(void **state)
{
	struct user_key_answer answer;
	struct route route = { .file_rule = tmp_dir_rule() };
	char file[] = "cas";

	(void)state;
	write_text(file, CA_KEY "\n");
	route.trusted_user_ca_keys = file;
	assert_true(allows(&route, OPTIONS_CERT, &answer));
	assert_true(answer.options.no_touch_required);
	assert_int_equal(answer.options.permits, AUTHORIZED_PTY);
	authorized_options_free(&answer.options);

	assert_int_equal(strlist_add(&route.authorized_principals, "bob", 3), 0);
	assert_true(allows(&route, OPTIONS_CERT, &answer));
	assert_false(answer.options.no_touch_required);
	assert_int_equal(answer.options.permits, AUTHORIZED_PTY);
	assert_string_equal(answer.options.command, "echo hi");
	authorized_options_free(&answer.options);
	assert_true(allows(&route, STRICT_CERT, &answer));
	assert_true(answer.options.verify_required);
	authorized_options_free(&answer.options);

	strlist_free(&route.authorized_principals);
	assert_int_equal(strlist_add(&route.authorized_principals, "carol", 5), 0);
	assert_false(allows(&route, OPTIONS_CERT, &answer));
	assert_string_equal(answer.why.text,
	    "none of AuthorizedPrincipals is a principal of the "
	    "certificate");
	strlist_free(&route.authorized_principals);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_touch),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
