/*
 * What to write instead of a keyword that is unknown in its section.  Called by keyword.c and reader.c for
 * their errors.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/elsewhere.h"
#include "conf/forward.h"
#include "conf/keyword.h"
#include "conf/sections.h"
#include "conf/tls.h"

/* lookup/ has the table of routes and is above this directory.  Without those that [gateway] has, too. */
const char *const elsewhere_of_route[] = {
	"Mode",
	"AllowDestinations",
	"TunnelNames",
	"MaxTunnels",
	"TunnelPorts",
	"HostName",
	"User",
	"AuthorizedKeysFile",
	"AuthorizedKey",
	"TrustedUserCAKeys",
	"AuthorizedPrincipals",
	"RevokedKeys",
	"Key",
	"Password",
	"CertificateFile",
	"CertificateAuthority",
	"CertificatePrincipals",
	"CertificateLifetime",
	"CertificateSkew",
	"CertificateSourceAddress",
	"PasswordHash",
	"Passthrough",
	"AuthenticationMethods",
	"TOTP",
	"Factor",
	"TotpSkew",
	"TotpRemember",
	"UserKnownHostsFile",
	"HostKeyFingerprint",
	"StrictHostKeyChecking",
	"ResolveSRV",
	"ResolveCache",
	"ConnectTimeout",
	"ConnectVia",
	"ConnectViaPassword",
	"ConnectViaCA",
	"SendProxy",
	"ProxyJump",
	"ServerAliveInterval",
	"Ciphers",
	"KexAlgorithms",
	"HostKeyAlgorithms",
	"MACs",
	"Restrict",
	"AllowTcpForwarding",
	"AllowStreamLocalForwarding",
	"PermitOpen",
	"PermitListen",
	"AllowAgentForwarding",
	"X11Forwarding",
	"PermitTTY",
	"PermitCommands",
	"AcceptEnv",
	"SetEnv",
	"ForceCommand",
	"SftpReadOnly",
	"MaxSessions",
	"MaxSessionsPerLogin",
	"IdleTimeout",
	"SessionTimeout",
	"UnusedConnectionTimeout",
	"MatchAddress",
	"MatchLocalAddress",
	"MatchLocalPort",
	"MatchHost",
	"MatchClientCN",
	"MatchClientOU",
	"MatchClientSAN",
	"MatchClientFingerprint",
	"MatchFingerprint",
	NULL,
};

#define PASSWORDS                                                                    \
	"write PasswordHash (the gateway checks the password) or Passthrough = yes " \
	"(the upstream does) into the [route]"
#define ALLOWED                                                                \
	"a login without a [route] does not exist; who may use one is in its " \
	"AuthorizedKeysFile"
#define JUMP                                                                                \
	"a route has ConnectVia, for a SOCKS or HTTP proxy; for a machine behind another, " \
	"doc/recipes.md has \"Jump hosts\""
#define RECORDS "sessions are not recorded yet; a program such as tlog can do so on the upstream"
#define OF_UPSTREAM "it is for the sshd of the upstream, which does this there"
#define OF_CLIENT "it is for the client, in its ~/.ssh/config"
#define TO_STDERR "the log goes to standard error, which systemd keeps in the journal"

static const struct {
	const char *kind; /* of the section; NULL: any */
	const char *word;
	const char *text;
} elsewhere_words[] = {
	{ "gateway", "Port", "write ListenAddress = 0.0.0.0:PORT [::]:PORT" },
	{ "gateway", "AddressFamily", "write the addresses of the family into ListenAddress" },
	{ "gateway", "HostKeyFile", "write HostKey = NAME, a key of the key store" },
	{ "forward", "HostName", "write Target = HOST:PORT" },
	{ "forward", "Port", "write Target = HOST:PORT" },
	{ "forward", "ListenAddress",
	    "it belongs to [gateway]; MatchLocalPort = PORT is a condition" },
	{ "lookup", "Path", "it belongs to [lookup directory], or to [keystore]" },
	{ "lookup", "Command", "it belongs to [lookup exec]" },
	{ "lookup", "Timeout", "it belongs to [lookup exec]" },
	{ "lookup", "PerKey", "it belongs to [lookup exec]" },
	{ "lookup", "Recursive", "it belongs to [lookup directory]" },

	{ NULL, "IdentityFile",
	    "write Key = NAME; sallyport key add NAME FILE puts a private key into the key store" },
	{ NULL, "PrivateKey",
	    "write Key = NAME; sallyport key add NAME FILE puts a private key into the key store" },
	{ NULL, "IdentityAgent", "write Key = agent for the user's own agent" },
	{ NULL, "Host", "write HostName; the login is in the header, [route LOGIN]" },
	{ NULL, "Upstream", "write HostName, Port and User" },
	{ NULL, "Username", "write User" },
	{ NULL, "Match",
	    "write a [route LOGIN/LABEL] with MatchAddress, MatchLocalAddress, MatchLocalPort, "
	    "MatchHost or MatchFingerprint" },
	{ NULL, "Include", "every *.ini file of conf.d is read, in the order of the names" },
	{ NULL, "ProxyJump", JUMP },
	{ NULL, "ProxyCommand", JUMP },
	{ NULL, "ProxyUseFdpass", JUMP },
	{ NULL, "ProxyProtocol",
	    "write AcceptProxyFrom into [edge] for a load balancer that sends the header, SendProxy "
	    "into the [route] of an upstream that wants it" },
	{ NULL, "HostKeyAlias",
	    "known hosts are looked up by HostName and Port; HostKeyFingerprint names a host key "
	    "whatever the name" },
	{ NULL, "GlobalKnownHostsFile", "write UserKnownHostsFile, which takes several files" },
	{ NULL, "KnownHosts", "write UserKnownHostsFile" },
	{ NULL, "VerifyHostKeyDNS", "DNS is not asked for host keys; write HostKeyFingerprint" },
	{ NULL, "UpdateHostKeys", "the host keys of upstreams are in UserKnownHostsFile" },
	{ NULL, "PasswordAuthentication", PASSWORDS },
	{ NULL, "KbdInteractiveAuthentication", PASSWORDS },
	{ NULL, "ChallengeResponseAuthentication", PASSWORDS },
	{ NULL, "PubkeyAuthentication",
	    "a [route] with AuthorizedKeysFile, AuthorizedKey or TrustedUserCAKeys takes keys" },
	{ NULL, "PreferredAuthentications", "write AuthenticationMethods" },
	{ NULL, "AuthorizedKeysCommand",
	    "a program can print the whole route: [lookup exec], sallyport-exec(5)" },
	{ NULL, "AuthorizedPrincipalsFile",
	    "write AuthorizedPrincipals, or principals= in a cert-authority line" },
	{ NULL, "Record", RECORDS },
	{ NULL, "Recording", RECORDS },
	{ NULL, "AllowUsers", ALLOWED },
	{ NULL, "DenyUsers", ALLOWED },
	{ NULL, "AllowGroups", ALLOWED },
	{ NULL, "DenyGroups", ALLOWED },
	{ NULL, "PermitRootLogin", ALLOWED },
	{ NULL, "DisableForwarding", "write Restrict = yes" },
	{ NULL, "ForwardAgent", "write AllowAgentForwarding" },
	{ NULL, "ForwardX11", "write X11Forwarding" },
	{ NULL, "RequestTTY", "write PermitTTY" },
	{ NULL, "RemoteCommand", "write ForceCommand" },
	{ NULL, "PermitUserEnvironment", "write AcceptEnv or SetEnv" },
	{ NULL, "SendEnv", "write AcceptEnv" },
	{ NULL, "ChannelTimeout", "write IdleTimeout or SessionTimeout" },
	{ NULL, "TCPKeepAlive", "write ClientAliveInterval and ServerAliveInterval" },
	{ NULL, "Subsystem", OF_UPSTREAM },
	{ NULL, "ChrootDirectory", OF_UPSTREAM },
	{ NULL, "GatewayPorts", OF_UPSTREAM },
	{ NULL, "UsePAM", OF_UPSTREAM },
	{ NULL, "PrintMotd", OF_UPSTREAM },
	{ NULL, "LocalForward", OF_CLIENT },
	{ NULL, "RemoteForward", OF_CLIENT },
	{ NULL, "DynamicForward", OF_CLIENT },
	{ NULL, "ControlMaster", OF_CLIENT },
	{ NULL, "SyslogFacility", TO_STDERR },
	{ NULL, "LogFile", TO_STDERR },
	{ NULL, "PidFile",
	    "the service manager knows the process; sallyport reload needs no file" },
};

/* The section of conf/ that has this keyword, or NULL. */
static const char *
elsewhere_section_of(const char *word)
{
	const struct keyword *table;
	const char *kind;
	size_t i, j, n;

	for (i = 0; (table = sections_keywords(i, &kind, &n)) != NULL; i++)
		for (j = 0; j < n; j++)
			if (strcasecmp(table[j].name, word) == 0)
				return kind;
	return NULL;
}

/* 1 if a table has the word. */
static int
elsewhere_has(const struct keyword *table, size_t n, const char *word)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcasecmp(table[i].name, word) == 0)
			return 1;
	return 0;
}

const char *
elsewhere(const char *kind, const char *name, const char *word, char out[64])
{
	const struct keyword *table;
	const char *other;
	size_t i, n;

	for (i = 0; i < sizeof(elsewhere_words) / sizeof(elsewhere_words[0]); i++)
		if (strcasecmp(elsewhere_words[i].word, word) == 0 &&
		    (elsewhere_words[i].kind == NULL ||
			(strcmp(elsewhere_words[i].kind, kind) == 0 &&
			    (name[0] == '\0') ==
				(strcmp(kind, "lookup") == 0 || strcmp(kind, "gateway") == 0))))
			return elsewhere_words[i].text;
	other = elsewhere_section_of(word);
	if (other != NULL && (strcmp(other, kind) != 0 || name[0] != '\0')) {
		snprintf(out, 64, "it belongs to [%s]", other);
		return out;
	}
	for (i = 0; strcmp(kind, "route") != 0 && elsewhere_of_route[i] != NULL; i++)
		if (strcasecmp(elsewhere_of_route[i], word) == 0)
			return "it belongs to a [route LOGIN]";
	table = conf_tls_keywords(&n);
	if (strcmp(kind, "tls") != 0 && elsewhere_has(table, n, word))
		return "it belongs to a [tls NAME]";
	table = forward_keywords(&n);
	if (strcmp(kind, "forward") != 0 && elsewhere_has(table, n, word))
		return "it belongs to a [forward NAME]";
	return NULL;
}

const char *
elsewhere_section(const char *kind)
{
	if (strcasecmp(kind, "host") == 0 || strcasecmp(kind, "user") == 0)
		return "write [route LOGIN], with HostName in it";
	if (strcasecmp(kind, "match") == 0)
		return "write [route LOGIN/LABEL], with MatchAddress, MatchLocalAddress, "
		       "MatchLocalPort, MatchHost or MatchFingerprint in it";
	return NULL;
}
