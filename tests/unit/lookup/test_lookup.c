/*
 * From a login to its route: what makes a route, patterns, hostile logins, and
 * 100,000 routes.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/names.h"
#include "lookup/lookup.h"
#include "lookup/percent.h"
#include "lookup/wildcard.h"
#include "tmp_dir.h"

#define FINGERPRINT "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"

struct fixture {
	struct conf *conf;
	struct lookup *lookup;
	struct conf_errors errors;
};

static int
fixture_load(struct fixture *f, const char *text)
{
	*f = (struct fixture){ 0 };
	if (text != NULL)
		write_text("conf.d/a.ini", text);
	assert_int_equal(conf_load("conf.d", CONF_ALL, &f->conf, &f->errors), 0);
	return lookup_new(f->conf, &f->errors, &f->lookup);
}

static void
fixture_free(struct fixture *f)
{
	lookup_free(&f->lookup);
	conf_free(&f->conf);
	conf_errors_free(&f->errors);
}

static void
load_ok(struct fixture *f, const char *text)
{
	int err = fixture_load(f, text);

	conf_errors_print(&f->errors, stderr);
	assert_int_equal(err, 0);
	assert_int_equal(f->errors.n, 0);
}

static void
load_bad(const char *text, const char *expected)
{
	struct fixture f;
	char *printed = NULL;
	size_t len;
	FILE *to;

	assert_int_equal(fixture_load(&f, text), ERR_CONFIG);
	assert_null(f.lookup);
	to = open_memstream(&printed, &len);
	assert_non_null(to);
	conf_errors_print(&f.errors, to);
	fclose(to);
	assert_string_equal(printed, expected);
	free(printed);
	fixture_free(&f);
}

static enum lookup_result
find(struct fixture *f, const char *login, struct route **route)
{
	struct lookup_request request = { .login = login,
		.client_address = "192.0.2.1",
		.local_address = "192.0.2.2",
		.fingerprint = "" };

	return lookup_find(f->lookup, &request, route);
}

/* A login leads to this host, as this user ("" for NULL), with this key. */
static void
leads_to(struct fixture *f, const char *login, const char *host, const char *user, const char *key)
{
	struct route *r;

	assert_int_equal(find(f, login, &r), LOOKUP_FOUND);
	assert_string_equal(r->hosts.v[0], host);
	assert_string_equal(r->user == NULL ? "" : r->user, user);
	assert_string_equal(r->key, key);
	assert_string_equal(r->backend, "ini");
	assert_int_equal(r->refs, 1);
	assert_ptr_equal(route_ref(r), r);
	assert_int_equal(r->refs, 2);
	route_unref(&(struct route *){ r });
	route_unref(&r);
	assert_null(r);
}

static void
not_found(struct fixture *f, const char *login)
{
	struct route *r;

	assert_int_equal(find(f, login, &r), LOOKUP_NOT_FOUND);
	assert_null(r);
}

static void
test_route(void **state)
{
	struct fixture f;
	struct route *r;
	char path[4096], *cwd = getcwd(NULL, 0);

	(void)state;
	load_ok(&f,
	    "[route alice]\n"
	    "hostname = 10.0.0.5 fe80::1%%eth0 web_1.example.com ; in turn\n"
	    "Port = 2022\n"
	    "User = ubuntu\n"
	    "AuthorizedKeysFile = conf.d/alice.pub\n"
	    "AuthorizedKey = ssh-ed25519 AAAAC3 one # two\n"
	    "AuthorizedKey = restrict,command=\"x\" ssh-ed25519 AAAAC4\n"
	    "Key = alice@web\n"
	    "UserKnownHostsFile = conf.d/known_hosts /etc/ssh/ssh_known_hosts\n"
	    "HostKeyFingerprint = " FINGERPRINT "\n"
	    "StrictHostKeyChecking = accept-new\n"
	    "ConnectTimeout = 3s\n"
	    "ServerAliveInterval = none\n"
	    "Ciphers = aes256-gcm@openssh.com,aes128-ctr\n");
	assert_int_equal(find(&f, "alice", &r), LOOKUP_FOUND);
	assert_string_equal(r->name, "alice");
	assert_string_equal(r->source, "conf.d/a.ini:1");
	assert_int_equal(r->hosts.n, 3);
	assert_string_equal(r->hosts.v[1], "fe80::1%eth0");
	assert_int_equal(r->port, 2022);
	assert_string_equal(r->user, "ubuntu");
	snprintf(path, sizeof(path), "%s/conf.d/alice.pub", cwd);
	assert_string_equal(r->authorized_keys_file, path);
	assert_int_equal(r->authorized_keys.n, 2);
	assert_string_equal(r->authorized_keys.v[0], "ssh-ed25519 AAAAC3 one # two");
	assert_string_equal(r->key, "alice@web");
	assert_int_equal(r->known_hosts_files.n, 2);
	assert_string_equal(r->known_hosts_files.v[1], "/etc/ssh/ssh_known_hosts");
	assert_int_equal(r->host_key_fingerprints.n, 1);
	assert_int_equal(r->strict, ROUTE_STRICT_ACCEPT_NEW);
	assert_int_equal(r->connect_timeout_ms, 3000);
	assert_int_equal(r->server_alive_interval_ms, 0);
	assert_string_equal(r->ciphers, "aes256-gcm@openssh.com,aes128-ctr");
	assert_null(r->macs);
	route_unref(&r);
	fixture_free(&f);

	load_ok(&f,
	    "[route a]\nHostName = h\nKey = k\nAuthorizedKey = ssh-rsa AAAA\n"
	    "UserKnownHostsFile = k\n");
	assert_int_equal(find(&f, "a", &r), LOOKUP_FOUND);
	assert_int_equal(r->port, 22);
	assert_null(r->user);
	assert_null(r->authorized_keys_file);
	assert_int_equal(r->strict, ROUTE_STRICT_YES);
	assert_int_equal(r->connect_timeout_ms, 10000);
	assert_int_equal(r->server_alive_interval_ms, 15000);
	route_unref(&r);
	not_found(&f, "A");
	not_found(&f, "a ");
	fixture_free(&f);
	free(cwd);
}

#define NEEDED "Key = k\nAuthorizedKey = t AAAA\nStrictHostKeyChecking = no\n"

static void
test_bad_routes(void **state)
{
	(void)state;
	load_bad("[route a]\n[route b]\nHostName = h\nKey = k\nAuthorizedKeysFile = x\n"
		 "StrictHostKeyChecking = accept-new\n",
	    "conf.d/a.ini:1: [route a] needs HostName: where it leads to\n"
	    "conf.d/a.ini:1: [route a] needs Key (or Password, or Passthrough): a way to log in "
	    "to the upstream\n"
	    "conf.d/a.ini:1: [route a] needs AuthorizedKeysFile, AuthorizedKey, "
	    "TrustedUserCAKeys or PasswordHash: who may log in\n"
	    "conf.d/a.ini:1: [route a] needs UserKnownHostsFile or HostKeyFingerprint: the "
	    "upstream's host keys\n"
	    "conf.d/a.ini:6: StrictHostKeyChecking = accept-new needs UserKnownHostsFile: where "
	    "to write new host keys\n");
	load_bad("[route a]\nHostName = -oProxy 1.2.3.4:22 u@h [::1] a;b\n" NEEDED,
	    "conf.d/a.ini:2: HostName: \"-oProxy\" is not a host name or address\n");
	load_bad("[route a]\nHostName = 1.2.3.4:22\n" NEEDED,
	    "conf.d/a.ini:2: HostName: \"1.2.3.4:22\" is not an IPv6 address; a port goes into "
	    "Port\n");
	load_bad("[route a]\nHostName = u@h\n" NEEDED,
	    "conf.d/a.ini:2: HostName: \"u@h\": the user goes into User\n");
	load_bad("[route a]\nHostName = [::1]\n" NEEDED,
	    "conf.d/a.ini:2: HostName: \"[::1]\": brackets are not needed here; write the port "
	    "into Port\n");
	load_bad("[route a]\nHostName = h\nHostName = i\nPort = 0\nUser = -x\nKeyy = 1\n"
		 "MACs = a b\nConnectTimeout = none\nHostKeyFingerprint = MD5:00\n" NEEDED,
	    "conf.d/a.ini:3: HostName is already set in line 2\n"
	    "conf.d/a.ini:4: Port: \"0\" is not a port: 1 to 65535\n"
	    "conf.d/a.ini:5: User: \"-x\" can't be a user: up to 255 bytes of printable text, "
	    "no /, no leading -\n"
	    "conf.d/a.ini:6: unknown keyword \"Keyy\" in [route a] (did you mean Key?)\n"
	    "conf.d/a.ini:7: MACs: \"a b\" is no MAC that is supported\n"
	    "conf.d/a.ini:8: ConnectTimeout: \"none\" is too short: at least 1s\n"
	    "conf.d/a.ini:9: HostKeyFingerprint: \"MD5:00\" is not SHA256: and 43 characters, "
	    "as ssh-keygen -l prints it\n");
	load_bad("[route a]\nHostName = h\nKey = keys/k\nAuthorizedKey = conf.d/x.pub\n"
		 "UserKnownHostsFile = %u\n",
	    "conf.d/a.ini:3: Key: \"keys/k\" can't be the name of a key in the key store: up to "
	    "64 of A-Z a-z 0-9 . _ @ + -; use the name, not a path\n"
	    "conf.d/a.ini:4: AuthorizedKey: \"conf.d/x.pub\" is not a line of authorized_keys: "
	    "[OPTIONS] TYPE BASE64 [COMMENT]; to name a file, use AuthorizedKeysFile\n"
	    "conf.d/a.ini:5: UserKnownHostsFile: \"%u\": %u and %1 cannot be used in this "
	    "keyword\n");
	load_bad("[route a]\nHostName = h\nPassword = keys/p\nAuthorizedKey = t AAAA\n"
		 "StrictHostKeyChecking = no\n",
	    "conf.d/a.ini:3: Password: \"keys/p\" can't be the name of a key in the key store: "
	    "up to 64 of A-Z a-z 0-9 . _ @ + -; use the name, not a path\n");
	load_bad("[route a]\nHostName = h\nPassword = p\nPassthrough = yes\n"
		 "StrictHostKeyChecking = no\n",
	    "conf.d/a.ini:1: [route a]: Password and Passthrough cannot be combined: should the "
	    "stored password go to the upstream, or the user's?\n");
	load_bad("[route a]\nHostName = h\nKey = k\nAuthorizedKey = t AAAA\nPassthrough = yes\n"
		 "StrictHostKeyChecking = no\n"
		 "AuthenticationMethods = publickey,password keyboard-interactive,publickey\n",
	    "conf.d/a.ini:7: AuthenticationMethods: keyboard-interactive,publickey: with "
	    "Passthrough, the mapped key does not sign because the upstream has accepted a "
	    "password; write publickey,keyboard-interactive\n");
	load_bad("[route a/b]\nHostName = h\n" NEEDED,
	    "conf.d/a.ini:1: [route a/b] needs MatchAddress, MatchLocalAddress or "
	    "MatchFingerprint: when to use it instead of [route a]\n");
	load_bad("[route a/b c]\nHostName = h\nMatchAddress = host 10.0.0.1/8\n" NEEDED,
	    "conf.d/a.ini:3: MatchAddress: \"host 10.0.0.1/8\" is not a list of addresses: "
	    "192.0.2.7 10.0.0.0/8 !10.9.0.0/16 2001:db8::/32\n"
	    "conf.d/a.ini:1: [route a/b c]: the label after the / may have A-Z a-z 0-9 . _ @ + "
	    "-\n");
	load_bad("[route *1*2*3*4*5*6*7*8*9*]\nHostName = h\n" NEEDED,
	    "conf.d/a.ini:1: [route *1*2*3*4*5*6*7*8*9*]: more than 9 *\n");
	load_bad("[gateway]\nHostKey = hk\n[route a]\nHostName = h\nKey = hk\n"
		 "AuthorizedKey = t AAAA\nStrictHostKeyChecking = no\n",
	    "conf.d/a.ini:5: Key: hk is the gateway's own HostKey; make another: sallyport key "
	    "generate NAME\n");
}

/* Key = agent: nobody else's key, and nothing else to log in with. */
static void
test_key_agent(void **state)
{
	(void)state;
	load_bad("[route a]\nHostName = h\nKey = agent\nPassthrough = yes\n"
		 "AuthorizedKey = t AAAA\nStrictHostKeyChecking = no\n",
	    "conf.d/a.ini:1: [route a]: Key = agent and Passthrough cannot be combined: each is "
	    "a way to log in to the upstream\n");
	load_bad("[route a]\nHostName = h\nKey = agent\nPassword = p\n"
		 "AuthorizedKey = t AAAA\nStrictHostKeyChecking = no\n",
	    "conf.d/a.ini:1: [route a]: Key = agent and Password cannot be combined: each is a "
	    "way to log in to the upstream\n");
	load_bad("[route a]\nHostName = h\nKey = agent\nCertificateFile = c\n"
		 "AuthorizedKey = t AAAA\nStrictHostKeyChecking = no\n",
	    "conf.d/a.ini:4: CertificateFile needs Key: the key that it certifies\n");
}

/* A policy that is written down and not kept would be worse than none. */
static void
test_keys_to_come_are_refused(void **state)
{
	static const char *const keys[] = { "SendProxy", "Record" };
	char text[512], expected[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(text, sizeof(text), "[route a]\nHostName = h\n%s = x\n" NEEDED, keys[i]);
		snprintf(expected, sizeof(expected), "conf.d/a.ini:3: %s is not supported yet\n",
		    keys[i]);
		load_bad(text, expected);
	}
	load_bad("[lookup]\nOrder = ini exec foo\n[lookup directory]\nPath = x\n",
	    "conf.d/a.ini:2: lookup backend exec needs a section [lookup exec] with Command\n"
	    "conf.d/a.ini:2: there is no lookup backend \"foo\"\n");
	load_bad("[lookup ini]\nPath = x\n",
	    "conf.d/a.ini:2: [lookup ini] has no keywords: its routes are the [route] sections\n");
}

static void
test_policy_keys(void **state)
{
	struct fixture f;
	struct route *r;

	(void)state;
	load_ok(&f,
	    "[route a]\nHostName = h\n" NEEDED
	    "AllowTcpForwarding = Local\nAllowStreamLocalForwarding = no\n"
	    "PermitOpen = db:5432 [::1]:*\nPermitListen = 8080 *:9\nPermitTTY = no\n"
	    "PermitCommands = sftp exec\nSetEnv = A=1 B=\"two words\"\nSetEnv = C=\n"
	    "ForceCommand = echo # not a comment\nMaxSessions = 0\nIdleTimeout = 10m\n");
	assert_int_equal(find(&f, "a", &r), LOOKUP_FOUND);
	assert_int_equal(r->allow_tcp, ROUTE_FORWARD_LOCAL);
	assert_int_equal(r->allow_stream, ROUTE_FORWARD_NO);
	assert_int_equal(r->allow_agent, 1);
	assert_int_equal(r->permit_tty, 0);
	assert_int_equal(r->set_env.n, 3);
	assert_string_equal(r->set_env.v[1], "B=two words");
	assert_string_equal(r->set_env.v[2], "C=");
	assert_string_equal(r->force_command, "echo # not a comment");
	assert_int_equal(r->max_sessions, 0);
	assert_int_equal(r->idle_timeout_ms, 600000);
	assert_int_equal(r->session_timeout_ms, 0);
	route_unref(&r);
	fixture_free(&f);
	load_bad("[route a]\nHostName = h\nPermitOpen = db\nPermitListen = any 80\n"
		 "SetEnv = A=\"1\nAllowTcpForwarding = maybe\nMaxSessions = 1025\n" NEEDED,
	    "conf.d/a.ini:3: PermitOpen: \"db\" is not HOST:PORT, [ADDRESS]:PORT, any or none\n"
	    "conf.d/a.ini:5: SetEnv: a quote is missing\n"
	    "conf.d/a.ini:6: AllowTcpForwarding: \"maybe\" is none of: no local remote yes\n"
	    "conf.d/a.ini:7: MaxSessions: \"1025\" is not a number from 0 to 1024\n"
	    "conf.d/a.ini:4: PermitListen: any must be the only value\n");
}

/* What is written beside Restrict wins, wherever it stands. */
static void
test_restrict(void **state)
{
	struct fixture f;
	struct route *r;

	(void)state;
	load_ok(&f,
	    "[route a]\nHostName = h\n" NEEDED "Restrict = yes\n"
	    "[route b]\nHostName = h\n" NEEDED "PermitTTY = yes\nAllowTcpForwarding = remote\n"
	    "Restrict = yes\nX11Forwarding = no\n"
	    "[route c]\nHostName = h\n" NEEDED "Restrict = no\n");
	assert_int_equal(find(&f, "a", &r), LOOKUP_FOUND);
	assert_int_equal(r->allow_tcp, ROUTE_FORWARD_NO);
	assert_int_equal(r->allow_stream, ROUTE_FORWARD_NO);
	assert_int_equal(r->allow_agent + r->x11 + r->permit_tty, 0);
	route_unref(&r);
	assert_int_equal(find(&f, "b", &r), LOOKUP_FOUND);
	assert_int_equal(r->allow_tcp, ROUTE_FORWARD_REMOTE);
	assert_int_equal(r->allow_stream, ROUTE_FORWARD_NO);
	assert_int_equal(r->permit_tty, 1);
	assert_int_equal(r->allow_agent + r->x11, 0);
	route_unref(&r);
	assert_int_equal(find(&f, "c", &r), LOOKUP_FOUND);
	assert_int_equal(r->allow_stream, ROUTE_FORWARD_YES);
	assert_int_equal(r->allow_agent + r->x11 + r->permit_tty, 3);
	route_unref(&r);
	fixture_free(&f);
}

static void
test_certificate_keys(void **state)
{
	static const char route[] =
	    "[route %s]\nHostName = h\nKey = k\nStrictHostKeyChecking = no\n%s";
	struct fixture f;
	struct route *r;
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), route, "*+*",
	    "TrustedUserCAKeys = cas/%2\nAuthorizedPrincipals = %1 %2-admins\n"
	    "RevokedKeys = revoked\nCertificateFile = %u-cert.pub\n");
	load_ok(&f, text);
	assert_int_equal(find(&f, "alice+web", &r), LOOKUP_FOUND);
	assert_string_equal(strrchr(r->trusted_user_ca_keys, '/') - 3, "cas/web");
	assert_int_equal(r->authorized_principals.n, 2);
	assert_string_equal(r->authorized_principals.v[0], "alice");
	assert_string_equal(r->authorized_principals.v[1], "web-admins");
	assert_string_equal(strrchr(r->revoked_keys, '/'), "/revoked");
	assert_string_equal(strrchr(r->certificate_file, '/'), "/alice+web-cert.pub");
	assert_true(strlist_has(&r->methods, "publickey"));
	route_unref(&r);
	fixture_free(&f);

	load_bad("[route a]\nHostName = h\nAuthorizedPrincipals = b\n" NEEDED,
	    "conf.d/a.ini:3: AuthorizedPrincipals needs TrustedUserCAKeys; in a cert-authority "
	    "line, write principals=\"\"\n");
	load_bad("[route a]\nHostName = h\nPassthrough = yes\nStrictHostKeyChecking = no\n"
		 "CertificateFile = c\n",
	    "conf.d/a.ini:5: CertificateFile needs Key: the key that it certifies\n");
}

#define PATTERN(name, host, rest)                                                 \
	"[route " name "]\nHostName = " host "\n" rest "AuthorizedKey = t AAAA\n" \
	"StrictHostKeyChecking = no\n"

static void
test_patterns(void **state)
{
	struct fixture f;

	(void)state;
	load_ok(&f,
	    PATTERN("dev-*", "%1.dev", "User = root\nKey = dev\n") PATTERN("*+web", "web",
		"User = %1\nKey = %u\n") PATTERN("*+*", "%2.any", "User = %1%%\nKey = any\n")
		PATTERN("dev-x", "exact-%u", "Key = exact\n"));
	leads_to(&f, "dev-db1", "db1.dev", "root", "dev");
	leads_to(&f, "dev-x", "exact-dev-x", "", "exact");
	not_found(&f, "dev-a+web"); /* the first pattern fits, its host name does not */
	leads_to(&f, "alice+web", "web", "alice", "alice+web");
	leads_to(&f, "alice+db", "db.any", "alice%", "any");
	not_found(&f, "alice");
	fixture_free(&f);
}

static void
test_wildcard(void **state)
{
	struct wildcard_match m;
	static const struct {
		const char *pattern, *text, *captures; /* NULL: no match */
	} cases[] = {
		{ "alice", "alice", "" },
		{ "alice", "alic", NULL },
		{ "alice", "alicee", NULL },
		{ "*", "x", "x|" },
		{ "*", "", "|" },
		{ "dev-*", "dev-", "|" },
		{ "dev-*", "dev", NULL },
		{ "*+web", "a+web", "a|" },
		{ "*+web", "a+web+web", "a+web|" },
		{ "*+*", "a+b+c", "a|b+c|" },
		{ "*aa*", "aaa", "|a|" },
		{ "ab*ba", "aba", NULL },
		{ "a*b*c", "axbxbxc", "x|xbx|" },
		{ "**", "ab", "|ab|" },
		{ "*a*b*", "b a", NULL },
		{ "?", "x", NULL },
		{ "[a]", "a", NULL },
	};
	char got[64], *p;
	size_t i;
	unsigned int j;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!wildcard_find(cases[i].pattern, cases[i].text, &m)) {
			assert_null(cases[i].captures);
			continue;
		}
		assert_non_null(cases[i].captures);
		for (j = 0, p = got, *p = '\0'; j < m.n; j++)
			p += sprintf(p, "%.*s|", (int)m.captures[j].len, m.captures[j].text);
		assert_string_equal(got, cases[i].captures);
		assert_int_equal(m.n, wildcard_stars(cases[i].pattern));
	}
}

/* What takes a backtracking matcher longer than the universe has time for. */
static void
test_wildcard_is_linear(void **state)
{
	struct wildcard_match m;
	char text[256];
	int i;

	(void)state;
	memset(text, 'a', 255);
	text[255] = '\0';
	for (i = 0; i < 1000; i++)
		assert_int_equal(wildcard_find("*a*a*a*a*a*a*a*a*b", text, &m), 0);
}

static void
test_template(void **state)
{
	struct wildcard_match m = { .login = "%1",
		.captures = { { "a/b", 1 }, { "..", 2 } },
		.n = 2 };
	const char *why;
	char *out;

	(void)state;
	assert_int_equal(percent_expand("%u-%1-%%-%%u", &m, 0, &out), 0);
	assert_string_equal(out, "%1-a-%-%u");
	free(out);
	assert_int_equal(percent_expand("x%2", &m, 1, &out), ERR_FORMAT);
	assert_null(out);
	assert_int_equal(percent_expand("%3", &m, 0, &out), ERR_FORMAT);
	assert_int_equal(percent_expand("%", &m, 0, &out), ERR_FORMAT);
	assert_int_equal(percent_check("%1%2%%%u", 2, &why), 0);
	assert_int_equal(percent_check("%3", 2, &why), ERR_FORMAT);
	assert_int_equal(percent_check("%0", 2, &why), ERR_FORMAT);
	assert_int_equal(percent_check("%", 2, &why), ERR_FORMAT);
	assert_int_equal(percent_check("%h", 2, &why), ERR_FORMAT);
	out = percent_quote("a%b");
	assert_string_equal(out, "a%%b");
	free(out);
}

/* What a client may type must not choose a host, a file or a key of its own. */
static void
test_hostile_logins(void **state)
{
	static const char *const logins[] = { "h-a b", "h-a:22", "h-[::1]", "h-a@b", "h-%eth0",
		"h-", "h--x", "h-.x", "h-a,b", "h-$(x)", "h-\xc3\xa4", "k-", "k-.x", "k-a b",
		"k-x.pub", "k-host_ed25519", "f-", "f-.", "f-..", "f-.ssh", "" };
	enum lookup_result result = LOOKUP_NOT_FOUND;
	struct fixture f;
	struct route *r;
	size_t i;
	int saved, null;

	(void)state;
	load_ok(&f,
	    "[route h-*]\nHostName = %1\nKey = k\nAuthorizedKey = t AAAA\n"
	    "StrictHostKeyChecking = no\n"
	    "[route k-*]\nHostName = h\nKey = %1\nAuthorizedKey = t AAAA\n"
	    "StrictHostKeyChecking = no\n"
	    "[route f-*]\nHostName = h\nKey = k\nAuthorizedKeysFile = users/%1/keys\n"
	    "StrictHostKeyChecking = no\n");
	saved = dup(STDERR_FILENO); /* each is logged */
	assert_int_not_equal(saved, -1);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_int_equal(dup2(null, STDERR_FILENO), STDERR_FILENO);
	for (i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		result = find(&f, logins[i], &r);
		if (result != LOOKUP_NOT_FOUND)
			break;
	}
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
	close(null);
	if (result != LOOKUP_NOT_FOUND)
		fail_msg("\"%s\" was found", logins[i]);
	leads_to(&f, "h-a.b", "a.b", "", "k");
	leads_to(&f, "k-alice", "h", "", "alice");
	assert_int_equal(find(&f, "f-a..b", &r), LOOKUP_FOUND);
	assert_non_null(strstr(r->authorized_keys_file, "/users/a..b/keys"));
	route_unref(&r);
	fixture_free(&f);
}

static void
test_login_ok(void **state)
{
	static const char *const good[] = { "a", "alice", "alice+web", "a b", "a-", "J\xc3\xb6rg",
		"\xe6\x97\xa5\xe6\x9c\xac", "...", "a@b:c%d", "\xf0\x9f\x90\x9f" };
	static const char *const bad[] = { "", "-a", "a/b", "/", ".", "..", "a\nb", "a\tb", "\x7f",
		"\x1b[2J", "\xff", "\xc0\xaf", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80", "\xe0\x80\xaf",
		"a\xc2\x9b"
		"b",
		"a\xe2\x80\xae"
		"b",
		"a\xe2\x80\xa8"
		"b",
		"a\xe2\x80\x8b"
		"b",
		"\xef\xbb\xbf"
		"a" };
	char longest[257];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(login_name_ok(good[i], strlen(good[i])), 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(login_name_ok(bad[i], strlen(bad[i])), 0);
	memset(longest, 'a', sizeof(longest));
	longest[255] = '\0';
	assert_int_equal(login_name_ok(longest, strlen(longest)), 1);
	longest[255] = 'a';
	longest[256] = '\0';
	assert_int_equal(login_name_ok(longest, strlen(longest)), 0);
}

/* What --dump prints of a route makes the same route. */
static void
test_dump_reads_back(void **state)
{
	struct conf_errors errors = { 0 };
	char *first = NULL, *second = NULL;
	struct fixture f;
	struct route *r;
	size_t len;
	FILE *to;

	(void)state;
	load_ok(&f,
	    "[route *-%x]\nHostName = %1.a fe80::1%%eth0\nPort = 7\nUser = %u%%\nKey = %1\n"
	    "AuthorizedKeysFile = %1.pub\nAuthorizedKey = ssh-rsa AAAA x\n"
	    "StrictHostKeyChecking = no\nConnectTimeout = 2m\n");
	assert_int_equal(route_new(f.conf, &f.conf->routes[0], &errors, &r), 0);
	to = open_memstream(&first, &len);
	route_dump(r, to);
	fclose(to);
	route_unref(&r);
	fixture_free(&f);
	load_ok(&f, first);
	assert_int_equal(route_new(f.conf, &f.conf->routes[0], &errors, &r), 0);
	to = open_memstream(&second, &len);
	route_dump(r, to);
	fclose(to);
	route_unref(&r);
	fixture_free(&f);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "HostName = %1.a fe80::1%%eth0\n"));
	assert_non_null(strstr(first, "ConnectTimeout = 120s\n"));
	free(first);
	free(second);
}

/* The directory that a path starts from is not a template. */
static void
test_percent_in_base(void **state)
{
	struct fixture f;
	struct route *r;

	(void)state;
	assert_int_equal(mkdir("50%u", 0755), 0);
	assert_int_equal(rename("conf.d", "50%u/conf.d"), 0);
	assert_int_equal(chdir("50%u"), 0);
	load_ok(&f,
	    "[route a]\nHostName = h\nKey = k\nAuthorizedKeysFile = %u.pub\n"
	    "StrictHostKeyChecking = no\n");
	assert_int_equal(find(&f, "a", &r), LOOKUP_FOUND);
	assert_non_null(strstr(r->authorized_keys_file, "/50%u/a.pub"));
	route_unref(&r);
	fixture_free(&f);
	assert_int_equal(chdir(".."), 0);
	assert_int_equal(rename("50%u/conf.d", "conf.d"), 0);
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Ten times the time is given, for a sanitizer or a machine that is busy. */
#define SLACK 10

/* The time to find one, in microseconds. */
static double
many_routes(int n)
{
	double start, loaded, found;
	struct fixture f;
	struct route *r;
	char login[32];
	FILE *to;
	int i;

	to = fopen("conf.d/a.ini", "w");
	assert_non_null(to);
	for (i = 0; i < n; i++)
		fprintf(to,
		    "[route user%06d]\nHostName = 10.%d.%d.%d\nUser = ubuntu\n"
		    "AuthorizedKeysFile = conf.d/users/user%06d.pub\nKey = user%06d\n"
		    "UserKnownHostsFile = conf.d/known_hosts\n\n",
		    i, i >> 16, (i >> 8) & 255, i & 255, i, i);
	assert_int_equal(fclose(to), 0);
	start = seconds();
	load_ok(&f, NULL);
	loaded = seconds();
	for (i = 0; i < 100000; i++) {
		snprintf(login, sizeof(login), "user%06d", (int)(i * 7919LL % n));
		assert_int_equal(find(&f, login, &r), LOOKUP_FOUND);
		assert_string_equal(r->key, login);
		route_unref(&r);
	}
	found = seconds();
	snprintf(login, sizeof(login), "user%06d", n);
	not_found(&f, login);
	print_message("%d routes: loaded in %.3f s, one found in %.2f us\n", n, loaded - start,
	    (found - loaded) * 10);
	assert_true(loaded - start < 1.0 * SLACK);
	fixture_free(&f);
	return (found - loaded) * 10;
}

/* What memory is not in a cache costs is not what a search would: that is a hundred times. */
static void
test_100000_routes(void **state)
{
	double one;

	(void)state;
	one = many_routes(1000);
	(void)many_routes(10000);
	assert_true(many_routes(100000) < one * SLACK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_bad_routes),
		cmocka_unit_test(test_key_agent),
		cmocka_unit_test(test_keys_to_come_are_refused),
		cmocka_unit_test(test_policy_keys),
		cmocka_unit_test(test_restrict),
		cmocka_unit_test(test_certificate_keys),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_wildcard),
		cmocka_unit_test(test_wildcard_is_linear),
		cmocka_unit_test(test_template),
		cmocka_unit_test(test_login_ok),
		cmocka_unit_test(test_dump_reads_back),
		cmocka_unit_test(test_percent_in_base),
		cmocka_unit_test(test_100000_routes),
		cmocka_unit_test(test_hostile_logins),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
