/*
 * wire/policy.c: a policy that is written to a message and read from it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wire/policy.h"

static void
add_policy_item(struct strlist *l, const char *s)
{
	assert_int_equal(strlist_add(l, s, strlen(s)), 0);
}

static void
test_policy_is_read_as_it_was_written(void **state)
{
	struct policy policy, got;
	struct wire w;
	struct buf b;
	size_t len;

	policy_init(&policy);
	policy.permits = POLICY_PTY;
	policy.command = strdup("");
	policy.command_upstream = 1;
	policy.sftp = strdup("reads");
	policy.idle_ms = 7;
	policy.unused_ms = 6;
	policy.rekey_bytes = UINT64_C(1) << 40;
	policy.rekey_ms = 8;
	policy.has_tunnel = 1;
	policy.tunnel = 9;
	add_policy_item(&policy.permit_listen[POLICY_KEY], "*:1");
	add_policy_item(&policy.set_env, "A=b");
	buf_init(&b, 4096);
	policy_put(&b, &policy);
	assert_int_equal(buf_err(&b), 0);
	for (len = 0; len < b.len; len++) {
		wire_init(&w, b.data, len);
		assert_int_not_equal(policy_get(&w, &got), 0);
	}
	wire_init(&w, b.data, b.len);
	assert_int_equal(policy_get(&w, &got), 0);
	assert_int_equal(got.permits, POLICY_PTY);
	assert_int_equal(got.max_sessions, 1024);
	assert_int_equal(got.idle_ms, 7);
	assert_int_equal(got.unused_ms, 6);
	assert_int_equal(got.rekey_bytes, UINT64_C(1) << 40);
	assert_int_equal(got.rekey_ms, 8);
	assert_true(got.has_tunnel);
	assert_int_equal(got.tunnel, 9);
	assert_string_equal(got.command, "");
	assert_true(got.command_upstream);
	assert_string_equal(got.sftp, "reads");
	assert_string_equal(got.permit_listen[POLICY_KEY].v[0], "*:1");
	assert_int_equal(got.permit_open[POLICY_KEY].n, 0);
	assert_string_equal(got.set_env.v[0], "A=b");
	policy_free(&got);
	policy_free(&policy);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy_is_read_as_it_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
