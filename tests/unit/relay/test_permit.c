/*
 * relay/permit.c: PermitOpen and PermitListen, as sshd matches them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "policy_lab.h"
#include "relay/permit.h"

static void
test_lists_of_route_and_key_must_both_permit(void **state)
{
	struct strlist l[2] = { 0 };
	struct bytes host = { (const uint8_t *)"LocalHost", 9 };

	assert_true(permit_listen(l, host, 80));
	add_item(&l[0], "none");
	assert_false(permit_listen(l, host, 80));
	assert_false(permit_open(l, host, PERMIT_PATH));
	add_item(&l[0], "local*:8?");
	assert_false(permit_listen(l, host, 80));
	add_item(&l[0], "local*:80");
	assert_true(permit_listen(l, host, 80));
	assert_false(permit_open(l, host, 80)); /* there, no patterns */
	add_item(&l[1], "[::1]:80");
	assert_false(permit_listen(l, host, 80));
	add_item(&l[1], "*:*");
	assert_true(permit_listen(l, host, 80));
	assert_false(permit_open(l, host, PERMIT_PATH));
	add_item(&l[0], "*:*");
	assert_true(permit_open(l, host, PERMIT_PATH));
	strlist_free(&l[0]);
	strlist_free(&l[1]);
	/* the host of an entry may be empty, and is then that of no other name */
	add_item(&l[0], ":80");
	assert_false(permit_listen(l, host, 80));
	assert_false(permit_open(l, host, 80));
	host.len = 0;
	assert_true(permit_listen(l, host, 80));
	assert_true(permit_open(l, host, 80));
	assert_false(permit_open(l, host, 81));
	strlist_free(&l[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_of_route_and_key_must_both_permit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
