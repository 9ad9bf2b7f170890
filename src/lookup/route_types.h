/*
 * Keyword types and checks of the values that only routes have.
 */
#ifndef LOOKUP_ROUTE_TYPES_H
#define LOOKUP_ROUTE_TYPES_H

#include "base/reason.h"
#include "conf/keyword.h"

/* Values that are expanded (percent.h).  The keyword's check is made on the value expanded with "x". */
extern const struct keyword_type route_template;       /* char * */
extern const struct keyword_type route_template_words; /* struct strlist */
extern const struct keyword_type route_template_path;  /* char *: resolved */

/* PubkeyAcceptedAlgorithms: a list that narrows the one of [gateway]; NULL stands for that one. */
extern const struct keyword_type route_user_key_algorithms; /* char * */

/* Factor: "exec:" and a command, whose program is resolved. */
extern const struct keyword_type route_factor; /* char * */
#define ROUTE_FACTOR_EXEC "exec:"

/* The keyword table of [route].  For tests. */
const struct keyword *route_keywords(size_t *n);
/* SetEnv: words NAME=VALUE, with "double quotes" around blanks. */
extern const struct keyword_type route_set_env; /* struct strlist */
#define ROUTE_SET_ENV_MAX 40

/* Limits of a route's policy, which must fit the POLICY message: elements of a list, and bytes of it all,
 * with 4 more for each element.  The rest of the message is for the options of a key. */
#define ROUTE_POLICY_LIST_MAX 1024
#define ROUTE_POLICY_SIZE_MAX (48 * 1024)
#define ROUTE_SFTP_PATH_MAX 255 /* bytes of SftpReadOnly: longer than such a path ever is */

/* A copy of a list of addresses with single commas between them, where blanks may be, too; NULL: out of memory. */
char *route_address_list(const char *value);

/* Checks, each 0 or ERR_FORMAT with why. */
int route_check_host(const char *host, struct reason *why);
int route_check_user(const char *user, struct reason *why);
int route_check_fingerprint(const char *text, struct reason *why);
int route_check_authorized_key(const char *line, struct reason *why);
int route_check_addresses(const char *list, struct reason *why);
int route_check_port(const char *word, struct reason *why);
int route_check_match_host(const char *word, struct reason *why);
int route_check_client_san(const char *word, struct reason *why);
int route_check_client_fingerprint(const char *word, struct reason *why);
int route_check_permit_open(const char *word, struct reason *why);
int route_check_permit_listen(const char *word, struct reason *why);
int route_check_password_hash(const char *hash, struct reason *why);
int route_check_methods(const char *list, struct reason *why);
int route_check_command(const char *word, struct reason *why);
int route_check_sftp_server(const char *value, struct reason *why); /* route_policy.c */
int route_check_connect_via(const char *value, struct reason *why); /* connect_via.c */
int route_check_tunnel_ports(const char *value, struct reason *why);
int route_check_no_holes(const char *path, struct reason *why);
int route_check_hop_name(const char *name, struct reason *why); /* hop.c */
int route_check_key(const char *value, struct reason *why);	/* this and the next: route_ca.c */
int route_check_principal(const char *word, struct reason *why);
int route_check_source_address(const char *value, struct reason *why);

struct route;

/* 1 if the section has this keyword. */
int route_has(const struct conf_section *section, const char *key);

/* 1 if the route lists keys or authorities of its users. */
int route_has_keys(const struct conf_section *s);

/* Set r->methods: AuthenticationMethods, or a list of one for each method that the route can check.  0 or
 * ERR_NOMEM. */
int route_set_methods(const struct conf_section *s, struct route *r) MUST_CHECK;

/* Add errors for login methods, and ways to log in upstream, that do not go together. */
void route_check_proofs(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors);

/* A Mode without an upstream: add errors for keywords about one, and for those that the Mode needs. */
void route_check_no_upstream(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors);

/* Add errors for keywords of another Mode, and for those that do not go together with a tunnel as HostName. */
void route_check_modes(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors);

/* Add errors for AllowDestinations, and for hosts that need it or that it does not permit. */
void route_check_destinations(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors);

/* hop.c: add errors for keywords that have no meaning in a route with ProxyJump, and in one with Mode = hop. */
void route_check_behind(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors);
void route_check_hop(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors);

/* route_ca.c: add errors for keywords about certificates that do not go together with Key. */
void route_check_certificates(const struct conf *conf, const struct conf_section *s,
    const struct route *r, struct conf_errors *errors);

/* The NAME in ca:NAME, or NULL; key may be NULL. */
const char *route_ca_of_key(const char *key);
/* The SOCKET in ca-agent:SOCKET, or NULL. */
const char *route_ca_agent_of_key(const char *key);

/* Add an error if the route's policy exceeds these limits. */
void route_check_policy_size(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors);

#endif
