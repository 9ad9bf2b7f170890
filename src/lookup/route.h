/*
 * A route: everything known about where one login goes.  Made by a lookup backend for each login, which
 * owns it, and never changed afterwards.
 */
#ifndef LOOKUP_ROUTE_H
#define LOOKUP_ROUTE_H

#include <stdint.h>

#include "base/strlist.h"
#include "conf/conf.h"

enum route_strict {
	ROUTE_STRICT_YES, /* an unknown host key is refused; the default */
	ROUTE_STRICT_ACCEPT_NEW,
	ROUTE_STRICT_NO,
};

/* AllowTcpForwarding and AllowStreamLocalForwarding: a mask. */
enum route_forward {
	ROUTE_FORWARD_NO,
	ROUTE_FORWARD_LOCAL,
	ROUTE_FORWARD_REMOTE,
	ROUTE_FORWARD_YES,
};

/* Mode */
enum route_mode {
	ROUTE_LOGIN,  /* the gateway logs in upstream, and relays; the default */
	ROUTE_JUMP,   /* the client names machines, and logs in there itself */
	ROUTE_TUNNEL, /* the client holds tunnels (ssh -R), which end at the gateway */
	ROUTE_HOP,    /* for ProxyJump of other routes alone: nobody logs in by it */
};

struct route {
	char *name;	     /* as in [route NAME]: a login or a pattern */
	char *source;	     /* where it is written, for the log: "conf.d/10-alice.ini:12" */
	const char *backend; /* the backend that found it: "ini"; static */
	char *login;	     /* that it was found for: the client's, or that without its style */

	enum route_mode mode;
	/* AllowDestinations (formats/destination.h): where ROUTE_JUMP may lead, and where hosts may; empty: the
	 * latter anywhere */
	struct strlist destinations;

	struct strlist tunnel_names; /* TunnelNames, of ROUTE_TUNNEL: patterns; empty: the login */
	int max_tunnels;
	char *tunnel_ports; /* TunnelPorts (formats/tunnel_ports.h), or NULL */

	struct strlist hosts; /* HostName: names or addresses, tried in order; none of ROUTE_JUMP */
	uint16_t port;	      /* default 22 */
	char *user;	      /* User, or NULL: the login */
	int resolve_srv;      /* ResolveSRV: SRV records of hosts count */
	int resolve_cache_ms; /* ResolveCache; 0: each name is looked up each time */
	int connect_timeout_ms;	    /* for all hosts together; default 10 s */
	char *connect_via;	    /* ConnectVia (connect_via.h), or NULL */
	char *connect_via_password; /* ConnectViaPassword: name in the key store, or NULL */
	char *connect_via_ca;	    /* ConnectViaCA: resolved path, or NULL */
	int send_proxy;		    /* SendProxy: version of the PROXY header; 0: none */
	char *proxy_jump;	    /* ProxyJump: the route of a hop (lookup/hop.h), or NULL */
	int proxy_jump_by_login;    /* the login names it in part (%1): it has to have Mode = hop */

	char *authorized_keys_file;	/* resolved path, or NULL */
	struct strlist authorized_keys; /* AuthorizedKey lines */

	char *trusted_user_ca_keys;	      /* resolved path, or NULL */
	struct strlist authorized_principals; /* empty: the login */
	char *revoked_keys;		      /* resolved path, or NULL */

	char *
	    key; /* Key: name in the key store, CONF_KEY_AGENT, ca:NAME or ca-agent:SOCKET (route_ca()), or NULL */
	char *certificate_file; /* CertificateFile: resolved path, or NULL */
	char *key_file;		/* path of a private key in its place, or NULL */
	char *password;		/* Password: name in the key store, or NULL */
	int agent;		/* Key = agent: the client's agent signs, and no key of the store */

	/* of the certificates that Key = ca:NAME or ca-agent:SOCKET makes */
	char *certificate_authority; /* resolved path: the public key, of an agent's; or NULL */
	struct strlist certificate_principals; /* empty: the user upstream */
	int certificate_lifetime_ms, certificate_skew_ms;
	char *certificate_source_address; /* as written: "auto", "none", a list; NULL: auto */

	struct safe_path_rule file_rule; /* for all files that it names */

	/* Of the directory backend, else NULL: files below TREE/DIR are opened by the rules of
	 * base/login_dir.h. */
	char *tree;
	char *tree_dir;

	/* The conditions of route_matches(). */
	char *match_address; /* lists as in from="", or NULL */
	char *match_local_address;
	struct strlist match_local_ports; /* empty: any */
	struct strlist match_hosts;	  /* patterns; empty: any host, and none */
	struct strlist match_fingerprints;
	/* of the certificate of a TLS client; empty: any, and none */
	struct strlist match_client_cn, match_client_ou, match_client_san; /* patterns */
	struct strlist match_client_fingerprints;

	int passthrough;     /* the upstream checks passwords and keyboard-interactive answers */
	char *password_hash; /* Argon2id, as of libsodium, or NULL */
	/* AuthenticationMethods: lists, one of which must be completed; empty if not set */
	struct strlist authentication_methods;
	struct strlist
	    methods; /* the same, or if not set each method that the route can check, with its factors */
	char *totp; /* TOTP: name in the key store, or NULL */
	char *
	    totp_file; /* path of sshpiper's file with the secret in its place; totp names its record */
	int totp_skew;	      /* TotpSkew: steps before and after the present one */
	int totp_remember_ms; /* TotpRemember; 0: no */
	char *factor;	      /* Factor: "exec:" and a command (lookup/program.h), or NULL */

	struct strlist known_hosts_files;     /* UserKnownHostsFile, resolved paths */
	struct strlist host_key_fingerprints; /* HostKeyFingerprint: "SHA256:..." */
	enum route_strict strict;

	int server_alive_interval_ms; /* default 15 s; 0: off */
	char *ciphers;		      /* algorithm lists as in ssh_config, or NULL */
	char *kex_algorithms;
	char *host_key_algorithms;
	char *macs;
	char *pubkey_accepted_algorithms; /* of the client's key, or NULL: as [gateway] has it */
	int factor_timeout_written_ms;	  /* FactorTimeout as written; 0: it is not */
	int factor_timeout_ms;		  /* the same, or if not set that of [gateway] */
	int pubkey_auth_written;	  /* PubkeyAuthOptions as written */
	int pubkey_auth;		  /* the same, or if not set that of [gateway] */
	struct conf_rekey rekey;	  /* RekeyLimit as written */
	struct conf_rekey rekey_limit;	  /* the same, or if not set that of [gateway] */

	/* Policy: what may be done once logged in (access/policy_from_route.h). */
	int restrict_all; /* Restrict: the next five default to no */
	enum route_forward allow_tcp, allow_stream;
	int allow_agent, x11, permit_tty;
	struct strlist permit_open, permit_listen; /* words as written; empty: any */
	struct strlist permit_commands;		   /* shell, exec, subsystems; empty: any */
	struct strlist accept_env;		   /* patterns; empty: any */
	struct strlist set_env;			   /* "NAME=value" */
	char *force_command;			   /* as written, or NULL */
	char *banner;				   /* Banner: resolved path, or NULL */
	char *sftp_read_only; /* yes, no or the path of the machine's sftp-server, or NULL */
	int max_sessions;
	int max_sessions_per_login; /* MaxSessionsPerLogin: connections; 0: as many as come */
	int idle_timeout_ms, session_timeout_ms, unused_timeout_ms; /* 0: none */
};

/*
 * Make a route of the entries of a section.  0 with *out set; or ERR_CONFIG, with unknown
 * keys, duplicates and bad values added to errors.  %1, %u and %% in values stay as they are until
 * route_expand() (lookup/plugin.h).
 */
int route_new(const struct conf *conf, const struct conf_section *section,
    struct conf_errors *errors, struct route **out) MUST_CHECK;

/* With Passthrough: is the upstream alone to say which methods let a user in?  1; or 0:
 * AuthenticationMethods or a factor of the gateway's has more to say. */
int route_upstream_decides(const struct route *r);

/* The authority that signs a certificate for each login: with Key = ca:NAME the name of its key in the
 * key store; with Key = ca-agent:SOCKET the file CertificateAuthority with its public key, and
 * route_ca_agent() is the path of the agent's socket.  Else NULL. */
const char *route_ca(const struct route *r);
const char *route_ca_agent(const struct route *r);

/* With SftpReadOnly: 1.  Else 0. */
int route_is_sftp_read_only(const struct route *r);

/* The command of Factor; the route has one. */
const char *route_factor_command(const struct route *r);

/* Does the route let everybody in, without a proof (AuthenticationMethods = none)?  1 or 0. */
int route_wants_nobody(const struct route *r);

/* May the gateway connect to this host of the route, by its name?  1 or 0. */
int route_may_dial(const struct route *r, const char *host);

/* 1 if it is reached by TLS to a proxy, for which there is a process. */
int route_has_tls(const struct route *r);

/* For the end of a reason why the upstream has not answered as an SSH server: what to look at in the
 * route, or "".  Static. */
const char *route_unlike_ssh(const struct route *r);

/* The part of a path below the route's TREE/DIR, or NULL if the path is elsewhere. */
const char *route_in_tree(const struct route *r, const char *path);

/* Print the route as [route NAME], in a form that can be read again. */
void route_dump(const struct route *r, FILE *to);

void route_free(struct route **r); /* takes NULL */

#endif
