/*
 * cli/key_options.c: the options of a route for authorized_keys of the upstream, quoted as sshd reads them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/authorized_options.h"
#include "cli/key_options.h"

static void
add(struct strlist *l, const char *s)
{
	assert_int_equal(strlist_add(l, s, strlen(s)), 0);
}

static struct route
open_route(void)
{
	return (struct route){ .allow_tcp = ROUTE_FORWARD_YES,
		.allow_stream = ROUTE_FORWARD_YES,
		.allow_agent = 1,
		.x11 = 1,
		.permit_tty = 1,
		.max_sessions = 1024 };
}

/* The options of the route; the notes one after another go to notes. */
static void
expect(const struct route *r, const char *options, const char *notes)
{
	struct strlist said = { 0 };
	struct reason why;
	char all[2048] = "";
	struct buf b;
	size_t i;

	buf_init(&b, 65536);
	assert_int_equal(key_options(r, "192.0.2.1", &b, &said, &why), 0);
	assert_string_equal(buf_cstr(&b), options);
	for (i = 0; i < said.n; i++) {
		strcat(all, i > 0 ? "|" : "");
		strncat(all, said.v[i], strcspn(said.v[i], ":"));
	}
	assert_string_equal(all, notes);
	strlist_free(&said);
	buf_free(&b);
}

static void
test_what_is_open(void **state)
{
	struct route r = open_route();

	(void)state;
	expect(&r,
	    "restrict,from=\"192.0.2.1\",pty,port-forwarding,agent-forwarding,X11-forwarding,"
	    "user-rc",
	    "");
	r.restrict_all = 1;
	r.allow_agent = r.x11 = r.permit_tty = 0;
	r.allow_tcp = ROUTE_FORWARD_NO;
	expect(&r, "restrict,from=\"192.0.2.1\"", "");
}

static void
test_forwards(void **state)
{
	static const char sockets[] = "port-forwarding also permits Unix sockets";
	struct route r = open_route();

	(void)state;
	r.restrict_all = 1;
	r.allow_agent = r.x11 = r.permit_tty = 0;
	add(&r.permit_open, "db:5432");
	add(&r.permit_open, "[::1]:*");
	add(&r.permit_listen, "8080");
	expect(&r,
	    "restrict,from=\"192.0.2.1\",port-forwarding,permitopen=\"db:5432\","
	    "permitopen=\"[::1]:*\",permitlisten=\"8080\"",
	    sockets);
	r.allow_tcp = ROUTE_FORWARD_LOCAL;
	strlist_free(&r.permit_open);
	add(&r.permit_open, "any");
	expect(&r, "restrict,from=\"192.0.2.1\",port-forwarding,permitlisten=\"none.invalid:1\"",
	    sockets);
	r.allow_tcp = ROUTE_FORWARD_YES;
	strlist_free(&r.permit_open);
	add(&r.permit_open, "none");
	strlist_free(&r.permit_listen);
	expect(&r, "restrict,from=\"192.0.2.1\",port-forwarding,permitopen=\"none.invalid:1\"",
	    sockets);
	strlist_free(&r.permit_open);
	r.allow_stream = ROUTE_FORWARD_NO;
	expect(&r, "restrict,from=\"192.0.2.1\",port-forwarding", sockets);
}

/* Read back by the rules for authorized_keys. */
static void
test_quoting(void **state)
{
	static const char *const commands[] = { "plain", "say \"a b\", c", "back\\slash", "\\\"",
		"\"", "a\\\\b" };
	const struct authorized_request request = { .login = "a", .address = "192.0.2.1" };
	struct authorized_options options;
	char ends[] = "ends in \\";
	struct strlist said = { 0 };
	struct reason why;
	struct route r;
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		r = open_route();
		r.force_command = strdup(commands[i]);
		buf_init(&b, 65536);
		options = (struct authorized_options){ 0 };
		assert_int_equal(key_options(&r, "192.0.2.1", &b, &said, &why), 0);
		assert_int_equal(authorized_options_parse(buf_bytes(&b), &request, &options, &why),
		    1);
		assert_string_equal(options.command, commands[i]);
		authorized_options_free(&options);
		free(r.force_command);
		strlist_free(&said);
		buf_free(&b);
	}
	r.force_command = ends;
	buf_init(&b, 65536);
	assert_int_equal(key_options(&r, "192.0.2.1", &b, &said, &why), ERR_FORMAT);
	assert_string_equal(why.text,
	    "command=\"\" of authorized_keys(5) cannot end in a backslash");
	strlist_free(&said);
	buf_free(&b);
}

static void
test_commands_and_the_rest(void **state)
{
	char forced[] = "internal-sftp -R";
	struct route r = open_route();

	(void)state;
	r.allow_agent = r.x11 = 0;
	r.allow_tcp = ROUTE_FORWARD_NO;
	add(&r.permit_commands, "sftp");
	r.idle_timeout_ms = r.unused_timeout_ms = 1;
	expect(&r, "restrict,from=\"192.0.2.1\",command=\"internal-sftp\",pty,user-rc",
	    "the upstream cannot enforce IdleTimeout, UnusedConnectionTimeout with this line|"
	    "PermitCommands = sftp does not close forwards, agent or terminals");
	r.idle_timeout_ms = r.unused_timeout_ms = 0;
	r.restrict_all = 1;
	add(&r.permit_commands, "shell");
	add(&r.accept_env, "LC_*");
	expect(&r, "restrict,from=\"192.0.2.1\",pty",
	    "the upstream cannot enforce PermitCommands, AcceptEnv with this line");
	strlist_free(&r.accept_env);
	r.force_command = forced;
	r.passthrough = 1;
	expect(&r, "restrict,from=\"192.0.2.1\",command=\"internal-sftp -R\",pty",
	    "the route logs in with a password as well, to which this line does not apply");
	strlist_free(&r.permit_commands);
}

static void
test_sftp_that_only_reads(void **state)
{
	char path[] = "/opt/sftp-server", forced[] = "internal-sftp";
	struct route r = open_route();

	(void)state;
	r.allow_agent = r.x11 = 0;
	r.allow_tcp = ROUTE_FORWARD_NO;
	r.sftp_read_only = path;
	expect(&r, "restrict,from=\"192.0.2.1\",pty,user-rc",
	    "the upstream cannot enforce SftpReadOnly with this line");
	r.restrict_all = 1;
	add(&r.permit_commands, "sftp");
	expect(&r, "restrict,from=\"192.0.2.1\",command=\"exec /opt/sftp-server -R\",pty", "");
	strlist_free(&r.permit_commands);
	r.force_command = forced;
	expect(&r, "restrict,from=\"192.0.2.1\",command=\"exec /opt/sftp-server -R\",pty", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_open),
		cmocka_unit_test(test_forwards),
		cmocka_unit_test(test_quoting),
		cmocka_unit_test(test_commands_and_the_rest),
		cmocka_unit_test(test_sftp_that_only_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
