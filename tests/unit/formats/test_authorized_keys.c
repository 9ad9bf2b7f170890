/*
 * formats/authorized_keys.c and authorized_options.c: the format of sshd(8), with its options.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/authorized_keys.h"
#include "formats/authorized_options.h"
#include "formats/pubkey.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
#define OTHER "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf"
#define NOW 1700000000 /* 2023-11-14T22:13:20Z */

static struct buf key;
static struct reason why;

static int
setup(void **state)
{
	(void)state;
	setenv("TZ", "CET-1", 1);
	buf_init(&key, 1000);
	return pubkey_parse(KEY, strlen(KEY), &key);
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&key);
	return 0;
}

static int
find_from(const char *text, size_t len, const char *address, struct authorized_options *options)
{
	const struct authorized_request request = { .blob = buf_bytes(&key),
		.address = address,
		.now = NOW };

	memset(why.text, 'X', sizeof(why.text));
	return authorized_keys_find(text, len, &request, options, &why);
}

/* Found with these permits, and nothing else of note. */
static void
expect_permits(const char *text, unsigned int permits)
{
	struct authorized_options o;

	assert_int_equal(find_from(text, strlen(text), "203.0.113.9", &o), 1);
	assert_string_equal(why.text, "");
	assert_int_equal(o.permits, permits);
	assert_null(o.command);
	assert_int_equal(o.environment.n + o.permit_open.n + o.permit_listen.n, 0);
	authorized_options_free(&o);
}

static void
expect_none(const char *text, const char *reason)
{
	static const struct authorized_options empty;
	struct authorized_options o;

	assert_int_equal(find_from(text, strlen(text), "203.0.113.9", &o), 0);
	assert_string_equal(why.text, reason);
	assert_memory_equal(&o, &empty, sizeof(o));
	authorized_options_free(&o);
}

/* The options of a line that is found. */
static struct authorized_options
found(const char *text)
{
	struct authorized_options o;

	if (find_from(text, strlen(text), "203.0.113.9", &o) != 1)
		fail_msg("%s: %s", text, why.text);
	return o;
}

static void
test_plain_lines(void **state)
{
	struct authorized_options o;

	(void)state;
	expect_permits(KEY, AUTHORIZED_ALL);
	expect_permits(KEY "\n", AUTHORIZED_ALL);
	expect_permits("  \t" KEY " alice@laptop with a comment\r\n", AUTHORIZED_ALL);
	expect_permits("# comment\r\n\r\n\n" OTHER "\n" KEY, AUTHORIZED_ALL);
	expect_none("", "");
	expect_none("\n\n#" KEY "\n", "");
	expect_none("# " KEY "\n", "");
	expect_none(OTHER "\n", "");
	assert_int_equal(find_from(NULL, 0, "203.0.113.9", &o), 0);
	o = found("# comment\n\n" OTHER "\n" KEY "\n" KEY "\n");
	assert_int_equal(o.line, 4);
	authorized_options_free(&o);
}

static void
test_lines_that_are_no_keys(void **state)
{
	(void)state;
	expect_none("ssh-ed25519\nssh-ed25519 \nssh-ed25519 !\n", "");
	expect_none(
	    "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n", "");
	expect_none("ssh-dss " KEY " x\nmore words " KEY "\n", "line 1: unknown option ssh-dss");
	expect_none("command=\"open quote " KEY "\n", "");
	expect_none("command=\"a\\\" " KEY "\n", "");
	expect_none("no-pty" KEY "\n", "");
	/* and they do not keep the next from being found */
	expect_permits("command=\"open quote " KEY "\n" KEY, AUTHORIZED_ALL);
	expect_permits("\377\376\n\001\n-----BEGIN OPENSSH PRIVATE KEY-----\n" KEY, AUTHORIZED_ALL);
}

static void
test_permits(void **state)
{
	(void)state;
	expect_permits("restrict " KEY, 0);
	expect_permits("RESTRICT,Pty " KEY, AUTHORIZED_PTY);
	expect_permits("restrict,port-forwarding,agent-forwarding,x11-forwarding,user-rc,pty\t" KEY,
	    AUTHORIZED_ALL);
	expect_permits("pty,restrict " KEY, 0);
	expect_permits("no-pty " KEY, AUTHORIZED_ALL & ~AUTHORIZED_PTY);
	expect_permits("no-port-forwarding " KEY, AUTHORIZED_ALL & ~AUTHORIZED_PORT_FORWARDING);
	expect_permits("no-agent-forwarding " KEY, AUTHORIZED_ALL & ~AUTHORIZED_AGENT_FORWARDING);
	expect_permits("no-x11-forwarding " KEY, AUTHORIZED_ALL & ~AUTHORIZED_X11_FORWARDING);
	expect_permits("no-user-rc " KEY, AUTHORIZED_ALL & ~AUTHORIZED_USER_RC);
	expect_permits("no-pty,no-user-rc,no-x11-forwarding,no-agent-forwarding,"
		       "no-port-forwarding " KEY,
	    0);
}

/* One option nobody knows, and the line never matches: it may have been there to
 * take something away. */
static void
test_unknown_options(void **state)
{
	(void)state;
	expect_none("foo " KEY, "line 1: unknown option foo");
	expect_none("\n\nno-pty,foo=\"bar\",restrict " KEY, "line 3: unknown option foo=");
	expect_none("no-restrict " KEY, "line 1: unknown option no-restrict");
	expect_none("no-cert-authority " KEY, "line 1: unknown option no-cert-authority");
	expect_none("pt " KEY, "line 1: unknown option pt");
	expect_none("ptyy " KEY, "line 1: unknown option ptyy");
	expect_none("no-command=\"x\" " KEY, "line 1: unknown option no-command=");
	expect_none("command " KEY, "line 1: unknown option command");
	expect_none("pty=\"yes\" " KEY, "line 1: unknown option pty=");
	expect_permits("foo " KEY "\nno-pty " KEY, AUTHORIZED_ALL & ~AUTHORIZED_PTY);
}

static void
test_broken_options(void **state)
{
	(void)state;
	expect_none("no-pty ,no-user-rc " KEY, "");
	expect_none("no-pty,;no-user-rc " KEY, "line 1: bad options");
	expect_none("no-pty;no-user-rc " KEY, "line 1: bad options");
	expect_none("no-pty\001 " KEY, "line 1: bad options");
	expect_none("command= " KEY, "line 1: command= wants a value in quotes");
	expect_none("command=id " KEY, "line 1: command= wants a value in quotes");
	expect_none("command=\"a\"b " KEY, "line 1: bad options");
	expect_none("command=\"a\"\"b\" " KEY, "line 1: bad options");
	expect_none("command=\"a\",command=\"b\" " KEY, "line 1: command= is given twice");
	expect_none("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa " KEY,
	    "line 1: bad options");
}

/* sshd does not mind them, and the others hold all the same. */
static void
test_commas_too_many(void **state)
{
	(void)state;
	expect_permits("restrict, " KEY, 0);
	expect_permits("restrict,\t" KEY, 0);
	expect_permits(",restrict " KEY, 0);
	expect_permits(",,restrict,,pty,, " KEY, AUTHORIZED_PTY);
	expect_permits(", " KEY, AUTHORIZED_ALL);
	expect_none("restrict,,foo " KEY, "line 1: unknown option foo");
	expect_none(",expiry-time=\"20200101\", " KEY, "line 1: expired");
}

static void
test_nul_in_options(void **state)
{
	static const char line[] = "no-pty,command=\"a\0b\" " KEY;
	struct authorized_options o;

	(void)state;
	assert_int_equal(find_from(line, sizeof(line) - 1, "203.0.113.9", &o), 0);
	assert_string_equal(why.text, "line 1: bad options");
}

static void
test_command(void **state)
{
	struct authorized_options o;

	(void)state;
	o = found("restrict,command=\"echo \\\"hi, you\\\" \\\\ #x\",pty " KEY " comment");
	assert_string_equal(o.command, "echo \"hi, you\" \\\\ #x");
	assert_int_equal(o.permits, AUTHORIZED_PTY);
	authorized_options_free(&o);
	assert_null(o.command);
	o = found("command=\"\" " KEY);
	assert_string_equal(o.command, "");
	authorized_options_free(&o);
	/* a key inside a command is no key */
	expect_none("command=\"" KEY "\" " OTHER, "");
	o = found("command=\"" OTHER "\" " KEY);
	assert_string_equal(o.command, OTHER);
	authorized_options_free(&o);
}

static void
test_environment(void **state)
{
	struct authorized_options o;

	(void)state;
	o = found("environment=\"A=1\",Environment=\"B_2=x=y z\",environment=\"C=\" " KEY);
	assert_int_equal(o.environment.n, 3);
	assert_string_equal(o.environment.v[0], "A=1");
	assert_string_equal(o.environment.v[1], "B_2=x=y z");
	assert_string_equal(o.environment.v[2], "C=");
	authorized_options_free(&o);
	expect_none("environment=\"A\" " KEY, "line 1: bad environment=");
	expect_none("environment=\"=1\" " KEY, "line 1: bad environment=");
	expect_none("environment=\"A B=1\" " KEY, "line 1: bad environment=");
	expect_none("environment=\"\" " KEY, "line 1: bad environment=");
}

static void
test_too_many_variables(void **state)
{
	struct authorized_options o;
	char *text = malloc(AUTHORIZED_LINE_MAX);
	size_t i, len = 0;

	(void)state;
	for (i = 0; i < 1025; i++)
		len += (size_t)snprintf(text + len, 100, "environment=\"A%zu=b\",", i);
	memcpy(text + len, " " KEY, sizeof(" " KEY));
	o = found(text);
	assert_int_equal(o.environment.n, 1025);
	authorized_options_free(&o);
	strcpy(text + len, "environment=\"B=c\" " KEY);
	expect_none(text, "line 1: too many environment=");
	free(text);
}

static void
test_permitopen_and_permitlisten(void **state)
{
	static const char *const bad[] = { "", "host", "host:", "host:0", "host:65536", "host:80a",
		"host:-1", "host:-0", "host:80 ", "host:99999999999999999999", "host:**", "[::1]",
		"[::1:80", "[::1]x:80", "[", "[]", ":", "/", "host:80:81", "::1:80", "host:http",
		"host/", "host/http", "host/80:80", "/x/y:1", "/x/y:*", "/x/y" };
	struct authorized_options o;
	char line[1200];
	size_t i;

	(void)state;
	o = found("permitopen=\"localhost:80\",permitopen=\"[::1]:*\",permitopen=\"*:443\","
		  "permitlisten=\"8080\",permitlisten=\"localhost:1\",permitlisten=\"*:*\" " KEY);
	assert_int_equal(o.permit_open.n, 3);
	assert_string_equal(o.permit_open.v[0], "localhost:80");
	assert_string_equal(o.permit_open.v[1], "[::1]:*");
	assert_string_equal(o.permit_open.v[2], "*:443");
	assert_int_equal(o.permit_listen.n, 3);
	assert_string_equal(o.permit_listen.v[0], "*:8080");
	assert_string_equal(o.permit_listen.v[1], "localhost:1");
	assert_string_equal(o.permit_listen.v[2], "*:*");
	authorized_options_free(&o);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "permitopen=\"%s\" " KEY, bad[i]);
		expect_none(line, "line 1: bad permitopen=");
		snprintf(line, sizeof(line), "permitlisten=\"%s\" " KEY, bad[i]);
		expect_none(line, "line 1: bad permitlisten=");
	}
	expect_none("permitopen=\"80\" " KEY, "line 1: bad permitopen=");
	expect_none("permitlisten=\"host/80\" " KEY, "line 1: bad permitlisten=");
	/* other forms that sshd accepts become one form */
	o = found("permitopen=\"host/80\",permitopen=\"[::1]/*\",permitopen=\":80\","
		  "permitopen=\"[]:80\",permitopen=\"[a/b]:*\",permitopen=\"host: +080\","
		  "permitlisten=\":22\",permitlisten=\"022\",permitlisten=\"*\" " KEY);
	assert_int_equal(o.permit_open.n, 6);
	assert_string_equal(o.permit_open.v[0], "host:80");
	assert_string_equal(o.permit_open.v[1], "[::1]:*");
	assert_string_equal(o.permit_open.v[2], ":80");
	assert_string_equal(o.permit_open.v[3], "[]:80");
	assert_string_equal(o.permit_open.v[4], "[a/b]:*");
	assert_string_equal(o.permit_open.v[5], "host:80");
	assert_int_equal(o.permit_listen.n, 3);
	assert_string_equal(o.permit_listen.v[0], ":22");
	assert_string_equal(o.permit_listen.v[1], "*:22");
	assert_string_equal(o.permit_listen.v[2], "*:*");
	authorized_options_free(&o);
	snprintf(line, sizeof(line), "permitopen=\"%01024d:65535\" " KEY, 0);
	o = found(line);
	assert_int_equal(strlen(o.permit_open.v[0]), 1024 + strlen(":65535"));
	authorized_options_free(&o);
	snprintf(line, sizeof(line), "permitopen=\"%01025d:1\" " KEY, 0);
	expect_none(line, "line 1: bad permitopen=");
}

static void
test_other_options(void **state)
{
	struct authorized_options o;

	(void)state;
	o = found("no-touch-required,verify-required " KEY);
	assert_true(o.no_touch_required);
	assert_true(o.verify_required);
	authorized_options_free(&o);
	o = found("no-touch-required,touch-required " KEY);
	assert_false(o.no_touch_required);
	authorized_options_free(&o);
	expect_none("cert-authority " KEY, "line 1: the key is there as cert-authority");
	expect_none("cert-authority,principals=\"a,b\" " KEY,
	    "line 1: the key is there as cert-authority");
	expect_none("principals=\"a,b\" " KEY, "line 1: principals= without cert-authority");
}

static void
test_tunnel(void **state)
{
	static const char *const bad[] = { "", "-1", "x", "1 ", "0x1", "1:2", "2147483646",
		"2147483647", "4294967297", "99999999999999999999", "-0x1", "anyone" };
	struct authorized_options o;
	char line[600];
	size_t i;

	(void)state;
	o = found("no-pty " KEY);
	assert_false(o.has_tunnel);
	authorized_options_free(&o);
	o = found("tunnel=\"0\" " KEY);
	assert_true(o.has_tunnel);
	assert_int_equal(o.tunnel, 0);
	authorized_options_free(&o);
	o = found("tunnel=\"2147483645\" " KEY);
	assert_int_equal(o.tunnel, AUTHORIZED_TUNNEL_MAX);
	authorized_options_free(&o);
	o = found("tunnel=\"any\" " KEY);
	assert_true(o.has_tunnel);
	assert_int_equal(o.tunnel, AUTHORIZED_TUNNEL_ANY);
	authorized_options_free(&o);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "tunnel=\"%s\" " KEY, bad[i]);
		expect_none(line, "line 1: bad tunnel=");
	}
	o = found("tunnel=\"any\",tunnel=\"1\",tunnel=\" +0000000002\" " KEY);
	assert_int_equal(o.tunnel, 2);
	authorized_options_free(&o);
	expect_none("tunnel=\"1\",tunnel=\"x\" " KEY, "line 1: bad tunnel=");
}

static void
test_from(void **state)
{
	struct authorized_options o;
	const char *line = "from=\"203.0.113.0/24,!203.0.113.7,2001:db8::/32\" " KEY;

	(void)state;
	assert_int_equal(find_from(line, strlen(line), "203.0.113.9", &o), 1);
	authorized_options_free(&o);
	assert_int_equal(find_from(line, strlen(line), "2001:db8::1", &o), 1);
	authorized_options_free(&o);
	assert_int_equal(find_from(line, strlen(line), "203.0.113.7", &o), 0);
	assert_string_equal(why.text, "line 1: from= does not match");
	assert_int_equal(find_from(line, strlen(line), "203.0.114.9", &o), 0);
	assert_int_equal(find_from(line, strlen(line), "2001:db9::1", &o), 0);
	assert_int_equal(find_from(line, strlen(line), "", &o), 0);
	expect_none("from=\"\" " KEY, "line 1: from= does not match");
	expect_none("from=\"*.example.com\" " KEY, "line 1: from= does not match");
	expect_none("from=\"*\",from=\"*\" " KEY, "line 1: from= is given twice");
	expect_none("from=\"203.0.113.9,\" " KEY, "line 1: from= does not match");
	expect_none("from=\"203.0.113.9%lo\" " KEY, "line 1: from= does not match");
	expect_none("from=\"::ffff:203.0.113.9\" " KEY, "line 1: from= does not match");
	expect_permits("from=\"*\" " KEY, AUTHORIZED_ALL);
	/* a second line may hold where the first does not */
	expect_permits("from=\"10.0.0.1\" " KEY "\nrestrict " KEY, 0);
	expect_none("from=\"10.0.0.1\" " KEY "\nexpiry-time=\"19990101\" " KEY,
	    "line 1: from= does not match");
}

static void
test_expiry(void **state)
{
	(void)state;
	expect_permits("expiry-time=\"20231115\" " KEY, AUTHORIZED_ALL);
	expect_permits("expiry-time=\"20991231\" " KEY, AUTHORIZED_ALL);
	expect_permits("expiry-time=\"20231114221320Z\" " KEY, AUTHORIZED_ALL);
	expect_none("expiry-time=\"20231114221319Z\" " KEY, "line 1: expired");
	expect_none("expiry-time=\"202311142213Z\" " KEY, "line 1: expired");
	expect_permits("expiry-time=\"202311142214Z\" " KEY, AUTHORIZED_ALL);
	/* without Z it is local time: here an hour ahead of UTC */
	expect_permits("expiry-time=\"20231114231320\" " KEY, AUTHORIZED_ALL);
	expect_none("expiry-time=\"20231114231319\" " KEY, "line 1: expired");
	expect_none("expiry-time=\"20231114\" " KEY, "line 1: expired");
	/* the earliest of several counts */
	expect_none("expiry-time=\"20200101\",expiry-time=\"20300101\" " KEY, "line 1: expired");
	expect_none("expiry-time=\"20300101\",expiry-time=\"20200101\" " KEY, "line 1: expired");
	expect_none("expiry-time=\"19700102Z\" " KEY, "line 1: expired");
	expect_none("expiry-time=\"19700101Z\" " KEY, "line 1: bad expiry-time=");
	expect_none("expiry-time=\"20300101\",expiry-time=\"19700101Z\" " KEY,
	    "line 1: bad expiry-time=");
	expect_permits("expiry-time=\"20231114221320z\" " KEY, AUTHORIZED_ALL);
	expect_permits("expiry-time=\"20231114221320utc\" " KEY, AUTHORIZED_ALL);
	expect_none("expiry-time=\"20231114221319UTC\" " KEY, "line 1: expired");
}

/* As sshd has it (ssh-keygen -V shows it): the days and seconds there are not, and no summer
 * time. */
static void
test_times(void **state)
{
	static const struct {
		const char *text, *zone;
		time_t when;
	} rows[] = {
		{ "20240229Z", "CET-1", 1709164800 },
		{ "20240229UTC", "CET-1", 1709164800 },
		{ "20240229", "CET-1", 1709161200 },
		{ "20230229Z", "UTC0", 1677628800 }, /* the first of March */
		{ "20230230Z", "UTC0", 1677715200 },
		{ "20231114221360Z", "UTC0", 1700000040 },
		{ "20231114221361Z", "UTC0", 1700000041 },
		{ "2023 1 1Z", "UTC0", 1672531200 },
		{ "20230101", "CET-1CEST,M3.5.0,M10.5.0/3", 1672527600 },
		{ "20230701", "CET-1CEST,M3.5.0,M10.5.0/3", 1688166000 },
		{ "20230701", "<-04>4<-03>,M9.1.6/24,M4.1.6/24", 1688184000 },
		{ "19700101000001Z", "UTC0", 1 },
	};
	time_t when;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setenv("TZ", rows[i].zone, 1);
		tzset();
		if (authorized_time_parse(rows[i].text, &when) != 0 || when != rows[i].when)
			fail_msg("%s in %s: %jd", rows[i].text, rows[i].zone, (intmax_t)when);
	}
	setenv("TZ", "CET-1", 1);
	tzset();
}

static void
test_times_that_are_none(void **state)
{
	static const char *const bad[] = { "", "2023", "20231", "202311141", "20231114221",
		"20231301", "20231100", "20231132", "20231114Y", "20231114ZZ", "20231114 Z",
		"202311142400", "202311142360", "20231114221362", "-0231114", "+1d", "always",
		"00000101", "20231114221319000", " 20231114", "2023 1 1 0000", "20231114UTCZ",
		"20231114ZUTC", "20231114GMT", "20231114TC", "Z", "UTC", "19700101Z",
		"19691231235959Z", "202x0101" };
	time_t when;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(authorized_time_parse(bad[i], &when), ERR_FORMAT);
		assert_int_equal(when, 0);
	}
	expect_none("expiry-time=\"soon\" " KEY, "line 1: bad expiry-time=");
}

static void
test_long_lines(void **state)
{
	size_t len = AUTHORIZED_LINE_MAX;
	char *text = malloc(2 << 20);

	(void)state;
	memset(text, 'x', 2 << 20);
	memcpy(text, KEY " ", strlen(KEY " "));
	text[len] = '\0';
	expect_permits(text, AUTHORIZED_ALL);
	text[len] = 'x';
	text[len + 1] = '\0';
	expect_none(text, "");
	text[len + 1] = 'x';
	text[1 << 20] = '\n';
	strcpy(text + (1 << 20) + 1, KEY);
	expect_permits(text, AUTHORIZED_ALL);
	free(text);
}

/* Any part of a file that is cut off is no more generous than the whole. */
static void
test_every_truncation(void **state)
{
	static const char text[] =
	    "restrict,command=\"echo \\\"a b\\\"\",from=\"203.0.113.0/24\" " KEY;
	struct authorized_options o;
	char *cut;
	size_t len;

	(void)state;
	for (len = 0; len <= strlen(text); len++) {
		cut = malloc(len == 0 ? 1 : len);
		memcpy(cut, text, len);
		if (find_from(cut, len, "203.0.113.9", &o) == 1) {
			assert_int_equal(len, strlen(text));
			assert_int_equal(o.permits, 0);
			assert_string_equal(o.command, "echo \"a b\"");
			authorized_options_free(&o);
		}
		free(cut);
	}
}

/* Lines as people have them, of keys ssh-keygen(1) made and reads there too. */
static void
test_with_ssh_keygen(void **state)
{
	static const char *const options[] = { "", "no-pty ", "command=\"rsync --server .\" ",
		"restrict,pty,command=\"/bin/sh -c \\\"id\\\"\" ",
		"from=\"*\",environment=\"A=b c\" ", "no-pty,no-agent-forwarding\t" };
	static const char *const types[] = { "ed25519", "ecdsa -b 521", "rsa -b 1024" };
	char dir[] = "/tmp/test_authorized.XXXXXX", command[400], public[2000], line[2400];
	char path[100], shown[2000], fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct authorized_options o;
	struct buf saved = key;
	FILE *f;
	size_t i, j;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/authorized_keys", dir);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		snprintf(command, sizeof(command),
		    "ssh-keygen -q -N '' -C 'a comment' -t %s -f %s/k%zu && cat %s/k%zu.pub",
		    types[i], dir, i, dir, i);
		f = popen(command, "r");
		assert_non_null(fgets(public, sizeof(public), f));
		assert_int_equal(pclose(f), 0);
		buf_init(&key, 2000);
		assert_int_equal(pubkey_parse(public, strlen(public), &key), 0);
		pubkey_fingerprint(buf_bytes(&key), fingerprint);
		for (j = 0; j < sizeof(options) / sizeof(options[0]); j++) {
			snprintf(line, sizeof(line), "%s%s", options[j], public);
			o = found(line);
			authorized_options_free(&o);
			f = fopen(path, "w");
			fputs(line, f);
			fclose(f);
			snprintf(command, sizeof(command), "ssh-keygen -l -f %s", path);
			f = popen(command, "r");
			assert_non_null(fgets(shown, sizeof(shown), f));
			assert_int_equal(pclose(f), 0);
			assert_non_null(strstr(shown, fingerprint));
		}
		buf_free(&key);
	}
	key = saved;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_lines),
		cmocka_unit_test(test_lines_that_are_no_keys),
		cmocka_unit_test(test_permits),
		cmocka_unit_test(test_unknown_options),
		cmocka_unit_test(test_broken_options),
		cmocka_unit_test(test_commas_too_many),
		cmocka_unit_test(test_nul_in_options),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_too_many_variables),
		cmocka_unit_test(test_permitopen_and_permitlisten),
		cmocka_unit_test(test_other_options),
		cmocka_unit_test(test_tunnel),
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_times_that_are_none),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_with_ssh_keygen),
	};

	return cmocka_run_group_tests_name("authorized_keys", tests, setup, teardown);
}
