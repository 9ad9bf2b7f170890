/*
 * The keywords of [route] in one table, and the rules for those that go together.  A new one is a field in
 * route.h, a row in route_table and its entry in sallyport.conf(5).  Called by the lookup backends.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/names.h"
#include "formats/destination.h"
#include "formats/tunnel_name.h"
#include "lookup/connect_via.h"
#include "lookup/lookup.h"
#include "lookup/plugin.h"
#include "lookup/route_text.h"
#include "lookup/route_types.h"
#include "lookup/percent.h"
#include "wire/algorithms.h"
#include "wire/methods.h"

static const char *const route_strict_names[] = {
	[ROUTE_STRICT_YES] = "yes",
	[ROUTE_STRICT_ACCEPT_NEW] = "accept-new",
	[ROUTE_STRICT_NO] = "no",
	NULL,
};

static const char *const route_mode_names[] = {
	[ROUTE_LOGIN] = "login",
	[ROUTE_JUMP] = "jump",
	[ROUTE_TUNNEL] = "tunnel",
	[ROUTE_HOP] = "hop",
	NULL,
};

static const char *const route_forward_names[] = {
	[ROUTE_FORWARD_NO] = "no",
	[ROUTE_FORWARD_LOCAL] = "local",
	[ROUTE_FORWARD_REMOTE] = "remote",
	[ROUTE_FORWARD_YES] = "yes",
	NULL,
};

static const char *const yes_no[] = { "no", "yes", NULL };

/* SendProxy: the index is the version of the header. */
static const char *const route_proxy_names[] = { "no", "v1", "v2", NULL };

#define R(member) .offset = offsetof(struct route, member)

static const struct keyword route_table[] = {
	{ "Mode", &keyword_choice, R(mode), .choices = route_mode_names, .value = "login" },
	{ "AllowDestinations", &keyword_words, R(destinations), .check = destination_check },
	{ "TunnelNames", &route_template_words, R(tunnel_names) },
	{ "MaxTunnels", &keyword_int, R(max_tunnels), .value = "10", .min = 1, .max = 100 },
	{ "TunnelPorts", &keyword_string, R(tunnel_ports), .check = route_check_tunnel_ports },
	{ "HostName", &route_template_words, R(hosts), .check = route_check_host },
	{ "Port", &keyword_port, R(port), .value = "22" },
	{ "ResolveSRV", &keyword_choice, R(resolve_srv), .choices = yes_no, .value = "no" },
	{ "User", &route_template, R(user), .check = route_check_user },
	{ "AuthorizedKeysFile", &route_template_path, R(authorized_keys_file) },
	{ "AuthorizedKey", &keyword_lines, R(authorized_keys), .check = route_check_authorized_key,
	    .flags = KEYWORD_REPEAT | KEYWORD_HASH },
	{ "TrustedUserCAKeys", &route_template_path, R(trusted_user_ca_keys) },
	{ "AuthorizedPrincipals", &route_template_words, R(authorized_principals) },
	{ "RevokedKeys", &route_template_path, R(revoked_keys) },
	{ "Key", &route_template, R(key), .check = route_check_key },
	{ "Password", &route_template, R(password), .check = key_name_check },
	{ "CertificateFile", &route_template_path, R(certificate_file) },
	{ "CertificateAuthority", &route_template_path, R(certificate_authority) },
	{ "CertificatePrincipals", &route_template_words, R(certificate_principals),
	    .check = route_check_principal },
	{ "CertificateLifetime", &keyword_time, R(certificate_lifetime_ms), .value = "5m",
	    .min = 30 * 1000, .max = 24 * 3600 * 1000 },
	{ "CertificateSkew", &keyword_time, R(certificate_skew_ms), .value = "1m",
	    .max = 3600 * 1000 },
	{ "CertificateSourceAddress", &keyword_string, R(certificate_source_address),
	    .check = route_check_source_address },
	{ "PasswordHash", &keyword_string, R(password_hash), .check = route_check_password_hash },
	{ "Passthrough", &keyword_choice, R(passthrough), .choices = yes_no, .value = "no" },
	{ "AuthenticationMethods", &keyword_words, R(authentication_methods),
	    .check = route_check_methods },
	{ "TOTP", &route_template, R(totp), .check = key_name_check },
	{ "TotpSkew", &keyword_int, R(totp_skew), .value = "1", .max = 10 },
	{ "TotpRemember", &keyword_time, R(totp_remember_ms), .value = "none", .min = 60 * 1000,
	    .max = 14 * 24 * 3600 * 1000, .flags = KEYWORD_NONE },
	{ "Factor", &route_factor, R(factor) },
	{ "UserKnownHostsFile", &keyword_paths, R(known_hosts_files),
	    .check = route_check_no_holes },
	{ "HostKeyFingerprint", &keyword_words, R(host_key_fingerprints),
	    .check = route_check_fingerprint },
	{ "StrictHostKeyChecking", &keyword_choice, R(strict), .choices = route_strict_names,
	    .value = "yes" },
	{ "ResolveCache", &keyword_time, R(resolve_cache_ms), .value = "none", .max = 300 * 1000 },
	{ "ConnectTimeout", &keyword_time, R(connect_timeout_ms), .value = "10s", .min = 1000,
	    .max = 3600 * 1000 },
	{ "ConnectVia", &keyword_string, R(connect_via), .check = route_check_connect_via },
	{ "ConnectViaPassword", &route_template, R(connect_via_password), .check = key_name_check },
	{ "ConnectViaCA", &route_template_path, R(connect_via_ca) },
	{ "SendProxy", &keyword_choice, R(send_proxy), .choices = route_proxy_names,
	    .value = "no" },
	{ "ProxyJump", &route_template, R(proxy_jump), .check = route_check_hop_name },
	{ "ServerAliveInterval", &keyword_time, R(server_alive_interval_ms), .value = "15s" },
	{ "Ciphers", &keyword_algorithms, R(ciphers), .min = ALGORITHMS_CIPHER },
	{ "KexAlgorithms", &keyword_algorithms, R(kex_algorithms), .min = ALGORITHMS_KEX },
	{ "HostKeyAlgorithms", &keyword_algorithms, R(host_key_algorithms),
	    .min = ALGORITHMS_HOST_KEY },
	{ "MACs", &keyword_algorithms, R(macs), .min = ALGORITHMS_MAC },
	{ "PubkeyAcceptedAlgorithms", &route_user_key_algorithms, R(pubkey_accepted_algorithms) },
	{ "FactorTimeout", &keyword_time, R(factor_timeout_written_ms), .min = 1000,
	    .max = 3600 * 1000 },
	{ "PubkeyAuthOptions", &keyword_mask, R(pubkey_auth_written),
	    .choices = conf_pubkey_auth_names },
	{ "RekeyLimit", &keyword_rekey, R(rekey) },
	{ "Restrict", &keyword_choice, R(restrict_all), .choices = yes_no, .value = "no" },
	{ "AllowTcpForwarding", &keyword_choice, R(allow_tcp), .choices = route_forward_names,
	    .value = "yes" },
	{ "AllowStreamLocalForwarding", &keyword_choice, R(allow_stream),
	    .choices = route_forward_names, .value = "yes" },
	{ "PermitOpen", &keyword_words, R(permit_open), .check = route_check_permit_open },
	{ "PermitListen", &keyword_words, R(permit_listen), .check = route_check_permit_listen },
	{ "AllowAgentForwarding", &keyword_choice, R(allow_agent), .choices = yes_no,
	    .value = "yes" },
	{ "X11Forwarding", &keyword_choice, R(x11), .choices = yes_no, .value = "yes" },
	{ "PermitTTY", &keyword_choice, R(permit_tty), .choices = yes_no, .value = "yes" },
	{ "PermitCommands", &keyword_words, R(permit_commands), .check = route_check_command },
	{ "AcceptEnv", &keyword_words, R(accept_env) },
	{ "SetEnv", &route_set_env, R(set_env), .flags = KEYWORD_REPEAT | KEYWORD_HASH },
	{ "ForceCommand", &keyword_string, R(force_command), .flags = KEYWORD_HASH },
	{ "Banner", &route_template_path, R(banner) },
	{ "SftpReadOnly", &keyword_string, R(sftp_read_only), .check = route_check_sftp_server },
	{ "MaxSessions", &keyword_int, R(max_sessions), .value = "1024", .max = 1024 },
	{ "MaxSessionsPerLogin", &keyword_int, R(max_sessions_per_login), .value = "none", .min = 1,
	    .max = 10000, .flags = KEYWORD_NONE },
	{ "IdleTimeout", &keyword_time, R(idle_timeout_ms), .value = "none" },
	{ "SessionTimeout", &keyword_time, R(session_timeout_ms), .value = "none" },
	{ "UnusedConnectionTimeout", &keyword_time, R(unused_timeout_ms), .value = "none" },

	{ "MatchAddress", &keyword_string, R(match_address), .check = route_check_addresses },
	{ "MatchLocalAddress", &keyword_string, R(match_local_address),
	    .check = route_check_addresses },
	{ "MatchLocalPort", &keyword_words, R(match_local_ports), .check = route_check_port },
	{ "MatchHost", &keyword_words, R(match_hosts), .check = route_check_match_host },
	{ "MatchFingerprint", &keyword_words, R(match_fingerprints),
	    .check = route_check_fingerprint },
	{ "MatchClientCN", &keyword_words, R(match_client_cn) },
	{ "MatchClientOU", &keyword_words, R(match_client_ou) },
	{ "MatchClientSAN", &keyword_words, R(match_client_san), .check = route_check_client_san },
	{ "MatchClientFingerprint", &keyword_words, R(match_client_fingerprints),
	    .check = route_check_client_fingerprint },

	/* Keys of later versions: refused, because a policy must not be ignored silently. */
	{ .name = "Record" },
};

#define NKEYWORDS (sizeof(route_table) / sizeof(route_table[0]))

_Static_assert(NKEYWORDS <= KEYWORDS_MAX, "KEYWORDS_MAX is too small");
_Static_assert(sizeof(enum route_forward) == sizeof(int), "keyword_choice sets an int");
_Static_assert(sizeof(enum route_strict) == sizeof(int), "keyword_choice sets an int");
_Static_assert(sizeof(enum route_mode) == sizeof(int), "keyword_choice sets an int");

const struct keyword *
route_keywords(size_t *n)
{
	*n = NKEYWORDS;
	return route_table;
}

int
route_has(const struct conf_section *section, const char *key)
{
	return conf_entry_find(section, key) != NULL;
}

/* The LABEL of [route NAME/LABEL]. */
static void
route_check_label(const struct conf_section *s, struct conf_errors *errors)
{
	const char *label = route_name_label(s->name);
	size_t i = 0;

	if (label == NULL)
		return;
	if (*label == '\0' ||
	    strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@+-") !=
		strlen(label))
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: the label after the / may have A-Z a-z 0-9 . _ @ + -",
		    s->name);
	while (route_conditions[i] != NULL && !route_has(s, route_conditions[i]))
		i++;
	if (route_conditions[i] == NULL)
		conf_error(errors, s->file, s->line,
		    "[route %.100s] needs MatchAddress, MatchLocalAddress, MatchLocalPort, "
		    "MatchHost or MatchFingerprint: when to use it instead of [route %.*s]",
		    s->name, (int)(route_name_len(s->name) > 100 ? 100 : route_name_len(s->name)),
		    s->name);
}

/* An error if "any" or "none" is not the only word. */
static void
route_check_alone(const struct conf_section *s, const char *key, const struct strlist *words,
    struct conf_errors *errors)
{
	const struct conf_entry *e = conf_entry_find(s, key);
	size_t i;

	for (i = 0; e != NULL && words->n > 1 && i < words->n; i++)
		if (strcasecmp(words->v[i], "any") == 0 || strcasecmp(words->v[i], "none") == 0)
			conf_error(errors, e->file, e->line, "%s: %s must be the only value", key,
			    words->v[i]);
}

/* Restrict = yes, like the option restrict of authorized_keys(5): everything that the section does not
 * allow by a key of its own is forbidden. */
static void
route_apply_restrict(const struct conf_section *s, struct route *r)
{
	if (!r->restrict_all)
		return;
	if (!route_has(s, "AllowTcpForwarding"))
		r->allow_tcp = ROUTE_FORWARD_NO;
	if (!route_has(s, "AllowStreamLocalForwarding"))
		r->allow_stream = ROUTE_FORWARD_NO;
	if (!route_has(s, "AllowAgentForwarding"))
		r->allow_agent = 0;
	if (!route_has(s, "X11Forwarding"))
		r->x11 = 0;
	if (!route_has(s, "PermitTTY"))
		r->permit_tty = 0;
}

/* The NAME of [route NAME], and the number of its captures. */
static unsigned int
route_check_name(const struct conf_section *s, struct conf_errors *errors)
{
	struct login_pattern *pattern = NULL;
	unsigned int captures = 0;
	struct reason why;

	if (!login_pattern_is_regex(s->name) && !login_name_ok(s->name, route_name_len(s->name)))
		conf_error(errors, s->file, s->line,
		    "[route %.100s] can't be a login: 1 to 255 bytes of printable text, no /, "
		    "no leading -",
		    s->name);
	if (!login_pattern_is(s->name))
		return 0;
	if (login_pattern_new(s->name, &pattern, &why) == 0)
		captures = login_pattern_captures(pattern);
	else if (login_pattern_is_regex(s->name)) /* errors show each backslash as \134 */
		conf_error(errors, s->file, s->line, "%s", why.text);
	else
		conf_error(errors, s->file, s->line, "[route %.100s]: %s", s->name, why.text);
	login_pattern_free(&pattern);
	return captures;
}

/* ConnectVia and ConnectViaPassword: a user and a password, or neither. */
static void
route_check_via(const struct conf_section *s, const struct route *r, struct conf_errors *errors)
{
	const struct conf_entry *e = conf_entry_find(s, "ConnectViaPassword");
	struct connect_via via;
	struct reason why;

	if (r->connect_via == NULL) {
		if (e != NULL && !route_has(s, "ConnectVia"))
			conf_error(errors, e->file, e->line,
			    "ConnectViaPassword needs ConnectVia: the proxy that it is for");
		e = conf_entry_find(s, "ConnectViaCA");
		if (e != NULL && !route_has(s, "ConnectVia"))
			conf_error(errors, e->file, e->line,
			    "ConnectViaCA needs ConnectVia: the proxy that it is for");
		return;
	}
	if (r->resolve_srv || r->resolve_cache_ms > 0)
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: %s has no meaning with ConnectVia: the proxy looks names up",
		    s->name, r->resolve_srv ? "ResolveSRV" : "ResolveCache");
	if (connect_via_parse(r->connect_via, &via, &why) != 0)
		return; /* its error is there already */
	if (route_has(s, "ConnectViaCA") && !connect_via_is_tls(&via))
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: ConnectViaCA needs ConnectVia = https://... or tls://...",
		    s->name);
	if (strcmp(via.scheme, "tls") == 0 && destination_has_networks(&r->destinations))
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: networks in AllowDestinations have no meaning with ConnectVia "
		    "= tls://...: the other side looks names up",
		    s->name);
	if (e != NULL && via.user[0] == '\0')
		conf_error(errors, e->file, e->line,
		    "ConnectViaPassword needs a user in ConnectVia: %s://USER@...", via.scheme);
	if (e == NULL && via.user[0] != '\0') {
		e = conf_entry_find(s, "ConnectVia");
		conf_error(errors, e->file, e->line,
		    "ConnectVia: the user %.80s needs ConnectViaPassword", via.user);
	}
}

/* How the gateway gets to the upstream and logs in there. */
static void
route_check_upstream(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors)
{
	if (!route_has(s, "HostName"))
		conf_error(errors, s->file, s->line,
		    "[route %.100s] needs HostName: where it leads to", s->name);
	if (!route_has(s, "Key") && r->key_file == NULL && !route_has(s, "Password") &&
	    !r->passthrough)
		conf_error(errors, s->file, s->line,
		    "[route %.100s] needs Key (or Password, or Passthrough): a way to log in to "
		    "the upstream",
		    s->name);
	if (r->strict == ROUTE_STRICT_YES && !route_has(s, "UserKnownHostsFile") &&
	    !route_has(s, "HostKeyFingerprint"))
		conf_error(errors, s->file, s->line,
		    "[route %.100s] needs UserKnownHostsFile or HostKeyFingerprint: the "
		    "upstream's host keys",
		    s->name);
}

/* Keywords that are required, and keywords that go together.  One with a bad value has its error already and
 * counts as written. */
static void
route_check(const struct conf *conf, const struct conf_section *s, const struct route *r,
    struct conf_errors *errors)
{
	const struct conf_entry *e;

	route_check_label(s, errors);
	if (r->mode == ROUTE_LOGIN || r->mode == ROUTE_HOP)
		route_check_upstream(s, r, errors);
	else
		route_check_no_upstream(s, r, errors);
	route_check_via(s, r, errors);
	route_check_destinations(s, r, errors);
	route_check_modes(s, r, errors);
	route_check_behind(s, r, errors);
	route_check_proofs(s, r, errors);
	if (r->mode == ROUTE_HOP)
		route_check_hop(s, r, errors);
	else if (!route_has_keys(s) && !route_has(s, "PasswordHash") && !r->passthrough &&
	    !strlist_has(&r->authentication_methods, METHOD_NONE) &&
	    !strlist_has(&r->authentication_methods, METHOD_FACTOR))
		conf_error(errors, s->file, s->line,
		    "[route %.100s] needs AuthorizedKeysFile, AuthorizedKey, TrustedUserCAKeys or "
		    "PasswordHash: who may log in",
		    s->name);
	e = conf_entry_find(s, "AuthorizedPrincipals");
	if (e != NULL && !route_has(s, "TrustedUserCAKeys"))
		conf_error(errors, e->file, e->line,
		    "AuthorizedPrincipals needs TrustedUserCAKeys; in a cert-authority line, "
		    "write principals=\"\"");
	e = conf_entry_find(s, "CertificateFile");
	if (e != NULL && (r->agent || (!route_has(s, "Key") && r->key_file == NULL)))
		conf_error(errors, e->file, e->line,
		    "CertificateFile needs Key: the key that it certifies");
	e = conf_entry_find(s, "StrictHostKeyChecking");
	if (r->strict == ROUTE_STRICT_ACCEPT_NEW && !route_has(s, "UserKnownHostsFile"))
		conf_error(errors, e->file, e->line,
		    "StrictHostKeyChecking = accept-new needs UserKnownHostsFile: where to write "
		    "new host keys");
	route_check_alone(s, "PermitOpen", &r->permit_open, errors);
	route_check_alone(s, "PermitListen", &r->permit_listen, errors);
	route_check_alone(s, "PermitCommands", &r->permit_commands, errors);
	route_check_policy_size(s, r, errors);
	route_check_certificates(conf, s, r, errors);
	e = conf_entry_find(s, "Key");
	if (r->key != NULL && strlist_has(&conf->gateway.host_keys, r->key))
		conf_error(errors, e->file, e->line,
		    "Key: %s is the gateway's own HostKey; make another: sallyport key generate "
		    "NAME",
		    r->key);
}

const char *
route_unlike_ssh(const struct route *r)
{
	static const char *const by_version[] = {
		"",
		"; the route has SendProxy = v1: does this port expect a PROXY header?",
		"; the route has SendProxy = v2: does this port expect a PROXY header?",
	};

	return by_version[r->send_proxy];
}

const char *
route_in_tree(const struct route *r, const char *path)
{
	size_t tree, dir;

	if (r->tree == NULL)
		return NULL;
	tree = strlen(r->tree);
	dir = strlen(r->tree_dir);
	if (strncmp(path, r->tree, tree) != 0 || path[tree] != '/' ||
	    strncmp(path + tree + 1, r->tree_dir, dir) != 0 || path[tree + 1 + dir] != '/')
		return NULL;
	return path + tree + dir + 2;
}

int
route_new(const struct conf *conf, const struct conf_section *section, struct conf_errors *errors,
    struct route **out)
{
	return route_new_with(conf, section, NULL, errors, out);
}

int
route_new_with(const struct conf *conf, const struct conf_section *section, const char *key_file,
    struct conf_errors *errors, struct route **out)
{
	struct keyword_ctx ctx = { .conf = conf };
	size_t before = errors->n;
	struct route *r;

	*out = NULL;
	r = calloc(1, sizeof(*r));
	if (r != NULL) {
		r->file_rule = conf->file_rule;
		r->name = strdup(section->name);
		if (asprintf(&r->source, section->line == 0 ? "%s" : "%s:%u", section->file,
			section->line) == -1)
			r->source = NULL;
	}
	if (r != NULL && key_file != NULL)
		r->key_file = strdup(key_file);
	if (r == NULL || r->name == NULL || r->source == NULL ||
	    (key_file != NULL && r->key_file == NULL)) {
		conf_error(errors, section->file, section->line, "out of memory");
	} else {
		ctx.captures = route_check_name(section, errors);
		keyword_parse(route_table, NKEYWORDS, section, r, &ctx, errors);
		/* before expansion: Key = %u must not mean the agent for a login named agent */
		r->agent = r->key != NULL && strcmp(r->key, CONF_KEY_AGENT) == 0;
		r->proxy_jump_by_login = r->proxy_jump != NULL && percent_has(r->proxy_jump);
		r->pubkey_auth = r->pubkey_auth_written != 0 ? r->pubkey_auth_written :
							       conf->gateway.pubkey_auth;
		r->factor_timeout_ms = r->factor_timeout_written_ms != 0 ?
		    r->factor_timeout_written_ms :
		    conf->gateway.factor_timeout_ms;
		r->rekey_limit = r->rekey.set ? r->rekey : conf->gateway.rekey;
		route_apply_restrict(section, r);
		route_check(conf, section, r, errors);
		if (route_set_methods(section, r) != 0)
			conf_error(errors, section->file, section->line, "out of memory");
	}
	if (errors->n != before) {
		route_free(&r);
		return ERR_CONFIG;
	}
	*out = r;
	return 0;
}

void
route_free(struct route **r)
{
	struct route *old = *r;

	*r = NULL;
	if (old == NULL)
		return;
	if (old->password_hash != NULL)
		explicit_bzero(old->password_hash, strlen(old->password_hash));
	keyword_clear(route_table, NKEYWORDS, old);
	strlist_free(&old->methods);
	free(old->key_file);
	free(old->totp_file);
	free(old->tree);
	free(old->tree_dir);
	free(old->name);
	free(old->login);
	free(old->source);
	free(old);
}

void
route_dump(const struct route *r, FILE *to)
{
	fprintf(to, "[route %s]\n", r->name);
	keyword_dump(route_table, NKEYWORDS, r, to);
}

/* Expand one value, and check the result as if it had been written so. */
static int
route_expand_text(const struct keyword *kw, char **text, const struct wildcard_match *match,
    struct reason *why)
{
	char *filled;
	int err;

	if (*text == NULL || !percent_has(*text))
		return 0;
	err = percent_expand(*text, match, kw->type == &route_template_path, &filled);
	if (err == ERR_FORMAT) {
		reason_set(why, "%s: \"%.80s\" can't be filled in for this login", kw->name, *text);
		return err;
	}
	if (err != 0)
		return err;
	/* an authority is one because the route says so, never because a login does */
	if (kw->check == route_check_key &&
	    ((route_ca_of_key(filled) == NULL) != (route_ca_of_key(*text) == NULL) ||
		(route_ca_agent_of_key(filled) == NULL) !=
		    (route_ca_agent_of_key(*text) == NULL))) {
		reason_set(why, "Key: \"%.80s\" is filled in with an authority", *text);
		free(filled);
		return ERR_FORMAT;
	}
	/* the same of a tunnel */
	if (kw->check == route_check_host && tunnel_name_of_host(filled) != NULL &&
	    tunnel_name_of_host(*text) == NULL) {
		reason_set(why, "%s: \"%.80s\" is filled in with a tunnel", kw->name, *text);
		free(filled);
		return ERR_FORMAT;
	}
	free(*text);
	*text = filled;
	if (kw->check != NULL && kw->check(filled, why) != 0)
		return ERR_FORMAT;
	return 0;
}

int
route_expand(const struct conf *conf, struct route *r, const struct wildcard_match *match,
    struct reason *why)
{
	const struct keyword *kw;
	const char *name;
	struct strlist *l;
	size_t i, j;
	void *field;
	int err = 0;

	for (i = 0; err == 0 && i < NKEYWORDS; i++) {
		kw = &route_table[i];
		field = (char *)r + kw->offset;
		if (kw->type == &route_template || kw->type == &route_template_path)
			err = route_expand_text(kw, field, match, why);
		if (kw->type != &route_template_words)
			continue;
		for (l = field, j = 0; err == 0 && j < l->n; j++)
			err = route_expand_text(kw, &l->v[j], match, why);
	}
	name = route_ca(r) != NULL ? route_ca(r) : r->key;
	if (err == 0 && name != NULL && strlist_has(&conf->gateway.host_keys, name)) {
		reason_set(why, "Key: %s is the gateway's own HostKey", name);
		err = ERR_FORMAT;
	}
	return err;
}
