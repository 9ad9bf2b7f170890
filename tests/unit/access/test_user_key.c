/*
 * access/user_key.c: what the user of a certificate may do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* What `check` says of the lists of a route before anybody logs in. */
static void
test_list_check(void **state)
{
	struct route route = { .file_rule = tmp_dir_rule() };
	char keys[] = "keys", cas[] = "cas_checked", revoked[] = "revoked";
	struct reason why;

	(void)state;
	route.authorized_keys_file = keys;
	route.trusted_user_ca_keys = cas;
	route.revoked_keys = revoked;
	assert_int_equal(user_key_list_check(&route, USER_KEY_AUTHORIZED, &why), ERR_NOTFOUND);
	write_text(keys, "no key\n");
	assert_int_equal(user_key_list_check(&route, USER_KEY_AUTHORIZED, &why), 0);
	write_text(cas, CA_KEY "\n");
	assert_int_equal(user_key_list_check(&route, USER_KEY_TRUSTED, &why), 0);
	assert_int_equal(chmod(cas, 0620), 0);
	assert_int_equal(user_key_list_check(&route, USER_KEY_TRUSTED, &why), ERR_PERM);
	assert_int_equal(chmod(cas, 0600), 0);
	assert_int_equal(truncate(cas, AUTHORIZED_KEYS_MAX + 1), 0);
	assert_int_equal(user_key_list_check(&route, USER_KEY_TRUSTED, &why), ERR_TOOBIG);
	assert_string_equal(why.text, "cas_checked: is too large");
	write_text(revoked, CA_KEY "\n");
	assert_int_equal(user_key_list_check(&route, USER_KEY_REVOKED, &why), 0);
	write_text(revoked, "no key\n");
	assert_int_equal(user_key_list_check(&route, USER_KEY_REVOKED, &why), ERR_FORMAT);
	assert_string_equal(why.text,
	    "revoked is neither a list of public keys nor made by ssh-keygen -k: no key is "
	    "accepted");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_touch),
		cmocka_unit_test(test_list_check),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
