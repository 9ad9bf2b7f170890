/*
 * The configuration: conf.d/ *.ini, read in byte order of their names, checked, and turned into one struct.
 * Sections [route NAME] are kept as they are written, each key with its file and line: lookup/ turns them
 * into routes and adds its errors to the same list.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "base/safe_path.h"
#include "base/strlist.h"

/* The keeper's user if the gateway is started as root and RunAs is not set. */
#define CONF_RUN_AS "sallyport"

/* One "key = value" as written; value has no blanks at either end. */
struct conf_entry {
	char *key;
	char *value;
	const char *file; /* as given on the command line + name; lives as long as the conf */
	unsigned int line;
};

struct conf_section {
	char *kind; /* of [route alice]: "route"; in lower case */
	char *name; /* of [route alice]: "alice"; "" if it has none */
	const char *file;
	unsigned int line;
	struct conf_entry *entries;
	size_t n;
};

/* An address to listen on, from ListenAddress. */
struct conf_listen {
	char *host; /* numeric address; "0.0.0.0", "::" */
	uint16_t port;
};

/* What a source earns a penalty for. */
enum conf_penalty {
	CONF_PENALTY_CRASH,
	CONF_PENALTY_AUTHFAIL,
	CONF_PENALTY_INVALIDUSER, /* always the same time as AUTHFAIL */
	CONF_PENALTY_NOAUTH,
	CONF_PENALTY_GRACE_EXCEEDED,
	CONF_PENALTY_REFUSECONNECTION, /* accepted for sshd's sake; nothing here is given it */
	CONF_PENALTIES
};

struct conf_penalties {
	int enabled;
	int ms[CONF_PENALTIES]; /* the time of each */
	int max_ms;		/* the most that a source can add up to; default 10 min */
	int min_ms;		/* with less a source is not refused; default 15 s */
	int max_sources[2];	/* IPv4, IPv6: sources that are remembered; default 65536 */
	int deny_all[2];	/* with so many, refuse all other sources, too; default no */
};

/* RekeyLimit: when a side of a connection asks for new keys. */
struct conf_rekey {
	uint64_t bytes; /* in one direction; 0: the limit of the cipher */
	int ms;		/* since the last key exchange; 0: no limit */
	int set;	/* 0: the keyword is not given */
};

/* PubkeyAuthOptions: a mask (keyword_mask), of what the signature of a security key (FIDO) has to show. */
enum conf_pubkey_auth {
	CONF_PUBKEY_TOUCH =
	    1 << 0, /* that it was touched, whatever a line of authorized_keys says */
	CONF_PUBKEY_VERIFY = 1 << 1, /* that its owner was verified, by a PIN for example */
};

/* The words for the bits, and NULL. */
extern const char *const conf_pubkey_auth_names[];

struct conf_gateway {
	struct conf_listen *listen; /* default 0.0.0.0:2222 and [::]:2222 */
	size_t n_listen;
	int listen_free_bind;		  /* bind addresses that this host does not have */
	struct strlist host_keys;	  /* names in the key store; default host_ed25519 */
	struct strlist host_certificates; /* paths (resolved) */
	int login_grace_ms;		  /* default 30 s */
	int factor_timeout_ms;		  /* default 2 min */
	struct strlist factor_programs; /* paths (resolved) that Factor may name; empty: not set */
	int max_startups[3];		/* begin, rate in percent, full; default 100:30:1000 */
	int per_source_max_startups;	/* default 50; 0: none */
	int per_source_net_block[2];	/* bits that make a source: IPv4, IPv6; default 32, 64 */
	struct conf_penalties penalties;
	char *penalty_exempt;	      /* list for address_match(), or NULL */
	int max_auth_tries;	      /* default 6 */
	int client_alive_interval_ms; /* default 15 s; 0: off */
	int client_alive_count_max;   /* default 3 */
	char *kex_algorithms;	      /* names separated by commas, or NULL: the default */
	char *host_key_algorithms;
	char *ciphers;
	char *macs;
	char *pubkey_accepted_algorithms;
	int pubkey_auth;	 /* enum conf_pubkey_auth */
	struct conf_rekey rekey; /* default: the cipher's limit, no time */
	char *banner;		 /* path (resolved), or NULL */
	char *run_as;		 /* user when started as root, or NULL */
	char *run_network_as;	 /* the same for all processes but the keeper, or NULL */
	int strict_modes;	 /* default 1 */
	char *log_format;	 /* "sshd" or "json" */
	char *log_level;	 /* "ERROR", "INFO" (default), "DEBUG" */
	char *control_socket;	 /* path (resolved), or "none" */
	char *state_directory;	 /* path (resolved) */
	int number;		 /* GatewayNumber; default 0 */
};

struct conf_forward;
struct conf_tls;

/* Connections that do not begin with SSH. */
struct conf_edge {
	struct strlist accept_proxy_from; /* blocks of addresses, each for address_match_blocks() */
	int proxy_timeout_ms;		  /* default 5 s */
	struct strlist detect_on;	  /* ports, and addresses with ports, of ListenAddress */
	int detect_timeout_ms;		  /* default 2 s */
	int restrict_to_ssh; /* other protocols are cut, unless a [forward] takes them; default 0 */
	int http_connect;    /* CONNECT of HTTP names the host of an SSH connection; default 0 */
	struct strlist connect_passwords; /* names in the key store; empty: it needs none */
};

struct conf_keystore {
	char *path;   /* resolved; default "keys" beside conf.d */
	char *unlock; /* "file:PATH" (resolved), "credential:NAME" or "passphrase";
		       * default file:<path>/.unlock */
};

struct conf_lookup {
	struct strlist order;		 /* names of backends; default: ini */
	struct strlist known_hosts_dirs; /* resolved paths, for routes that a backend makes */
	/* [lookup NAME] sections, for the backends to check */
	struct conf_section *sections;
	size_t n;
};

/* Errors, all of them, in the order found. */
struct conf_errors {
	struct conf_error {
		char *file;
		unsigned int line; /* 0: the file as a whole */
		char *text;
	} * v;
	size_t n;
};

struct conf {
	char *dir;     /* conf.d as given, or found in the directory given */
	char *base;    /* the directory that holds it: relative paths start here */
	int transient; /* of a route made for one login, which is never printed by check --dump */
	struct safe_path_rule file_rule; /* for every file that decides who gets in */
	struct conf_gateway gateway;
	struct conf_edge edge;
	struct conf_forward *forwards; /* [forward NAME] (forward.h), in their order */
	size_t n_forwards;
	struct conf_tls *tls; /* [tls NAME] (tls.h), in their order */
	size_t n_tls;
	struct conf_keystore keystore;
	struct conf_lookup lookup;
	struct conf_section *routes;
	size_t n_routes;
	struct conf_section
	    *sections; /* all others but [lookup NAME] as written: [forward NAME] is read from here,
			* the lines of errors, too */
	size_t n_sections;
	struct conf_arena *arena; /* the memory of the sections */
};

/* Which sections are kept.  The master does not need the routes. */
enum conf_what {
	CONF_ALL,
	CONF_GATEWAY, /* routes are neither checked nor kept */
};

/*
 * Read dir, or dir/conf.d if dir has no *.ini file and that exists (NULL: /etc/sallyport/conf.d if it
 * exists, else ./conf.d).  0 with *out set, the caller frees it; ERR_CONFIG with at least one error added to
 * errors and *out NULL.
 */
int conf_load(const char *dir, enum conf_what what, struct conf **out,
    struct conf_errors *errors) MUST_CHECK;

/*
 * As conf_load(), for `check`, which goes on to the routes after an error: *out is set although there were
 * errors, unless nothing could be read.  Values with errors are left out or zero, so no gateway may be
 * started with it.
 */
int conf_read(const char *dir, enum conf_what what, struct conf **out,
    struct conf_errors *errors) MUST_CHECK;

void conf_free(struct conf **conf);

void conf_error(struct conf_errors *errors, const char *file, unsigned int line, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

/* "file:line: message" lines. */
void conf_errors_print(const struct conf_errors *errors, FILE *to);
void conf_errors_free(struct conf_errors *errors);

/* The entry of a section with this key, in any letter case; the last if there are several; or NULL. */
const struct conf_entry *conf_entry_find(const struct conf_section *section, const char *key);

/* A key of [lookup BACKEND] as written, or NULL. */
const struct conf_entry *conf_lookup_entry(const struct conf *conf, const char *backend,
    const char *key);

/* The file and line of a key of [gateway], [edge], [keystore] or [lookup]: of its entry; if it is a default, of the
 * section; without a section, the directory and line 0. */
const char *conf_where(const struct conf *conf, const char *kind, const char *key,
    unsigned int *line);

/* Print the effective configuration in a form that can be read again: everything but the lookup backends and
 * the routes, which lookup/ prints. */
void conf_dump(const struct conf *conf, FILE *to);

/* 1 if there is something to do for the process edge. */
int conf_needs_edge(const struct conf *conf);

/* 1 if the first bytes of what connects to this address are looked at (DetectOn). */
int conf_detects(const struct conf *conf, const struct conf_listen *l);

/* Print [gateway], [edge], [forward NAME] and [tls NAME] alone, with absolute paths; and parse such a text.  0 with *out
 * set, or ERR_CONFIG with the errors added. */
void conf_gateway_dump(const struct conf *conf, FILE *to);
int conf_gateway_parse(const char *text, size_t len, struct conf **out,
    struct conf_errors *errors) MUST_CHECK;

/* LogFormat and LogLevel; and this process's log set to them. */
void conf_log(const struct conf_gateway *gateway, enum log_level *level, enum log_format *format);
void conf_set_log(const struct conf_gateway *gateway);

/* A path of the configuration made absolute: relative ones begin at conf->base.  malloc()ed; NULL: out of
 * memory. */
char *conf_path(const struct conf *conf, const char *path);

/* The value of Key that stands for the client's own agent; no key in the store may have this name. */
#define CONF_KEY_AGENT "agent"

/* Values.  Each returns 0 or ERR_FORMAT. */
/* A time as sshd_config(5) writes it, 1h30m: in seconds, at most 100 years; conf_time() in milliseconds, with
 * "none" for 0. */
#define CONF_SECONDS_MAX INT64_C(3155760000)
int conf_seconds(const char *value, int64_t *seconds) MUST_CHECK;
int conf_time(const char *value,
    int *ms) MUST_CHECK; /* sshd_config TIME FORMATS: 30, 30s, 5m, 1h30m, none (0) */
int conf_port(const char *value, uint16_t *port) MUST_CHECK;

/* 1 if the port is one of the list, or the list is empty. */
int conf_ports_have(const struct strlist *ports, uint32_t port);

#endif
