/*
 * A route: all that is known about where one login goes.  Made once from the
 * configuration (or by a backend at login) and shared by reference count; never
 * changed after that.
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

struct route {
	unsigned int refs;
	char *name;	     /* as in [route NAME]: a login or a pattern */
	char *source;	     /* where it stands, for the log: "conf.d/10-alice.ini:12" */
	const char *backend; /* which found it: "ini"; static */

	struct strlist hosts;	/* HostName: names or addresses, tried in order */
	uint16_t port;		/* default 22 */
	char *user;		/* User, or NULL: the login */
	int connect_timeout_ms; /* for all hosts together; default 10 s */

	char *authorized_keys_file;	/* resolved path, or NULL */
	struct strlist authorized_keys; /* AuthorizedKey lines */

	char *trusted_user_ca_keys;	      /* resolved path, or NULL */
	struct strlist authorized_principals; /* empty: the login */
	char *revoked_keys;		      /* resolved path, or NULL */

	char *key;		/* Key: name in the key store, or NULL */
	char *certificate_file; /* CertificateFile: resolved path, or NULL */
	char *key_file;		/* path of a private key in its place, or NULL */
	char *password;		/* Password: name in the key store, or NULL */
	int agent;		/* Key = agent: the person's own, none of the key store */

	struct safe_path_rule file_rule; /* for all files it names */

	/* A backend's directory, or NULL: files with a path below TREE/DIR are opened
	 * as base/login_dir.h has it, whoever opens them. */
	char *tree;
	char *tree_dir;

	/* When the route is meant: see route_matches(). */
	char *match_address; /* lists as in from="", or NULL */
	char *match_local_address;
	struct strlist match_fingerprints;

	int passthrough;     /* passwords and conversations go to the upstream */
	char *password_hash; /* Argon2id, as of libsodium, or NULL */
	/* AuthenticationMethods: lists, any of which suffices; empty: what the login has */
	struct strlist authentication_methods;
	struct strlist methods; /* the same, never empty */

	struct strlist known_hosts_files;     /* UserKnownHostsFile, resolved paths */
	struct strlist host_key_fingerprints; /* HostKeyFingerprint: "SHA256:..." */
	enum route_strict strict;

	int server_alive_interval_ms; /* default 15 s; 0: off */
	char *ciphers;		      /* algorithm lists as in ssh_config, or NULL */
	char *kex_algorithms;
	char *host_key_algorithms;
	char *macs;

	/* Policy: what may be done once logged in (access/policy_from_route.h). */
	int restrict_all; /* Restrict: the five below are closed unless they are written */
	enum route_forward allow_tcp, allow_stream;
	int allow_agent, x11, permit_tty;
	struct strlist permit_open, permit_listen; /* words as written; empty: any */
	struct strlist permit_commands;		   /* shell, exec, subsystems; empty: any */
	struct strlist accept_env;		   /* patterns; empty: any */
	struct strlist set_env;			   /* "NAME=value" */
	char *force_command;			   /* as written, or NULL */
	int max_sessions;
	int idle_timeout_ms, session_timeout_ms; /* 0: none */
};

/*
 * Make a route of key = value entries.  Unknown keys, duplicates and bad values
 * are added to errors with their places; 0 with *out set (one reference) if
 * there was none, else ERR_CONFIG.  %1, %u and %% in HostName, User, Key and
 * AuthorizedKeysFile, to name some, stay as they are until route_expand() (lookup/plugin.h).
 */
int route_new(const struct conf *conf, const struct conf_section *section,
    struct conf_errors *errors, struct route **out) MUST_CHECK;

/* The name of a file below the route's tree, or NULL if it is not there. */
const char *route_in_tree(const struct route *r, const char *path);

/* The route as [route NAME] would be written, in a form that reads back in. */
void route_dump(const struct route *r, FILE *to);

struct route *route_ref(struct route *r);
void route_unref(struct route **r); /* takes NULL */

#endif
