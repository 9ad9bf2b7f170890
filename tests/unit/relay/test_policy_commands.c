/*
 * relay/policy_enforce_request.c: commands: which may run, the forced command, and the variables that go with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy_lab.h"
#include "wire/ssh.h"

static void
test_forced_command_replaces_the_request(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	policy.command = strdup("backup");
	add_item(&policy.set_env, "WHO=alice");
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	assert_int_equal(channel_request(&f, 7, "env", 1, "SSH_ORIGINAL_COMMAND", "x"), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C100(0);");
	assert_int_equal(channel_request(&f, 7, "env", 0, "SSH_ORIGINAL_COMMAND=x", "x"),
	    RELAY_DROP);
	assert_int_equal(channel_request(&f, 7, "env", 0, "WHO", "eve"), RELAY_DROP);
	assert_int_equal(channel_request(&f, 7, "env", 0, "WHO=eve", ""), RELAY_DROP);
	assert_int_equal(channel_request(&f, 7, "exec", 1, "rm -rf /", NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f),
	    "U98(7)env WHO=alice;U98(7)env SSH_ORIGINAL_COMMAND=rm -rf /;U98(1007)exec backup;");
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 0),
	    RELAY_PASS);
	open_session(&f, 1, 8);
	assert_int_equal(channel_request(&f, 8, "shell", 0, NULL, NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f), "U98(8)env WHO=alice;U98(8)exec backup;");
	open_session(&f, 2, 9);
	assert_int_equal(channel_request(&f, 9, "subsystem", 1, "sftp", NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f),
	    "U98(9)env WHO=alice;U98(9)env SSH_ORIGINAL_COMMAND=sftp;U98(1009)exec backup;");
	policy_lab_end(&f);
}

/* With force-command in the certificate of the gateway's login, sshd does the same, and tells the
 * command what was asked for. */
static void
test_command_that_the_upstream_forces_leaves_the_request_as_it_is(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	policy.command = strdup("backup");
	policy.command_upstream = 1;
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	assert_int_equal(channel_request(&f, 7, "env", 1, "SSH_ORIGINAL_COMMAND", "x"), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C100(0);");
	assert_int_equal(channel_request(&f, 7, "exec", 1, "ls", NULL), RELAY_PASS);
	assert_string_equal(made_messages(&f), "");
	open_session(&f, 1, 8);
	assert_int_equal(channel_request(&f, 8, "subsystem", 0, "sftp", NULL), RELAY_PASS);
	assert_string_equal(made_messages(&f), "");
	policy_lab_end(&f);
}

static void
test_sftp_that_the_upstream_forces_allows_sftp_alone(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	policy.command = strdup("internal-sftp");
	policy.command_upstream = 1;
	add_item(&policy.set_env, "WHO=alice");
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	assert_int_equal(channel_request(&f, 7, "exec", 0, "ls", NULL), RELAY_DROP);
	assert_non_null(strstr(made_messages(&f), "exit-status 1"));
	open_session(&f, 1, 8);
	assert_int_equal(channel_request(&f, 8, "subsystem", 0, "sftp", NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f), "U98(8)env WHO=alice;U98(8)subsystem sftp;");
	policy_lab_end(&f);
}

/* A session of a policy that has a read-only sftp, and this forced command or NULL. */
static void
start_reading(struct policy_lab *f, const char *command, int upstream)
{
	struct policy policy;

	policy_init(&policy);
	policy.sftp = strdup("reads");
	policy.command = command != NULL ? strdup(command) : NULL;
	policy.command_upstream = upstream;
	policy_lab_start(f, &policy);
	open_session(f, 0, 7);
}

static void
test_sftp_that_only_reads(void **state)
{
	struct policy_lab f;

	start_reading(&f, NULL, 1);
	assert_int_equal(channel_request(&f, 7, "subsystem", 1, "sftp", NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f), "U98(1007)exec reads;");
	open_session(&f, 1, 8);
	assert_int_equal(channel_request(&f, 8, "subsystem", 0, "netconf", NULL), RELAY_PASS);
	open_session(&f, 2, 9);
	assert_int_equal(channel_request(&f, 9, "exec", 0, "sftp", NULL), RELAY_PASS);
	assert_string_equal(made_messages(&f), "");
	policy_lab_end(&f);
}

static void
test_sftp_that_only_reads_and_forced_commands(void **state)
{
	struct policy_lab f;

	start_reading(&f, "internal-sftp -R", 0);
	assert_int_equal(channel_request(&f, 7, "subsystem", 0, "other", NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f),
	    "U98(7)env SSH_ORIGINAL_COMMAND=other;U98(7)exec reads;");
	policy_lab_end(&f);
	/* the certificate has -R itself, and its command takes the subsystem alone */
	start_reading(&f, "internal-sftp -R", 1);
	assert_int_equal(channel_request(&f, 7, "subsystem", 0, "sftp", NULL), RELAY_PASS);
	assert_string_equal(made_messages(&f), "");
	policy_lab_end(&f);
	start_reading(&f, "backup", 0);
	assert_int_equal(channel_request(&f, 7, "subsystem", 0, "sftp", NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f),
	    "U98(7)env SSH_ORIGINAL_COMMAND=sftp;U98(7)exec backup;");
	policy_lab_end(&f);
}

/* sshd takes a limited number of variables: those of the client leave room for ours. */
static void
test_client_cannot_crowd_out_variables(void **state)
{
	struct policy_lab f;
	struct policy policy;
	char name[16];
	int i, passed = 0;

	policy_init(&policy);
	policy.command = strdup("backup");
	add_item(&policy.accept_env, "V*");
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	assert_int_equal(channel_request(&f, 7, "env", 0, "LANG", "C"), RELAY_DROP);
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "V%d", i);
		passed += channel_request(&f, 7, "env", 0, name, "x") == RELAY_PASS;
	}
	assert_int_equal(passed, POLICY_ENV_MAX);
	policy_lab_end(&f);
}

static void
test_forced_sftp_allows_sftp_alone(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	policy.command = strdup("internal-sftp -R");
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	assert_int_equal(channel_request(&f, 7, "subsystem", 1, "sftp", NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f),
	    "U98(7)env SSH_ORIGINAL_COMMAND=sftp;U98(1007)subsystem sftp;");
	open_session(&f, 1, 8);
	assert_int_equal(channel_request(&f, 8, "exec", 1, "id", NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f),
	    "C99(1);C94(1)This service allows sftp connections only.\r\n;"
	    "C98(1)exit-status 1;C96(1);C97(1);");
	policy_lab_end(&f);
}

#define NOT_THAT "sallyport: this login may not do that; it may use: sftp (session 3f2a)\r\n"

static void
test_refused_command_gets_a_line(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	add_item(&policy.commands, "sftp");
	policy.max_sessions = 2;
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	assert_int_equal(channel_request(&f, 7, "pty-req", 1, NULL, NULL), RELAY_PASS);
	assert_int_equal(channel_request(&f, 7, "shell", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f), ""); /* the reply to pty-req comes first */
	/* the command is decided nevertheless: this channel has no second try */
	assert_int_equal(channel_request(&f, 7, "subsystem", 1, "sftp", NULL), RELAY_DROP);
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 0),
	    RELAY_PASS);
	assert_string_equal(made_messages(&f),
	    "C99(0);C95(0)" NOT_THAT ";C98(0)exit-status 255;C96(0);C97(0);");
	/* for the client it is closed: what the upstream says is not for its ears */
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_EOF, 0), RELAY_DROP);
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_SUCCESS, 0),
	    RELAY_DROP);
	assert_int_equal(channel_message(&f, RELAY_DOWNSTREAM, SSH_MSG_CHANNEL_CLOSE, 7),
	    RELAY_PASS);
	assert_int_equal(channel_message(&f, RELAY_DOWNSTREAM, SSH_MSG_CHANNEL_CLOSE, 7),
	    RELAY_DROP);
	/* its number is free for the client, but not for the upstream yet */
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "session", 0, NULL, 0), RELAY_DROP);
	assert_string_equal(made_messages(&f), "");
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "session", 1, NULL, 0), RELAY_PASS);
	assert_int_equal(channel_message(&f, RELAY_UPSTREAM, SSH_MSG_CHANNEL_CLOSE, 0), RELAY_DROP);
	assert_string_equal(made_messages(&f), "U90(7);");
	assert_int_equal(confirm_channel(&f, 0, 7), RELAY_PASS);
	assert_int_equal(channel_request(&f, 7, "subsystem", 1, "sftp", NULL), RELAY_PASS);
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "session", 2, NULL, 0), RELAY_DROP);
	assert_string_equal(made_messages(&f), "C92(2)reason 2;");
	policy_lab_end(&f);
}

static void
test_subsystem_named_exec_is_not_exec(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	add_item(&policy.commands, "exec");
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	assert_int_equal(channel_request(&f, 7, "exec", 1, "id", NULL), RELAY_PASS);
	open_session(&f, 1, 8);
	assert_int_equal(channel_request(&f, 8, "subsystem", 1, "exec", NULL), RELAY_DROP);
	policy_lab_end(&f);
}

static void
test_line_is_cut_to_the_window(void **state)
{
	struct policy_lab f;
	struct policy policy;
	struct buf b;

	policy_init(&policy);
	add_item(&policy.commands, "sftp");
	policy_lab_start(&f, &policy);
	begin_message(&b, SSH_MSG_CHANNEL_OPEN);
	wire_put_text(&b, "session");
	wire_put_u32(&b, 0);
	wire_put_u32(&b, 9);
	wire_put_u32(&b, 32768);
	assert_int_equal(give_message(&f, RELAY_DOWNSTREAM, &b), RELAY_PASS);
	assert_int_equal(confirm_channel(&f, 0, 7), RELAY_PASS);
	assert_int_equal(channel_request(&f, 7, "shell", 0, NULL, NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f),
	    "C95(0)sallyport;C98(0)exit-status 255;C96(0);C97(0);");
	policy_lab_end(&f);
}

/* A client can guess the number of a channel before it has been confirmed. */
static void
test_request_before_confirmation(void **state)
{
	struct policy_lab f;
	struct policy policy;

	policy_init(&policy);
	policy.command = strdup("backup");
	policy_lab_start(&f, &policy);
	assert_int_equal(open_channel(&f, RELAY_DOWNSTREAM, "session", 0, NULL, 0), RELAY_PASS);
	assert_int_equal(channel_request(&f, 0, "exec", 1, "evil", NULL), RELAY_DROP);
	assert_int_equal(channel_request(&f, 0, "shell", 1, NULL, NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f), "");
	assert_int_equal(confirm_channel(&f, 0, 0), RELAY_PASS);
	assert_int_equal(channel_request(&f, 0, "exec", 0, "evil", NULL), RELAY_DROP);
	assert_string_equal(made_messages(&f),
	    "U98(0)env SSH_ORIGINAL_COMMAND=evil;U98(0)exec backup;");
	policy_lab_end(&f);
}

static void
test_name_with_a_nul_is_not_that_name(void **state)
{
	struct policy_lab f;
	struct policy policy;
	struct buf b;

	policy_init(&policy);
	policy.command = strdup("backup");
	policy_lab_start(&f, &policy);
	open_session(&f, 0, 7);
	begin_message(&b, SSH_MSG_CHANNEL_REQUEST);
	wire_put_u32(&b, 7);
	wire_put_string(&b, "exec\0", 5);
	wire_put_bool(&b, 0);
	wire_put_text(&b, "evil");
	assert_int_equal(give_message(&f, RELAY_DOWNSTREAM, &b), RELAY_DROP);
	begin_message(&b, SSH_MSG_CHANNEL_OPEN);
	wire_put_string(&b, "session\0", 8);
	wire_put_u32(&b, 1);
	wire_put_u32(&b, 1);
	wire_put_u32(&b, 1);
	assert_int_equal(give_message(&f, RELAY_DOWNSTREAM, &b), RELAY_DROP);
	/* bytes behind the command */
	assert_int_equal(channel_request(&f, 7, "exec", 1, "a", "b"), RELAY_DROP);
	assert_string_equal(made_messages(&f), "");
	policy_lab_end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forced_command_replaces_the_request),
		cmocka_unit_test(test_command_that_the_upstream_forces_leaves_the_request_as_it_is),
		cmocka_unit_test(test_sftp_that_the_upstream_forces_allows_sftp_alone),
		cmocka_unit_test(test_sftp_that_only_reads),
		cmocka_unit_test(test_sftp_that_only_reads_and_forced_commands),
		cmocka_unit_test(test_client_cannot_crowd_out_variables),
		cmocka_unit_test(test_forced_sftp_allows_sftp_alone),
		cmocka_unit_test(test_refused_command_gets_a_line),
		cmocka_unit_test(test_subsystem_named_exec_is_not_exec),
		cmocka_unit_test(test_line_is_cut_to_the_window),
		cmocka_unit_test(test_request_before_confirmation),
		cmocka_unit_test(test_name_with_a_nul_is_not_that_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
