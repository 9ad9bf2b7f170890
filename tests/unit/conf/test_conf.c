/*
 * conf/: what is read from conf.d, what is refused, and with which errors.
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

#include "base/names.h"
#include "conf/conf.h"
#include "tmp_dir.h"

static int
setup(void **state)
{
	(void)state;
	if (system("rm -rf conf.d && mkdir conf.d") != 0)
		return -1;
	return 0;
}

/* All errors as they would be printed; the caller frees it. */
static char *
errors_text(const struct conf_errors *errors)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	conf_errors_print(errors, f);
	fclose(f);
	return text;
}

static struct conf *
load_ok(enum conf_what what)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	int err = conf_load("conf.d", what, &conf, &errors);

	conf_errors_print(&errors, stderr);
	assert_int_equal(err, 0);
	assert_int_equal(errors.n, 0);
	conf_errors_free(&errors);
	return conf;
}

/* Load a configuration with just these errors. */
static void
load_bad(const char *dir, const char *expected)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	char *text;

	assert_int_equal(conf_load(dir, CONF_ALL, &conf, &errors), ERR_CONFIG);
	assert_null(conf);
	text = errors_text(&errors);
	assert_string_equal(text, expected);
	free(text);
	conf_errors_free(&errors);
}

/* One line in [gateway] with this error. */
static void
gateway_bad(const char *line, const char *expected)
{
	char text[1024], message[1024];

	snprintf(text, sizeof(text), "[gateway]\n%s\n", line);
	snprintf(message, sizeof(message), "conf.d/a.ini:2: %s\n", expected);
	write_text("conf.d/a.ini", text);
	load_bad("conf.d", message);
}

#define REKEY_ERROR(value)                                                    \
	,                                                                     \
	    "RekeyLimit: \"" value                                            \
	    "\" does not begin with a size: write 512M, 1G (at least 1M) or " \
	    "default, then a time if wanted, such as 1h"

/* What a line with RekeyLimit means. */
static void
rekey_is(const char *value, uint64_t bytes, int ms, const char *printed)
{
	struct conf *conf;
	char text[128], line[128];
	char *dump = NULL;
	size_t len;
	FILE *f;

	snprintf(text, sizeof(text), "[gateway]\nRekeyLimit = %s\n", value);
	write_text("conf.d/a.ini", text);
	conf = load_ok(CONF_ALL);
	assert_int_equal(conf->gateway.rekey.bytes, bytes);
	assert_int_equal(conf->gateway.rekey.ms, ms);
	f = open_memstream(&dump, &len);
	conf_gateway_dump(conf, f);
	fclose(f);
	snprintf(line, sizeof(line), "\nRekeyLimit = %s\n", printed);
	assert_non_null(strstr(dump, line));
	free(dump);
	conf_free(&conf);
}

static void
test_rekey_limit(void **state)
{
	(void)state;
	rekey_is("default none", 0, 0, "default none");
	rekey_is("1M", 1 << 20, 0, "1048576 none");
	rekey_is("2g  90m", UINT64_C(2) << 30, 5400000, "2147483648 5400s");
	rekey_is("default 1h", 0, 3600000, "default 3600s");
	rekey_is("1048577", (1 << 20) + 1, 0, "1048577 none");
}

static void
test_algorithms(void **state)
{
	struct conf *conf;

	(void)state;
	write_text("conf.d/a.ini",
	    "[gateway]\nKexAlgorithms = curve25519-sha256,diffie-hellman-group18-sha512\n"
	    "Ciphers = ^aes256-ctr\nMACs = -*-etm@*\n"
	    "HostKeyAlgorithms = rsa-sha2-???\nPubkeyAcceptedAlgorithms = ssh-ed25519*\n");
	conf = load_ok(CONF_ALL);
	assert_string_equal(conf->gateway.kex_algorithms,
	    "curve25519-sha256,diffie-hellman-group18-sha512");
	assert_memory_equal(conf->gateway.ciphers, "aes256-ctr,aes128-gcm@", 22);
	assert_string_equal(conf->gateway.macs, "hmac-sha2-256,hmac-sha2-512");
	assert_string_equal(conf->gateway.host_key_algorithms, "rsa-sha2-512,rsa-sha2-256");
	assert_string_equal(conf->gateway.pubkey_accepted_algorithms,
	    "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519");
	conf_free(&conf);
}

static void
test_defaults(void **state)
{
	struct conf *conf;
	char *cwd = getcwd(NULL, 0), path[4096];

	(void)state;
	write_text("conf.d/a.ini", "");
	conf = load_ok(CONF_ALL);
	assert_string_equal(conf->dir, "conf.d");
	assert_string_equal(conf->base, cwd);
	assert_int_equal(conf->gateway.n_listen, 2);
	assert_string_equal(conf->gateway.listen[0].host, "0.0.0.0");
	assert_int_equal(conf->gateway.listen[0].port, 2222);
	assert_string_equal(conf->gateway.listen[1].host, "::");
	assert_int_equal(conf->gateway.host_keys.n, 1);
	assert_string_equal(conf->gateway.host_keys.v[0], "host_ed25519");
	assert_int_equal(conf->gateway.login_grace_ms, 30000);
	assert_int_equal(conf->gateway.max_startups[0], 100);
	assert_int_equal(conf->gateway.max_startups[1], 30);
	assert_int_equal(conf->gateway.max_startups[2], 1000);
	assert_int_equal(conf->gateway.per_source_max_startups, 50);
	assert_int_equal(conf->gateway.per_source_net_block[0], 32);
	assert_int_equal(conf->gateway.per_source_net_block[1], 64);
	assert_null(conf->gateway.penalty_exempt);
	assert_int_equal(conf->gateway.max_auth_tries, 6);
	assert_int_equal(conf->gateway.client_alive_interval_ms, 15000);
	assert_int_equal(conf->gateway.client_alive_count_max, 3);
	assert_null(conf->gateway.banner);
	assert_null(conf->gateway.run_as);
	assert_string_equal(conf->gateway.log_format, "sshd");
	assert_string_equal(conf->gateway.log_level, "INFO");
	snprintf(path, sizeof(path), "%s/keys", cwd);
	assert_string_equal(conf->keystore.path, path);
	snprintf(path, sizeof(path), "file:%s/keys/.unlock", cwd);
	assert_string_equal(conf->keystore.unlock, path);
	assert_int_equal(conf->lookup.order.n, 1);
	assert_string_equal(conf->lookup.order.v[0], "ini");
	assert_int_equal(conf->n_routes, 0);
	conf_free(&conf);
	assert_null(conf);
	free(cwd);
}

static void
test_values(void **state)
{
	struct conf *conf;

	(void)state;
	write_text("conf.d/a.ini",
	    "\xef\xbb\xbf; begins as some editors have it\r\n"
	    "[Gateway]\r\n"
	    "  LISTENADDRESS = 127.0.0.1:22 [fe80::1%eth0]:2022 ; a comment\r\n"
	    "hostkey=one two\r\n"
	    "# another\r\n"
	    "LoginGraceTime = 1m30s\r\n"
	    "MaxStartups = 10\r\n"
	    "PerSourceMaxStartups = 5\r\n"
	    "ClientAliveInterval = none\r\n"
	    "Banner = /etc/issue.net\r\n"
	    "LogFormat = JSON\r\n"
	    "LogLevel = debug\r\n"
	    "[keystore]\r\n"
	    "Path = /var/lib/keys\r\n"
	    "Unlock = credential:store\r\n");
	conf = load_ok(CONF_ALL);
	assert_int_equal(conf->gateway.n_listen, 2);
	assert_string_equal(conf->gateway.listen[1].host, "fe80::1%eth0");
	assert_int_equal(conf->gateway.listen[1].port, 2022);
	assert_int_equal(conf->gateway.host_keys.n, 2);
	assert_int_equal(conf->gateway.login_grace_ms, 90000);
	assert_int_equal(conf->gateway.max_startups[1], 100);
	assert_int_equal(conf->gateway.max_startups[2], 10);
	assert_int_equal(conf->gateway.per_source_max_startups, 5);
	assert_int_equal(conf->gateway.client_alive_interval_ms, 0);
	assert_string_equal(conf->gateway.banner, "/etc/issue.net");
	assert_string_equal(conf->gateway.log_format, "json");
	assert_string_equal(conf->gateway.log_level, "DEBUG");
	assert_string_equal(conf->keystore.unlock, "credential:store");
	conf_free(&conf);
}

/* Of a gateway with PerSourcePenalties = value. */
static struct conf_penalties
penalties(const char *value)
{
	struct conf_penalties p;
	struct conf *conf;
	char text[400];

	snprintf(text, sizeof(text), "[gateway]\nPerSourcePenalties = %s\n", value);
	write_text("conf.d/a.ini", text);
	conf = load_ok(CONF_ALL);
	p = conf->gateway.penalties;
	conf_free(&conf);
	return p;
}

static void
test_penalties(void **state)
{
	struct conf_penalties p = penalties("yes"), q;

	assert_true(p.enabled);
	assert_int_equal(p.ms[CONF_PENALTY_CRASH], 90000);
	assert_int_equal(p.ms[CONF_PENALTY_AUTHFAIL], 5000);
	assert_int_equal(p.ms[CONF_PENALTY_INVALIDUSER], 5000);
	assert_int_equal(p.ms[CONF_PENALTY_NOAUTH], 1000);
	assert_int_equal(p.ms[CONF_PENALTY_GRACE_EXCEEDED], 10000);
	assert_int_equal(p.ms[CONF_PENALTY_REFUSECONNECTION], 10000);
	assert_int_equal(p.max_ms, 600000);
	assert_int_equal(p.min_ms, 15000);
	assert_int_equal(p.max_sources[0], 65536);
	assert_int_equal(p.max_sources[1], 65536);
	assert_false(p.deny_all[0] || p.deny_all[1]);
	assert_false(penalties("no").enabled);
	/* penalties that are not named keep their values, except two that follow another */
	p = penalties("authfail:1m overflow:deny-all noauth:0 max-sources6:3 min:0.5s");
	assert_int_equal(p.ms[CONF_PENALTY_AUTHFAIL], 60000);
	assert_int_equal(p.ms[CONF_PENALTY_INVALIDUSER], 60000);
	assert_int_equal(p.ms[CONF_PENALTY_CRASH], 90000);
	assert_int_equal(p.ms[CONF_PENALTY_NOAUTH], 0);
	assert_int_equal(p.min_ms, 500);
	assert_int_equal(p.max_sources[1], 3);
	assert_true(p.deny_all[0] && p.deny_all[1]);
	p = penalties("invaliduser:7s overflow6:deny-all");
	assert_int_equal(p.ms[CONF_PENALTY_AUTHFAIL], 7000);
	assert_true(!p.deny_all[0] && p.deny_all[1]);
	q = penalties("authfail:7 invaliduser:7s overflow6:deny-all");
	assert_memory_equal(&p, &q, sizeof(p));

	gateway_bad("PerSourcePenalties = authfail:5s invaliduser:6s",
	    "PerSourcePenalties: invaliduser and authfail must be the same: a difference would "
	    "tell strangers which logins exist");
	gateway_bad("PerSourcePenalties = crash:1m no",
	    "PerSourcePenalties: \"no\" must be the only word");
	gateway_bad("PerSourcePenalties = crash:1m crash:2m",
	    "PerSourcePenalties: crash is given twice");
	gateway_bad("PerSourcePenalties = crash:soon",
	    "PerSourcePenalties: crash:soon is not a time: write crash:30s or crash:5m");
	gateway_bad("PerSourcePenalties = crash:1.2.3",
	    "PerSourcePenalties: crash:1.2.3 is not a time: write crash:30s or crash:5m");
	gateway_bad("PerSourcePenalties = max-sources4:0",
	    "PerSourcePenalties: max-sources4:0 is not a number from 1 to 1048576");
	gateway_bad("PerSourcePenalties = overflow:maybe",
	    "PerSourcePenalties: overflow:maybe is none of: permissive deny-all");
	gateway_bad("PerSourcePenalties = min:20m",
	    "PerSourcePenalties: min is longer than max: nobody would ever be refused");
	gateway_bad("MACs = hmac-sha2-256,umac-128-etm@openssh.com",
	    "MACs: \"umac-128-etm@openssh.com\": libssh, which the gateway is built on, does not "
	    "have it; every OpenSSH since 5.9 has hmac-sha2-256");
	gateway_bad("KexAlgorithms = +curve25519-sha265",
	    "KexAlgorithms: \"curve25519-sha265\" is no key exchange that is supported (did you "
	    "mean curve25519-sha256?)");
	gateway_bad("HostKeyAlgorithms = ssh-rsa",
	    "HostKeyAlgorithms: \"ssh-rsa\": SHA-1 is not supported here; RSA keys sign with "
	    "rsa-sha2-512 and -256");
	gateway_bad("PubkeyAuthOptions = touch-required, verify-requird",
	    "PubkeyAuthOptions: \"verify-requird\" is none of: touch-required "
	    "verify-required, with blanks or commas between them, or none");
	gateway_bad("PubkeyAcceptedAlgorithms = -*",
	    "PubkeyAcceptedAlgorithms: that leaves no public key algorithm");
	gateway_bad("RekeyLimit = 512K" REKEY_ERROR("512K"));
	gateway_bad("RekeyLimit = none" REKEY_ERROR("none"));
	gateway_bad("RekeyLimit = 1T" REKEY_ERROR("1T"));
	gateway_bad("RekeyLimit = 281474976710657G" REKEY_ERROR("281474976710657G"));
	gateway_bad("RekeyLimit = 1G 1y",
	    "RekeyLimit: \"1y\" is not a time: write 30m, 1h or none, at most 24 days");
	gateway_bad("PerSourcePenalties = crsh:5s",
	    "PerSourcePenalties: \"crsh:5s\" is none of: no yes crash: authfail: invaliduser: "
	    "noauth: grace-exceeded: refuseconnection: max: min: max-sources4: max-sources6: "
	    "overflow: overflow6:");
}

static void
test_order_and_places(void **state)
{
	const struct conf_entry *e;
	struct conf *conf;
	unsigned int line;

	(void)state;
	write_text("conf.d/b.ini", "[route two]\nHostName = 2\n");
	write_text("conf.d/a.ini",
	    "[route one]\n\nHostName = 1\n[route empty]\n[gateway]\n"
	    "MaxAuthTries = 2\n");
	write_text("conf.d/B.ini", "[route zero]\nHostName = 0 ; zero\n");
	write_text("conf.d/.c.ini", "bad");
	write_text("conf.d/c.ini~", "bad");
	conf = load_ok(CONF_ALL);
	assert_int_equal(conf->n_routes, 4);
	assert_string_equal(conf->routes[0].name, "zero");
	assert_string_equal(conf->routes[0].entries[0].value, "0");
	assert_string_equal(conf->routes[1].name, "one");
	assert_string_equal(conf->routes[2].name, "empty");
	assert_int_equal(conf->routes[2].n, 0);
	assert_string_equal(conf->routes[3].name, "two");
	e = conf_entry_find(&conf->routes[1], "hostNAME");
	assert_non_null(e);
	assert_string_equal(e->file, "conf.d/a.ini");
	assert_int_equal(e->line, 3);
	assert_string_equal(conf_where(conf, "gateway", "MaxAuthTries", &line), "conf.d/a.ini");
	assert_int_equal(line, 6);
	assert_string_equal(conf_where(conf, "gateway", "Banner", &line), "conf.d/a.ini");
	assert_int_equal(line, 5);
	assert_string_equal(conf_where(conf, "lookup", "Order", &line), "conf.d");
	assert_int_equal(line, 0);
	conf_free(&conf);
	conf = load_ok(CONF_GATEWAY);
	assert_int_equal(conf->n_routes, 0);
	assert_int_equal(conf->gateway.max_auth_tries, 2);
	conf_free(&conf);
}

static void
test_all_errors_are_reported(void **state)
{
	(void)state;
	write_text("conf.d/a.ini",
	    "Port = 22\n"
	    "[gatway]\n"
	    "Anything = goes\n"
	    "[gateway]\n"
	    "nonsense\n"
	    "= x\n"
	    "[keystore\n"
	    "Path = x\n"
	    "[route]\n"
	    "[gateway x]\n"
	    "[lookup] x\n"
	    "[route a]\n");
	write_text("conf.d/b.ini", "[route a]\nHostName = x\n[gateway]\n");
	load_bad("conf.d",
	    "conf.d/a.ini:1: Port is not in any [section]\n"
	    "conf.d/a.ini:2: unknown section [gatway] (did you mean gateway?)\n"
	    "conf.d/a.ini:5: this is neither KEYWORD = VALUE nor a [section] nor a ; comment\n"
	    "conf.d/a.ini:6: there is no keyword before the =\n"
	    "conf.d/a.ini:7: this [section] has no ]\n"
	    "conf.d/a.ini:9: [route] needs a name: the login, or a pattern such as dev-*\n"
	    "conf.d/a.ini:10: [gateway] takes no name\n"
	    "conf.d/a.ini:11: there is text after the ]\n"
	    "conf.d/b.ini:1: [route a] is defined twice; first at conf.d/a.ini:12\n");
}

/* Words of other programs, and of other sections. */
static void
test_words_from_elsewhere(void **state)
{
	(void)state;
	gateway_bad("PORT = 22",
	    "unknown keyword \"PORT\" in [gateway]: write ListenAddress = 0.0.0.0:PORT [::]:PORT");
	gateway_bad("AllowUsers = alice",
	    "unknown keyword \"AllowUsers\" in [gateway]: a login without a [route] does not "
	    "exist; who may use one is in its AuthorizedKeysFile");
	gateway_bad("Unlock = passphrase",
	    "unknown keyword \"Unlock\" in [gateway]: it belongs to [keystore]");
	gateway_bad("TOTP = x",
	    "unknown keyword \"TOTP\" in [gateway]: it belongs to a [route LOGIN]");
	gateway_bad("PermitTTY = no",
	    "unknown keyword \"PermitTTY\" in [gateway]: it belongs to a [route LOGIN]");
	write_text("conf.d/a.ini", "[Host alice]\nHostName = x\n[lookup]\nPath = x\n");
	load_bad("conf.d",
	    "conf.d/a.ini:1: unknown section [Host alice]: write [route LOGIN], with HostName in "
	    "it\n"
	    "conf.d/a.ini:4: unknown keyword \"Path\" in [lookup]: it belongs to [lookup "
	    "directory], or to [keystore]\n");
}

static void
test_bad_values(void **state)
{
	(void)state;
	gateway_bad("ListenAddress = gw.example.com:22",
	    "ListenAddress: \"gw.example.com\" is not an address, and names are not accepted, "
	    "as they may change: write 0.0.0.0 or [::] for all addresses of this host");
	gateway_bad("ListenAddress = ::1:22",
	    "ListenAddress: \"::1:22\": an IPv6 address goes in brackets: [::]:2222");
	gateway_bad("ListenAddress = 127.0.0.1",
	    "ListenAddress: \"127.0.0.1\" has no port: write 127.0.0.1:2222");
	gateway_bad("ListenAddress = localhost",
	    "ListenAddress: \"localhost\" is not an address with a port, such as 127.0.0.1:2222 or "
	    "[::1]:2222");
	gateway_bad("ListenAddress = [::]", "ListenAddress: \"[::]\" has no port: write [::]:2222");
	gateway_bad("ListenAddress = 2222",
	    "ListenAddress: \"2222\" has no address: write 0.0.0.0:2222, and [::]:2222 for IPv6");
	gateway_bad("ListenAddress = 127.0.0.1:65536",
	    "ListenAddress: \"127.0.0.1:65536\": the port is not one from 1 to 65535");
	gateway_bad("ListenAddress = 127.0.0.1:22 127.0.0.1:22",
	    "ListenAddress: 127.0.0.1 port 22 is given twice");
	gateway_bad("LoginGraceTime = 5x",
	    "LoginGraceTime: \"5x\" is not a time: write 30s, 5m, 1h30m, at most 24 days");
	gateway_bad("LoginGraceTime = 0", "LoginGraceTime: \"0\" is too short: at least 1s");
	gateway_bad("FactorTimeout = 2h", "FactorTimeout: \"2h\" is too long: at most 1h");
	gateway_bad("FactorTimeout = 30d",
	    "FactorTimeout: \"30d\" is not a time: write 30s, 5m, 1h30m, at most 1h");
	gateway_bad("MaxAuthTries = -1", "MaxAuthTries: \"-1\" is not a number from 1 to 1000");
	gateway_bad("PerSourceMaxStartups = 0",
	    "PerSourceMaxStartups: \"0\" is not a number from 1 to 1000000 or none");
	gateway_bad("PerSourceNetBlockSize = 33",
	    "PerSourceNetBlockSize: \"33\" is not BITS4:BITS6, from 0:0 to 32:128, such as 32:64");
	gateway_bad("PerSourceNetBlockSize = 24:",
	    "PerSourceNetBlockSize: \"24:\" is not BITS4:BITS6, from 0:0 to 32:128, such as 32:64");
	gateway_bad("PerSourcePenaltyExemptList = localhost",
	    "PerSourcePenaltyExemptList: \"localhost\" is not a list of addresses, such as "
	    "192.0.2.7,198.51.100.0/24,2001:db8::/32");
	gateway_bad("PerSourcePenaltyExemptList = 192.0.2.0/8",
	    "PerSourcePenaltyExemptList: \"192.0.2.0/8\" is not a list of addresses, such as "
	    "192.0.2.7,198.51.100.0/24,2001:db8::/32");
	gateway_bad("HostKey = ../key",
	    "HostKey: \"../key\" cannot be the name of a key: 1 to 64 of A-Z a-z 0-9 . _ @ + -, "
	    "not starting with . or -, not ending in .pub; use the name, not a path");
	gateway_bad("HostKey = a a", "HostKey: \"a\" is given twice");
	gateway_bad("LogFormat = xml", "LogFormat: \"xml\" is none of: sshd json");
	gateway_bad("Banner = \"/etc/issue\"", "Banner: a path is written without quotes");
	gateway_bad("Banner = ~/banner", "Banner: ~ is not expanded: write the path out");
	gateway_bad("HostKye = x",
	    "unknown keyword \"HostKye\" in [gateway] (did you mean HostKey?)");
	gateway_bad("Zzz = x", "unknown keyword \"Zzz\" in [gateway]");
	gateway_bad("Banner =", "Banner has no value");
	gateway_bad("Banner = ; none", "Banner has no value");
	gateway_bad("MaxAuthTries = 3 # three",
	    "MaxAuthTries: '#' begins a comment only at the start of a line; after a value write "
	    "';'");
}

/* inih would take a ':' for a '=', and so an address for the end of a key. */
static void
test_colon_is_not_an_equals_sign(void **state)
{
	struct conf *conf;

	(void)state;
	gateway_bad("MaxAuthTries: 2210", "there is no =: write MaxAuthTries = 2210");
	gateway_bad("MaxAuthTries : 3 ; three", "there is no =: write MaxAuthTries = 3");
	gateway_bad("ListenAddress 0.0.0.0:2222",
	    "there is no =: write ListenAddress = 0.0.0.0:2222");
	gateway_bad("Banner:a=b", "there is no =: write Banner = a=b");
	gateway_bad("PasswordHash: $argon2id$v", "there is no = after PasswordHash");
	gateway_bad("LogLevel\tDEBUG ; more", "there is no = after LogLevel");
	gateway_bad("Match User x",
	    "this is neither KEYWORD = VALUE nor a [section] nor a ; comment");
	gateway_bad(": 3", "there is no keyword before the =");
	write_text("conf.d/a.ini", "[gateway]\nListenAddress=127.0.0.1:22\nControlSocket = a:b\n");
	conf = load_ok(CONF_ALL);
	assert_int_equal(conf->gateway.listen[0].port, 22);
	assert_non_null(strstr(conf->gateway.control_socket, "/a:b"));
	conf_free(&conf);
}

static void
test_quoted_name(void **state)
{
	struct conf *conf;

	(void)state;
	write_text("conf.d/a.ini",
	    "[route \"alice\"]\nUser = a\n[route 'x y']\n[lookup \"exec\"]\n[route b]\n");
	load_bad("conf.d",
	    "conf.d/a.ini:1: a name is written without quotes: [route alice]\n"
	    "conf.d/a.ini:3: a name is written without quotes: [route x y]\n"
	    "conf.d/a.ini:4: a name is written without quotes: [lookup exec]\n");
	/* a quote is as good as any other letter */
	write_text("conf.d/a.ini", "[route o'neil]\n[route \"]\n[route a\"b\"]\n");
	conf = load_ok(CONF_ALL);
	assert_int_equal(conf->n_routes, 3);
	conf_free(&conf);
}

static void
test_duplicate_key(void **state)
{
	(void)state;
	write_text("conf.d/a.ini", "[gateway]\nMaxAuthTries = 3\nmaxauthtries = 4\n");
	load_bad("conf.d", "conf.d/a.ini:3: MaxAuthTries is already set in line 2\n");
	write_text("conf.d/b.ini", "[gateway]\nMaxAuthTries = 5\n");
	load_bad("conf.d",
	    "conf.d/a.ini:3: MaxAuthTries is already set in line 2\n"
	    "conf.d/b.ini:2: MaxAuthTries is already set at conf.d/a.ini:2\n");
	assert_int_equal(unlink("conf.d/b.ini"), 0);
}

/* Sections other than [route] may be in several files; an empty one does no harm. */
static void
test_sections_in_several_files(void **state)
{
	unsigned int line;
	struct conf *conf;
	char entries[8192];
	int len, i;

	(void)state;
	write_text("conf.d/a.ini", "[gateway]\nMaxAuthTries = 3\n[lookup]\n[lookup exec]\nA = b\n");
	write_text("conf.d/b.ini",
	    "[lookup]\nOrder = exec ini\n[gateway]\nHostKey = h\nLogLevel = DEBUG\n[gateway]\n"
	    "[lookup exec]\nC = d\n");
	conf = load_ok(CONF_ALL);
	assert_int_equal(conf->gateway.max_auth_tries, 3);
	assert_string_equal(conf->gateway.host_keys.v[0], "h");
	assert_string_equal(conf->gateway.log_level, "DEBUG");
	assert_int_equal(conf->lookup.order.n, 2);
	assert_int_equal(conf->n_sections, 2);
	assert_int_equal(conf->lookup.n, 1);
	assert_string_equal(conf_lookup_entry(conf, "exec", "A")->value, "b");
	assert_string_equal(conf_lookup_entry(conf, "exec", "C")->value, "d");
	assert_string_equal(conf_where(conf, "gateway", "LogLevel", &line), "conf.d/b.ini");
	assert_int_equal(line, 5);
	assert_string_equal(conf_where(conf, "gateway", "MaxAuthTries", &line), "conf.d/a.ini");
	assert_string_equal(conf_where(conf, "gateway", "Banner", &line), "conf.d/a.ini");
	assert_int_equal(line, 1);
	conf_free(&conf);

	/* each place copies what is before it, so their number has a limit */
	write_text("conf.d/a.ini", "[lookup exec]\nA = 1\n");
	len = snprintf(entries, sizeof(entries), "[lookup exec]\n");
	for (i = 0; i < 1024; i++)
		len += snprintf(entries + len, sizeof(entries) - (size_t)len, "A=b\n");
	write_text("conf.d/b.ini", entries);
	load_bad("conf.d", "conf.d/b.ini:1025: [lookup exec] has more than 1024 entries\n");
	assert_int_equal(unlink("conf.d/b.ini"), 0);
}

/* inih splits lines of up to 198 bytes, reader.c the others. */
static void
test_long_lines_are_split_like_short_ones(void **state)
{
	static const size_t lengths[] = { 3, 150, 198, 199, 200, 3000 };
	char text[10000], value[3000];
	struct conf *conf;
	size_t i;

	(void)state;
	memset(value, 'x', sizeof(value));
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const int len = (int)lengths[i];

		snprintf(text, sizeof(text),
		    "[route a]\nHostName \t=  \t%.*s \t; y = z\nUser=%.*s;y=:z\nKey =;%.*s\n", len,
		    value, len, value, len, value);
		write_text("conf.d/a.ini", text);
		conf = load_ok(CONF_ALL);
		assert_int_equal(conf->routes[0].n, 3);
		assert_string_equal(conf->routes[0].entries[0].key, "HostName");
		assert_int_equal(strlen(conf->routes[0].entries[0].value), lengths[i]);
		assert_string_equal(conf->routes[0].entries[1].key, "User");
		assert_int_equal(strlen(conf->routes[0].entries[1].value), lengths[i] + 5);
		assert_string_equal(conf->routes[0].entries[2].key, "Key");
		assert_int_equal(strlen(conf->routes[0].entries[2].value), lengths[i] + 1);
		conf_free(&conf);

		snprintf(text, sizeof(text), "[route a]\n%.*s\n= %.*s\n%.*s ; = z\n", len, value,
		    len, value, len, value);
		write_text("conf.d/a.ini", text);
		load_bad("conf.d",
		    "conf.d/a.ini:2: this is neither KEYWORD = VALUE nor a [section] nor a ; comment\n"
		    "conf.d/a.ini:3: there is no keyword before the =\n"
		    "conf.d/a.ini:4: this is neither KEYWORD = VALUE nor a [section] nor a ; comment\n");
	}
}

/* inih would cut or misread these without an error. */
static void
test_text_that_inih_would_misread_is_refused(void **state)
{
	static const char nul[] = "[gateway]\nBan\0ner = x\n";
	char text[40000], value[17000];
	struct conf *conf;

	(void)state;
	write_bytes("conf.d/a.ini", nul, sizeof(nul) - 1, 0644);
	load_bad("conf.d", "conf.d/a.ini:2: there is a NUL byte (0x00) in this line\n");

	write_text("conf.d/a.ini", "[gateway]\nBanner = a\033[2J\nLogLevel = \rINFO\n");
	load_bad("conf.d",
	    "conf.d/a.ini:2: there is a control character (0x1b) in this line\n"
	    "conf.d/a.ini:3: there is a control character (0x0d) in this line\n");

	/* 11 bytes before the value */
	memset(value, 'x', sizeof(value));
	snprintf(text, sizeof(text), "[route a]\nHostName = %.*s\n[gateway]\n", 16384 - 11, value);
	write_text("conf.d/a.ini", text);
	conf = load_ok(CONF_ALL);
	assert_int_equal(strlen(conf->routes[0].entries[0].value), 16384 - 11);
	conf_free(&conf);
	snprintf(text, sizeof(text), "[route a]\nHostName = %.*s\nhm\n", 16384 - 10, value);
	write_text("conf.d/a.ini", text);
	load_bad("conf.d",
	    "conf.d/a.ini:2: line is longer than 16384 bytes\n"
	    "conf.d/a.ini:3: this is neither KEYWORD = VALUE nor a [section] nor a ; comment\n");

	write_text("conf.d/a.ini",
	    "[route a]\nAuthorizedKey = command=\"a ; b\" ssh-ed25519 AAAA\n");
	load_bad("conf.d",
	    "conf.d/a.ini:2: \" ;\" begins a comment even between quotes and would cut this "
	    "value: leave out the blank before it, or, if this is an AuthorizedKey, put the line "
	    "into a file for AuthorizedKeysFile\n");

	/* an indented line is one of its own; a ';' without a blank is text */
	snprintf(text, sizeof(text),
	    "[route %.200s]\n\tHostName = a\n    Port = 1\nAuthorizedKey = "
	    "command=\"a;b\\\" c\" ssh-ed25519 AAAA x ; \"y",
	    value);
	write_text("conf.d/a.ini", text);
	conf = load_ok(CONF_ALL);
	assert_int_equal(strlen(conf->routes[0].name), 200);
	assert_int_equal(conf->routes[0].n, 3);
	assert_string_equal(conf->routes[0].entries[1].value, "1");
	assert_string_equal(conf->routes[0].entries[2].value,
	    "command=\"a;b\\\" c\" ssh-ed25519 AAAA x");
	conf_free(&conf);
}

static void
test_files(void **state)
{
	(void)state;
	load_bad("conf.d",
	    "conf.d: there is no *.ini file in it, nor a conf.d with one: copy "
	    "conf.d/00-gateway.ini of the distribution and add a [route]\n");
	load_bad("nowhere",
	    "nowhere: No such file or directory: this must be a directory with "
	    "*.ini files\n");
	write_text("conf.d/a.ini", "");
	assert_int_equal(chmod("conf.d/a.ini", 0666), 0);
	assert_int_equal(mkfifo("conf.d/b.ini", 0600), 0);
	assert_int_equal(symlink("gone", "conf.d/c.ini"), 0);
	load_bad("conf.d",
	    "conf.d/b.ini: is not a regular file\n"
	    "conf.d/c.ini: No such file or directory\n"
	    "conf.d/a.ini: others may write to it (mode 0666); run: chmod go-w conf.d/a.ini\n");
	assert_int_equal(chmod("conf.d/a.ini", 0644), 0);
	assert_int_equal(truncate("conf.d/a.ini", 65 * 1024 * 1024), 0);
	unlink("conf.d/b.ini");
	unlink("conf.d/c.ini");
	load_bad("conf.d", "conf.d/a.ini: larger than 64 MiB\n");
	assert_int_equal(truncate("conf.d/a.ini", 0), 0);
	assert_int_equal(chmod("conf.d", 0777), 0);
	load_bad("conf.d", "conf.d: others may write to it (mode 0777); run: chmod go-w conf.d\n");
}

static void
test_base(void **state)
{
	static const char *const dirs[] = { "conf.d", "./conf.d/", "conf.d/.", "conf.d/../conf.d",
		".", "conf.d/.." };
	struct conf_errors errors = { 0 };
	struct conf *conf;
	char *path, *want;
	size_t i;

	(void)state;
	write_text("conf.d/a.ini", "");
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		assert_int_equal(conf_load(dirs[i], CONF_ALL, &conf, &errors), 0);
		path = conf_path(conf, "./conf.d/a.ini");
		assert_non_null(path);
		want = realpath(path, NULL);
		assert_non_null(want);
		assert_int_equal(strncmp(want, tmp_dir(), strlen(tmp_dir())), 0);
		assert_int_equal(path[0], '/');
		free(path);
		free(want);
		path = conf_path(conf, "/x");
		assert_string_equal(path, "/x");
		free(path);
		conf_free(&conf);
	}
	/* a directory with files of its own is the one that is meant */
	assert_int_equal(mkdir("conf.d/conf.d", 0755), 0);
	conf = load_ok(CONF_ALL);
	assert_string_equal(conf->dir, "conf.d");
	conf_free(&conf);
}

/* What --dump prints reads back in to the same. */
static void
test_dump_reads_back(void **state)
{
	struct conf *conf;
	char *first = NULL, *second = NULL;
	size_t len;
	FILE *f;

	(void)state;
	write_text("conf.d/a.ini",
	    "[gateway]\nListenAddress = [::1]:7 127.0.0.1:8\nMaxStartups = 7\nBanner = b\n"
	    "ClientAliveInterval = 0\nLoginGraceTime = 1h\nRunAs = nobody\n"
	    "[keystore]\nUnlock = file:k\n[lookup]\nOrder = ini exec\n");
	conf = load_ok(CONF_ALL);
	f = open_memstream(&first, &len);
	conf_dump(conf, f);
	fclose(f);
	conf_free(&conf);
	write_text("conf.d/a.ini", first);
	conf = load_ok(CONF_ALL);
	f = open_memstream(&second, &len);
	conf_dump(conf, f);
	fclose(f);
	conf_free(&conf);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "LoginGraceTime = 3600s\n"));
	assert_non_null(strstr(first, "ClientAliveInterval = none\n"));
	free(first);
	free(second);
}

static void
test_times(void **state)
{
	static const struct {
		const char *text;
		int ms;
	} good[] = { { "0", 0 }, { "none", 0 }, { "30", 30000 }, { "30s", 30000 }, { "5m", 300000 },
		{ "1h30m", 5400000 }, { "1H", 3600000 }, { "1d", 86400000 }, { "1w", 604800000 },
		{ "2147483", 2147483000 } };
	static const char *const bad[] = { "", " ", "s", "5x", "-1", "1.5s", "5 m", "30ss",
		"2147484", "4w", "99999999999999999999" };
	size_t i;
	int ms;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(conf_time(good[i].text, &ms), 0);
		assert_int_equal(ms, good[i].ms);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(conf_time(bad[i], &ms), ERR_FORMAT);
}

static void
test_ports_and_key_names(void **state)
{
	static const char *const bad_ports[] = { "", "0", "65536", "-1", "+1", " 1", "1 ", "0x10",
		"99999999999" };
	static const char *const bad_names[] = { "", ".x", "-x", "a/b", "a b", "x.pub", "\xc3\xa4",
		"12345678901234567890123456789012345678901234567890123456789012345" };
	uint16_t port;
	size_t i;

	(void)state;
	assert_int_equal(conf_port("65535", &port), 0);
	assert_int_equal(port, 65535);
	for (i = 0; i < sizeof(bad_ports) / sizeof(bad_ports[0]); i++)
		assert_int_equal(conf_port(bad_ports[i], &port), ERR_FORMAT);
	assert_int_equal(key_name_ok("alice@web-1_x.y+z"), 1);
	assert_int_equal(key_name_ok("pub"), 1);
	for (i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++)
		assert_int_equal(key_name_ok(bad_names[i]), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, setup),
		cmocka_unit_test_setup(test_values, setup),
		cmocka_unit_test_setup(test_algorithms, setup),
		cmocka_unit_test_setup(test_rekey_limit, setup),
		cmocka_unit_test_setup(test_penalties, setup),
		cmocka_unit_test_setup(test_order_and_places, setup),
		cmocka_unit_test_setup(test_all_errors_are_reported, setup),
		cmocka_unit_test_setup(test_words_from_elsewhere, setup),
		cmocka_unit_test_setup(test_bad_values, setup),
		cmocka_unit_test_setup(test_colon_is_not_an_equals_sign, setup),
		cmocka_unit_test_setup(test_quoted_name, setup),
		cmocka_unit_test_setup(test_duplicate_key, setup),
		cmocka_unit_test_setup(test_sections_in_several_files, setup),
		cmocka_unit_test_setup(test_long_lines_are_split_like_short_ones, setup),
		cmocka_unit_test_setup(test_text_that_inih_would_misread_is_refused, setup),
		cmocka_unit_test_setup(test_files, setup),
		cmocka_unit_test_setup(test_base, setup),
		cmocka_unit_test_setup(test_dump_reads_back, setup),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_ports_and_key_names),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
