/*
 * lookup/route.c: a [route] section becomes a route, or is refused with a line for each error.
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

#include "lookup/route.h"
#include "lookup_lab.h"
#include "tmp_dir.h"

#define FINGERPRINT "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"

static void
test_route(void **state)
{
	struct lookup_lab lab;
	struct route *r;
	char path[4096], *cwd = getcwd(NULL, 0);

	(void)state;
	lookup_lab_load(&lab,
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
	assert_int_equal(lookup_lab_find(&lab, "alice", &r), LOOKUP_FOUND);
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
	route_free(&r);
	lookup_lab_free(&lab);

	lookup_lab_load(&lab,
	    "[route a]\nHostName = h\nKey = k\nAuthorizedKey = ssh-rsa AAAA\n"
	    "UserKnownHostsFile = k\n");
	assert_int_equal(lookup_lab_find(&lab, "a", &r), LOOKUP_FOUND);
	assert_int_equal(r->port, 22);
	assert_null(r->user);
	assert_null(r->authorized_keys_file);
	assert_int_equal(r->strict, ROUTE_STRICT_YES);
	assert_int_equal(r->connect_timeout_ms, 10000);
	assert_int_equal(r->server_alive_interval_ms, 15000);
	route_free(&r);
	assert_int_equal(lookup_lab_find(&lab, "A", &r), LOOKUP_NOT_FOUND);
	assert_null(r);
	assert_int_equal(lookup_lab_find(&lab, "a ", &r), LOOKUP_NOT_FOUND);
	assert_null(r);
	lookup_lab_free(&lab);
	free(cwd);
}

static void
test_bad_routes(void **state)
{
	(void)state;
	lookup_lab_refuses("[route a]\n[route b]\nHostName = h\nKey = k\nAuthorizedKeysFile = x\n"
			   "StrictHostKeyChecking = accept-new\n",
	    "conf.d/a.ini:1: [route a] needs HostName: where it leads to\n"
	    "conf.d/a.ini:1: [route a] needs Key (or Password, or Passthrough): a way to log in "
	    "to the upstream\n"
	    "conf.d/a.ini:1: [route a] needs UserKnownHostsFile or HostKeyFingerprint: the "
	    "upstream's host keys\n"
	    "conf.d/a.ini:1: [route a] needs AuthorizedKeysFile, AuthorizedKey, "
	    "TrustedUserCAKeys or PasswordHash: who may log in\n"
	    "conf.d/a.ini:6: StrictHostKeyChecking = accept-new needs UserKnownHostsFile: where "
	    "to write new host keys\n");
	lookup_lab_refuses("[route a]\nHostName = -oProxy 1.2.3.4:22 u@h [::1] a;b\n" REST_OF_ROUTE,
	    "conf.d/a.ini:2: HostName: \"-oProxy\" is not a host name or address\n");
	lookup_lab_refuses("[route a]\nHostName = h\nPermitCommands = none sftp\n" REST_OF_ROUTE,
	    "conf.d/a.ini:3: PermitCommands: none must be the only value\n");
	lookup_lab_refuses("[route a]\nHostName = h\nPermitCommands = Any\n" REST_OF_ROUTE,
	    "conf.d/a.ini:3: PermitCommands: leave PermitCommands out: without it, anything may "
	    "be run\n");
	lookup_lab_refuses("[route a]\nHostName = h\nMaxAuthTries = 3\nIdentityFile = x\n"
			   "Host = y\nCommand = z\nSubsystem = z\n" REST_OF_ROUTE,
	    "conf.d/a.ini:3: unknown keyword \"MaxAuthTries\" in [route a]: it belongs to "
	    "[gateway]\n"
	    "conf.d/a.ini:4: unknown keyword \"IdentityFile\" in [route a]: write Key = NAME; "
	    "sallyport key add NAME FILE puts a private key into the key store\n"
	    "conf.d/a.ini:5: unknown keyword \"Host\" in [route a]: write HostName; the login is "
	    "in the header, [route LOGIN]\n"
	    "conf.d/a.ini:6: unknown keyword \"Command\" in [route a]\n"
	    "conf.d/a.ini:7: unknown keyword \"Subsystem\" in [route a]: it is for the sshd of "
	    "the upstream, which does this there\n");
	lookup_lab_refuses("[route a]\nHostName = 1.2.3.4:22\n" REST_OF_ROUTE,
	    "conf.d/a.ini:2: HostName: \"1.2.3.4:22\" is not an IPv6 address; a port goes into "
	    "Port\n");
	lookup_lab_refuses("[route a]\nHostName = u@h\n" REST_OF_ROUTE,
	    "conf.d/a.ini:2: HostName: \"u@h\": the user goes into User\n");
	lookup_lab_refuses("[route a]\nHostName = [::1]\n" REST_OF_ROUTE,
	    "conf.d/a.ini:2: HostName: \"[::1]\": brackets are not needed here; write the port "
	    "into Port\n");
	lookup_lab_refuses(
	    "[route a]\nHostName = h\nHostName = i\nPort = 0\nUser = -x\nKeyy = 1\n"
	    "MACs = a b\nConnectTimeout = none\nHostKeyFingerprint = MD5:00\n" REST_OF_ROUTE,
	    "conf.d/a.ini:3: HostName is already set in line 2\n"
	    "conf.d/a.ini:4: Port: \"0\" is not a port: 1 to 65535\n"
	    "conf.d/a.ini:5: User: \"-x\" can't be a user: up to 255 bytes of printable text, "
	    "no /, no leading -\n"
	    "conf.d/a.ini:6: unknown keyword \"Keyy\" in [route a] (did you mean Key?)\n"
	    "conf.d/a.ini:7: MACs: \"a b\" is no MAC that is supported\n"
	    "conf.d/a.ini:8: ConnectTimeout: \"none\" is too short: at least 1s\n"
	    "conf.d/a.ini:9: HostKeyFingerprint: \"MD5:00\" is not SHA256: and 43 characters, "
	    "as ssh-keygen -l prints it\n");
	lookup_lab_refuses("[route a]\nHostName = h\nKey = keys/k\nAuthorizedKey = conf.d/x.pub\n"
			   "UserKnownHostsFile = %u\n",
	    "conf.d/a.ini:3: Key: \"keys/k\" cannot be the name of a key: 1 to 64 of "
	    "A-Z a-z 0-9 . _ @ + -, not starting with . or -, not ending in .pub; use the name, "
	    "not a path\n"
	    "conf.d/a.ini:4: AuthorizedKey: \"conf.d/x.pub\" is not a line of authorized_keys: "
	    "[OPTIONS] TYPE BASE64 [COMMENT]; to name a file, use AuthorizedKeysFile\n"
	    "conf.d/a.ini:5: UserKnownHostsFile: \"%u\": %u and %1 cannot be used in this "
	    "keyword\n");
	lookup_lab_refuses("[route a]\nHostName = h\nPassword = keys/p\nAuthorizedKey = t AAAA\n"
			   "StrictHostKeyChecking = no\n",
	    "conf.d/a.ini:3: Password: \"keys/p\" cannot be the name of a key: 1 to 64 of "
	    "A-Z a-z 0-9 . _ @ + -, not starting with . or -, not ending in .pub; use the name, "
	    "not a path\n");
	lookup_lab_refuses("[route a]\nHostName = h\nPassword = p\nPassthrough = yes\n"
			   "StrictHostKeyChecking = no\n",
	    "conf.d/a.ini:1: [route a]: Password and Passthrough cannot be combined: should the "
	    "stored password go to the upstream, or the user's?\n");
	lookup_lab_refuses(
	    "[route a]\nHostName = h\nKey = k\nAuthorizedKey = t AAAA\nPassthrough = yes\n"
	    "StrictHostKeyChecking = no\n"
	    "AuthenticationMethods = publickey,password keyboard-interactive,publickey\n",
	    "conf.d/a.ini:7: AuthenticationMethods: keyboard-interactive,publickey: with "
	    "Passthrough, the mapped key does not sign because the upstream has accepted a "
	    "password; write publickey,keyboard-interactive\n");
	lookup_lab_refuses("[route a/b]\nHostName = h\n" REST_OF_ROUTE,
	    "conf.d/a.ini:1: [route a/b] needs MatchAddress, MatchLocalAddress, "
	    "MatchLocalPort, MatchHost or MatchFingerprint: when to use it instead of [route a]\n");
	lookup_lab_refuses(
	    "[route a/b c]\nHostName = h\nMatchAddress = host 10.0.0.1/8\n" REST_OF_ROUTE,
	    "conf.d/a.ini:3: MatchAddress: \"host 10.0.0.1/8\" is not a list of addresses: "
	    "192.0.2.7 10.0.0.0/8 !10.9.0.0/16 2001:db8::/32\n"
	    "conf.d/a.ini:1: [route a/b c]: the label after the / may have A-Z a-z 0-9 . _ @ + "
	    "-\n");
	lookup_lab_refuses("[route *1*2*3*4*5*6*7*8*9*]\nHostName = h\n" REST_OF_ROUTE,
	    "conf.d/a.ini:1: [route *1*2*3*4*5*6*7*8*9*]: more than 9 *\n");
	lookup_lab_refuses("[gateway]\nHostKey = hk\n[route a]\nHostName = h\nKey = hk\n"
			   "AuthorizedKey = t AAAA\nStrictHostKeyChecking = no\n",
	    "conf.d/a.ini:5: Key: hk is the gateway's own HostKey; make another: sallyport key "
	    "generate NAME\n");
}

/* Key = agent is the only way to log in upstream, and goes with no other key. */
static void
test_key_agent(void **state)
{
	(void)state;
	lookup_lab_refuses("[route a]\nHostName = h\nKey = agent\nPassthrough = yes\n"
			   "AuthorizedKey = t AAAA\nStrictHostKeyChecking = no\n",
	    "conf.d/a.ini:1: [route a]: Key = agent and Passthrough cannot be combined: each is "
	    "a way to log in to the upstream\n");
	lookup_lab_refuses("[route a]\nHostName = h\nKey = agent\nPassword = p\n"
			   "AuthorizedKey = t AAAA\nStrictHostKeyChecking = no\n",
	    "conf.d/a.ini:1: [route a]: Key = agent and Password cannot be combined: each is a "
	    "way to log in to the upstream\n");
	lookup_lab_refuses("[route a]\nHostName = h\nKey = agent\nCertificateFile = c\n"
			   "AuthorizedKey = t AAAA\nStrictHostKeyChecking = no\n",
	    "conf.d/a.ini:4: CertificateFile needs Key: the key that it certifies\n");
}

/* A keyword that is not supported yet is an error: a policy that is written and not kept is worse than none. */
static void
test_unsupported_keywords_are_refused(void **state)
{
	static const char *const keys[] = { "Record" };
	char text[512], expected[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(text, sizeof(text), "[route a]\nHostName = h\n%s = x\n" REST_OF_ROUTE,
		    keys[i]);
		snprintf(expected, sizeof(expected), "conf.d/a.ini:3: %s is not supported yet\n",
		    keys[i]);
		lookup_lab_refuses(text, expected);
	}
	lookup_lab_refuses("[lookup]\nOrder = ini exec foo\n[lookup directory]\nPath = x\n",
	    "conf.d/a.ini:2: lookup backend exec needs a section [lookup exec] with Command\n"
	    "conf.d/a.ini:2: there is no lookup backend \"foo\"\n");
	lookup_lab_refuses("[route a]\nHostName = h\nConnectViaPassword = x\n" REST_OF_ROUTE,
	    "conf.d/a.ini:3: ConnectViaPassword needs ConnectVia: the proxy that it is for\n");
	lookup_lab_refuses("[route a]\nHostName = h\nSendProxy = yes\n" REST_OF_ROUTE,
	    "conf.d/a.ini:3: SendProxy: \"yes\" is none of: no v1 v2\n");
	lookup_lab_refuses("[lookup ini]\nPath = x\n",
	    "conf.d/a.ini:2: [lookup ini] has no keywords: its routes are the [route] sections\n");
}

static void
test_keywords_of_the_policy(void **state)
{
	struct lookup_lab lab;
	struct route *r;

	(void)state;
	lookup_lab_load(&lab,
	    "[route a]\nHostName = h\n" REST_OF_ROUTE
	    "AllowTcpForwarding = Local\nAllowStreamLocalForwarding = no\n"
	    "PermitOpen = db:5432 [::1]:*\nPermitListen = 8080 *:9\nPermitTTY = no\n"
	    "PermitCommands = sftp exec\nSetEnv = A=1 B=\"two words\"\nSetEnv = C=\n"
	    "ForceCommand = echo # not a comment\nMaxSessions = 0\nIdleTimeout = 10m\n");
	assert_int_equal(lookup_lab_find(&lab, "a", &r), LOOKUP_FOUND);
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
	route_free(&r);
	lookup_lab_free(&lab);
	lookup_lab_refuses(
	    "[route a]\nHostName = h\nPermitOpen = db\nPermitListen = any 80\n"
	    "SetEnv = A=\"1\nAllowTcpForwarding = maybe\nMaxSessions = 1025\n" REST_OF_ROUTE,
	    "conf.d/a.ini:3: PermitOpen: \"db\" is not HOST:PORT, [ADDRESS]:PORT, any or none\n"
	    "conf.d/a.ini:5: SetEnv: a quote is missing\n"
	    "conf.d/a.ini:6: AllowTcpForwarding: \"maybe\" is none of: no local remote yes\n"
	    "conf.d/a.ini:7: MaxSessions: \"1025\" is not a number from 0 to 1024\n"
	    "conf.d/a.ini:4: PermitListen: any must be the only value\n");
}

static void
test_narrowed_algorithms_and_rekey_limit(void **state)
{
	struct lookup_lab lab;
	struct route *r;

	(void)state;
	lookup_lab_load(&lab,
	    "[gateway]\nPubkeyAcceptedAlgorithms = ssh-ed25519,rsa-sha2-512\nRekeyLimit = 1G 1h\n"
	    "[route a]\nHostName = h\n" REST_OF_ROUTE
	    "PubkeyAcceptedAlgorithms = -rsa*\nRekeyLimit = 2M\n"
	    "[route b]\nHostName = h\n" REST_OF_ROUTE);
	assert_int_equal(lookup_lab_find(&lab, "a", &r), LOOKUP_FOUND);
	assert_string_equal(r->pubkey_accepted_algorithms, "ssh-ed25519");
	assert_int_equal(r->rekey_limit.bytes, 2 << 20);
	assert_int_equal(r->rekey_limit.ms, 0);
	route_free(&r);
	assert_int_equal(lookup_lab_find(&lab, "b", &r), LOOKUP_FOUND);
	assert_null(r->pubkey_accepted_algorithms);
	assert_int_equal(r->rekey_limit.bytes, 1 << 30);
	assert_int_equal(r->rekey_limit.ms, 3600000);
	route_free(&r);
	lookup_lab_free(&lab);
	lookup_lab_refuses("[gateway]\nPubkeyAcceptedAlgorithms = -rsa*\n"
			   "[route a]\nHostName = h\n" REST_OF_ROUTE
			   "PubkeyAcceptedAlgorithms = rsa-sha2-512\nRekeyLimit = 1\n",
	    "conf.d/a.ini:8: PubkeyAcceptedAlgorithms: \"rsa-sha2-512\" is not in the list of "
	    "[gateway], outside of which a route cannot go\n"
	    "conf.d/a.ini:9: RekeyLimit: \"1\" does not begin with a size: write 512M, 1G (at "
	    "least 1M) or default, then a time if wanted, such as 1h\n");
}

static void
test_pubkey_auth_options(void **state)
{
	struct lookup_lab lab;
	struct route *r;

	(void)state;
	lookup_lab_load(&lab,
	    "[gateway]\nPubkeyAuthOptions = verify-required\n"
	    "[route a]\nHostName = h\n" REST_OF_ROUTE "PubkeyAuthOptions = NONE\n"
	    "[route b]\nHostName = h\n" REST_OF_ROUTE
	    "PubkeyAuthOptions = verify-required, touch-required\n"
	    "[route c]\nHostName = h\n" REST_OF_ROUTE);
	assert_int_equal(lookup_lab_find(&lab, "a", &r), LOOKUP_FOUND);
	assert_int_equal(r->pubkey_auth & (CONF_PUBKEY_TOUCH | CONF_PUBKEY_VERIFY), 0);
	route_free(&r);
	assert_int_equal(lookup_lab_find(&lab, "b", &r), LOOKUP_FOUND);
	assert_int_equal(r->pubkey_auth & (CONF_PUBKEY_TOUCH | CONF_PUBKEY_VERIFY),
	    CONF_PUBKEY_TOUCH | CONF_PUBKEY_VERIFY);
	route_free(&r);
	assert_int_equal(lookup_lab_find(&lab, "c", &r), LOOKUP_FOUND);
	assert_int_equal(r->pubkey_auth & (CONF_PUBKEY_TOUCH | CONF_PUBKEY_VERIFY),
	    CONF_PUBKEY_VERIFY);
	route_free(&r);
	lookup_lab_free(&lab);
	lookup_lab_refuses("[route a]\nHostName = h\n" REST_OF_ROUTE
			   "PubkeyAuthOptions = none touch-required\n"
			   "[route b]\nHostName = h\n" REST_OF_ROUTE
			   "PubkeyAuthOptions = touch-required Touch-Required\n",
	    "conf.d/a.ini:6: PubkeyAuthOptions: none must be the only value\n"
	    "conf.d/a.ini:12: PubkeyAuthOptions: \"Touch-Required\" is given twice\n");
}

/* A keyword beside Restrict overrides it, before or after it. */
static void
test_restrict(void **state)
{
	struct lookup_lab lab;
	struct route *r;

	(void)state;
	lookup_lab_load(&lab,
	    "[route a]\nHostName = h\n" REST_OF_ROUTE "Restrict = yes\n"
	    "[route b]\nHostName = h\n" REST_OF_ROUTE
	    "PermitTTY = yes\nAllowTcpForwarding = remote\n"
	    "Restrict = yes\nX11Forwarding = no\n"
	    "[route c]\nHostName = h\n" REST_OF_ROUTE "Restrict = no\n");
	assert_int_equal(lookup_lab_find(&lab, "a", &r), LOOKUP_FOUND);
	assert_int_equal(r->allow_tcp, ROUTE_FORWARD_NO);
	assert_int_equal(r->allow_stream, ROUTE_FORWARD_NO);
	assert_int_equal(r->allow_agent + r->x11 + r->permit_tty, 0);
	route_free(&r);
	assert_int_equal(lookup_lab_find(&lab, "b", &r), LOOKUP_FOUND);
	assert_int_equal(r->allow_tcp, ROUTE_FORWARD_REMOTE);
	assert_int_equal(r->allow_stream, ROUTE_FORWARD_NO);
	assert_int_equal(r->permit_tty, 1);
	assert_int_equal(r->allow_agent + r->x11, 0);
	route_free(&r);
	assert_int_equal(lookup_lab_find(&lab, "c", &r), LOOKUP_FOUND);
	assert_int_equal(r->allow_stream, ROUTE_FORWARD_YES);
	assert_int_equal(r->allow_agent + r->x11 + r->permit_tty, 3);
	route_free(&r);
	lookup_lab_free(&lab);
}

static void
test_keywords_of_certificates(void **state)
{
	static const char route[] =
	    "[route %s]\nHostName = h\nKey = k\nStrictHostKeyChecking = no\n%s";
	struct lookup_lab lab;
	struct route *r;
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), route, "*+*",
	    "TrustedUserCAKeys = cas/%2\nAuthorizedPrincipals = %1 %2-admins\n"
	    "RevokedKeys = revoked\nCertificateFile = %u-cert.pub\n");
	lookup_lab_load(&lab, text);
	assert_int_equal(lookup_lab_find(&lab, "alice+web", &r), LOOKUP_FOUND);
	assert_string_equal(strrchr(r->trusted_user_ca_keys, '/') - 3, "cas/web");
	assert_int_equal(r->authorized_principals.n, 2);
	assert_string_equal(r->authorized_principals.v[0], "alice");
	assert_string_equal(r->authorized_principals.v[1], "web-admins");
	assert_string_equal(strrchr(r->revoked_keys, '/'), "/revoked");
	assert_string_equal(strrchr(r->certificate_file, '/'), "/alice+web-cert.pub");
	assert_true(strlist_has(&r->methods, "publickey"));
	route_free(&r);
	lookup_lab_free(&lab);

	lookup_lab_refuses("[route a]\nHostName = h\nAuthorizedPrincipals = b\n" REST_OF_ROUTE,
	    "conf.d/a.ini:3: AuthorizedPrincipals needs TrustedUserCAKeys; in a cert-authority "
	    "line, write principals=\"\"\n");
	lookup_lab_refuses(
	    "[route a]\nHostName = h\nPassthrough = yes\nStrictHostKeyChecking = no\n"
	    "CertificateFile = c\n",
	    "conf.d/a.ini:5: CertificateFile needs Key: the key that it certifies\n");
}

/* What --dump prints of a route makes the same route. */
static void
test_dump_reads_back(void **state)
{
	struct conf_errors errors = { 0 };
	char *first = NULL, *second = NULL;
	struct lookup_lab lab;
	struct route *r;
	size_t len;
	FILE *to;

	(void)state;
	lookup_lab_load(&lab,
	    "[route *-%x]\nHostName = %1.a fe80::1%%eth0\nPort = 7\nUser = %u%%\nKey = %1\n"
	    "AuthorizedKeysFile = %1.pub\nAuthorizedKey = ssh-rsa AAAA x\n"
	    "StrictHostKeyChecking = no\nConnectTimeout = 2m\n");
	assert_int_equal(route_new(lab.conf, &lab.conf->routes[0], &errors, &r), 0);
	to = open_memstream(&first, &len);
	route_dump(r, to);
	fclose(to);
	route_free(&r);
	lookup_lab_free(&lab);
	lookup_lab_load(&lab, first);
	assert_int_equal(route_new(lab.conf, &lab.conf->routes[0], &errors, &r), 0);
	to = open_memstream(&second, &len);
	route_dump(r, to);
	fclose(to);
	route_free(&r);
	lookup_lab_free(&lab);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "HostName = %1.a fe80::1%%eth0\n"));
	assert_non_null(strstr(first, "ConnectTimeout = 120s\n"));
	free(first);
	free(second);
}

/* The directory that a path starts from may have a % in its name: it is not expanded. */
static void
test_percent_in_base(void **state)
{
	struct lookup_lab lab;
	struct route *r;

	(void)state;
	assert_int_equal(mkdir("50%u", 0755), 0);
	assert_int_equal(rename("conf.d", "50%u/conf.d"), 0);
	assert_int_equal(chdir("50%u"), 0);
	lookup_lab_load(&lab,
	    "[route a]\nHostName = h\nKey = k\nAuthorizedKeysFile = %u.pub\n"
	    "StrictHostKeyChecking = no\n");
	assert_int_equal(lookup_lab_find(&lab, "a", &r), LOOKUP_FOUND);
	assert_non_null(strstr(r->authorized_keys_file, "/50%u/a.pub"));
	route_free(&r);
	lookup_lab_free(&lab);
	assert_int_equal(chdir(".."), 0);
	assert_int_equal(rename("50%u/conf.d", "conf.d"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_bad_routes),
		cmocka_unit_test(test_key_agent),
		cmocka_unit_test(test_unsupported_keywords_are_refused),
		cmocka_unit_test(test_keywords_of_the_policy),
		cmocka_unit_test(test_narrowed_algorithms_and_rekey_limit),
		cmocka_unit_test(test_pubkey_auth_options),
		cmocka_unit_test(test_restrict),
		cmocka_unit_test(test_keywords_of_certificates),
		cmocka_unit_test(test_dump_reads_back),
		cmocka_unit_test(test_percent_in_base),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
