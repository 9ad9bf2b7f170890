/*
 * What `check --dump` prints is read back as the same configuration: for any keywords with any values that are
 * accepted, in directories of any name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "conf/forward.h"
#include "conf/keyword.h"
#include "conf/sections.h"
#include "lookup/lookup.h"
#include "lookup/route.h"
#include "lookup/route_types.h"
#include "tmp_dir.h"

#define ROUNDS 400
#define LINES_MAX 256

static const char *const names[] = { "plain", "with blank", "100%", "a;b", "a#b", "quo\"te", "ünï",
	"tail ", "%u", "~" };
static const char *const bad_names[] = { "a ;b", "a #b", "new\nline", "tab\there" };

#define FINGERPRINT "SHA256:0123456789012345678901234567890123456789012"

/* What somebody may write after a =.  What a key does not take is left out again. */
static const char *const values[] = { "yes", "no", "none", "0", "1", "6", "22", "30s", "1h30m",
	"90", "24d", "accept-new", "INFO", "DEBUG", "json", "sshd", "ini", "100:30:1000", "7",
	"127.0.0.1:2222 [::1]:22", "[::]:2222", "host_ed25519", "host_rsa host_ed25519", "alice",
	"conf.d/alice.pub", "/etc/x", "/etc/a b", "a b/c d", "./x", "conf.d/kh conf.d/kh2",
	"/etc/100%/x", "%u", "%1.example.com", "conf.d/users/%1.pub", "%%", "a%%b", "10.0.0.5",
	"10.0.0.5 fe80::1%eth0 web.example.com", "a#b", "a;b", "c:\\x", "\\", "x\"y", "'",
	"aes256-gcm@openssh.com,aes128-ctr", "+aes128-ctr", "^rsa-sha2-512", FINGERPRINT,
	FINGERPRINT " " FINGERPRINT, "ssh-ed25519 AAAAC3 me", "ssh-rsa AAAAB3 a # b",
	"from=\"10.0.0.0/8\",command=\"a b\" ssh-ed25519 AAAA", "file:keys/.unlock", "file:/a b/c",
	"credential:store", "passphrase", "ü", "a=b", "= x", "[x]", "publickey", "10.0.0.0/8",
	"host:22", "*:80", "LANG LC_*", "A=b", "shell exec", "all", "local", "directory exec",
	"off", "any" };

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static unsigned int seed = 1;

static unsigned int
dice(unsigned int n)
{
	seed = seed * 1103515245U + 12345U;
	return (seed >> 8) % n;
}

/* --- a configuration, line by line --- */

struct text {
	char *lines[LINES_MAX];
	size_t n;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *fmt, ...)
{
	va_list ap;

	assert_true(t->n < LINES_MAX);
	va_start(ap, fmt);
	assert_true(vasprintf(&t->lines[t->n++], fmt, ap) >= 0);
	va_end(ap);
}

static void
clear(struct text *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		free(t->lines[i]);
	t->n = 0;
}

static void
add_keys(struct text *t, const struct keyword *table, size_t n, unsigned int of)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (table[i].type != NULL && dice(of) == 0)
			add(t, "%s = %s", table[i].name, values[dice(LEN(values))]);
}

static void
make(struct text *t)
{
	static const char *const commands[] = { "Path = users", "Path = /var/a b", "Command = x.sh",
		"Command = /bin/echo  a;b  %u ", "Command = plugins/x y" };
	static const char *const routes[] = { "alice", "dev-*", "*+*", "[x", "a b", "x ;y", "ü",
		"#", "100%" };
	const struct keyword *table;
	const char *kind;
	size_t i, n;

	for (i = 0; (table = sections_keywords(i, &kind, &n)) != NULL; i++) {
		add(t, "[%s]", kind);
		add_keys(t, table, n, 2);
	}
	for (i = 0; lookup_keywords(i, &kind, &table, &n); i++) {
		add(t, "[lookup %s]", kind);
		add(t, "%s", commands[dice(LEN(commands))]);
		add_keys(t, table, n, 2);
	}
	table = forward_keywords(&n);
	add(t, "[forward w]");
	add(t, "%s", dice(2) ? "Protocol = tls" : "FirstBytes = \\x00 a#");
	add(t, "Target = 127.0.0.1:1 unix:/x");
	add_keys(t, table, n, 3);
	table = route_keywords(&n);
	for (i = 0; i < LEN(routes); i++) {
		if (dice(2) == 0)
			continue;
		add(t, "[route %s]", routes[i]);
		add(t, "HostName = 10.0.0.%u", dice(200));
		add(t, "Key = k%u", dice(9));
		add(t, "AuthorizedKey = ssh-ed25519 AAAA%u # me", dice(9));
		add(t, "%s",
		    dice(2) ? "UserKnownHostsFile = conf.d/kh" :
			      "HostKeyFingerprint = " FINGERPRINT);
		add_keys(t, table, n, 6);
	}
}

/* --- load and dump --- */

/* All of it, as `check --dump` prints it; NULL with the errors. */
static char *
dump(struct conf_errors *errors)
{
	struct conf *conf = NULL;
	struct lookup *lookup = NULL;
	struct route *r;
	char *text = NULL;
	size_t i, len;
	FILE *f;

	if (conf_read("conf.d", CONF_ALL, &conf, errors) != 0 && conf == NULL)
		return NULL;
	f = open_memstream(&text, &len);
	assert_non_null(f);
	if (lookup_new(conf, errors, &lookup) == 0) {
		conf_dump(conf, f);
		lookup_dump(lookup, conf, f);
	}
	/* if it failed, it has said what is wrong with them */
	for (i = 0; lookup != NULL && i < conf->n_routes; i++) {
		if (route_new(conf, &conf->routes[i], errors, &r) != 0)
			continue;
		fputc('\n', f);
		route_dump(r, f);
		route_free(&r);
	}
	assert_int_equal(fclose(f), 0);
	lookup_free(&lookup);
	conf_free(&conf);
	if (errors->n > 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* Leave out the lines that have errors; of a header, the section. */
static void
leave_out(struct text *t, const struct conf_errors *errors)
{
	size_t i, line, j;

	for (i = 0; i < errors->n; i++) {
		line = errors->v[i].line;
		if (line == 0)
			continue;
		assert_true(line <= t->n);
		j = line - 1;
		do {
			free(t->lines[j]);
			t->lines[j] = strdup("; left out");
			j++;
		} while (j < t->n && errors->v[i].text[0] == '[' && t->lines[j][0] != '[');
	}
}

static void
write_lines(const struct text *t)
{
	FILE *f = fopen("conf.d/x.ini", "w");
	size_t i;

	assert_non_null(f);
	for (i = 0; i < t->n; i++)
		fprintf(f, "%s\n", t->lines[i]);
	assert_int_equal(fclose(f), 0);
}

/* Go to a directory of this name that has a conf.d. */
static void
go_to(const char *name)
{
	assert_int_equal(chdir(tmp_dir()), 0);
	(void)mkdir(name, 0700);
	assert_int_equal(chdir(name), 0);
	(void)mkdir("conf.d", 0700);
}

static void
test_what_is_printed_reads_back_in(void **state)
{
	struct conf_errors errors = { 0 };
	struct text t = { .n = 0 };
	unsigned int round, tries, done = 0, keys = 0;
	char *first, *second;
	const char *p;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		go_to(names[round % LEN(names)]);
		make(&t);
		first = NULL;
		for (tries = 0; first == NULL && tries < 20; tries++) {
			write_lines(&t);
			first = dump(&errors);
			leave_out(&t, &errors);
			conf_errors_free(&errors);
		}
		clear(&t);
		assert_non_null(first);
		/* to another place: what was relative is the same path there */
		go_to("elsewhere");
		write_text("conf.d/x.ini", first);
		second = dump(&errors);
		if (second == NULL || strcmp(first, second) != 0) {
			conf_errors_print(&errors, stderr);
			fprintf(stderr, "--- first\n%s--- second\n%s", first,
			    second == NULL ? "" : second);
		}
		assert_non_null(second);
		assert_string_equal(first, second);
		for (p = first; (p = strstr(p, " = ")) != NULL; p++)
			keys++;
		done++;
		free(first);
		free(second);
	}
	assert_int_equal(done, ROUNDS);
	assert_true(keys > ROUNDS * 20); /* it was about something */
}

static void
test_a_place_that_no_value_can_name(void **state)
{
	struct conf_errors errors;
	struct conf *conf;
	size_t i;

	(void)state;
	for (i = 0; i < LEN(bad_names); i++) {
		errors = (struct conf_errors){ 0 };
		go_to(bad_names[i]);
		write_text("conf.d/x.ini", "[gateway]\n");
		assert_int_equal(conf_load("conf.d", CONF_ALL, &conf, &errors), ERR_CONFIG);
		assert_int_equal(errors.n, 1);
		assert_non_null(strstr(errors.v[0].text, "rename that directory"));
		conf_errors_free(&errors);
	}
}

static void
test_a_list_of_paths_below_a_blank(void **state)
{
	struct conf_errors errors = { 0 };

	(void)state;
	go_to("with blank");
	write_text("conf.d/x.ini",
	    "[route a]\nHostName = h\nKey = k\nAuthorizedKey = t AAAA\n"
	    "UserKnownHostsFile = conf.d/kh\n");
	assert_null(dump(&errors));
	assert_int_equal(errors.n, 1);
	assert_int_equal(errors.v[0].line, 5);
	assert_non_null(strstr(errors.v[0].text, "a directory with a blank in its name"));
	conf_errors_free(&errors);
}

/* The [gateway] that the keeper tells the master of. */
static void
test_gateway_alone(void **state)
{
	struct conf_errors errors = { 0 };
	struct conf *conf, *again;
	char *text[2] = { NULL, NULL };
	size_t len;
	FILE *f;

	(void)state;
	go_to("100%");
	write_text("conf.d/x.ini",
	    "[gateway]\nListenAddress = 127.0.0.1:22 [::1]:2022\nMaxStartups = 3:50:9\n"
	    "PerSourceNetBlockSize = 24:56\nPerSourcePenaltyExemptList = 192.0.2.0/24,::1\n"
	    "PerSourcePenalties = authfail:0.25s max-sources4:7 overflow:deny-all "
	    "overflow6:permissive\n"
	    "Banner = b\nLogFormat = json\n[keystore]\nUnlock = passphrase\n"
	    "[edge]\nAcceptProxyFrom = 10.0.0.0/8 2001:db8::7\nProxyTimeout = 3s\n"
	    "[forward w]\nProtocol = any\nTarget = 127.0.0.1:1\n");
	assert_int_equal(conf_load("conf.d", CONF_ALL, &conf, &errors), 0);
	f = open_memstream(&text[0], &len);
	conf_gateway_dump(conf, f);
	fclose(f);
	assert_int_equal(conf_gateway_parse(text[0], len, &again, &errors), 0);
	assert_int_equal(again->gateway.n_listen, 2);
	assert_int_equal(again->gateway.max_startups[1], 50);
	assert_memory_equal(&again->gateway.penalties, &conf->gateway.penalties,
	    sizeof(conf->gateway.penalties));
	assert_int_equal(again->gateway.per_source_net_block[1], 56);
	assert_int_equal(again->edge.accept_proxy_from.n, 2);
	assert_string_equal(again->edge.accept_proxy_from.v[1], "2001:db8::7");
	assert_int_equal(again->edge.proxy_timeout_ms, 3000);
	assert_int_equal(again->n_forwards, 1);
	assert_string_equal(again->forwards[0].name, "w");
	f = open_memstream(&text[1], &len);
	conf_gateway_dump(again, f);
	fclose(f);
	assert_string_equal(text[0], text[1]);
	conf_free(&again);
	conf_free(&conf);
	/* text without the first two, or with others */
	assert_int_equal(conf_gateway_parse("[gateway]\n[edge]\n[keystore]\n", 28, &again, &errors),
	    ERR_CONFIG);
	assert_int_equal(conf_gateway_parse("", 0, &again, &errors), ERR_CONFIG);
	assert_int_equal(conf_gateway_parse("[keystore]\n", 11, &again, &errors), ERR_CONFIG);
	assert_int_equal(conf_gateway_parse("[gateway]\n", 10, &again, &errors), ERR_CONFIG);
	assert_int_equal(conf_gateway_parse("[gateway]\nx\n[edge]\n", 19, &again, &errors),
	    ERR_CONFIG);
	assert_null(again);
	conf_errors_free(&errors);
	free(text[0]);
	free(text[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_printed_reads_back_in),
		cmocka_unit_test(test_a_place_that_no_value_can_name),
		cmocka_unit_test(test_a_list_of_paths_below_a_blank),
		cmocka_unit_test(test_gateway_alone),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
