/*
 * The keyword tables of [gateway], [keystore] and [lookup], and the types of values that only they have; and
 * reading all sections but the routes.  A new key of [gateway] is a field in conf.h and a row in gateway_table.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/names.h"
#include "base/log.h"
#include "conf/edge.h"
#include "conf/forward.h"
#include "conf/tls.h"
#include "conf/keyword.h"
#include "conf/sections.h"
#include "conf/persource.h"
#include "wire/algorithms.h"

#define LISTEN_MAX 64
/* Where a package has its configuration, and its state. */
#define SYSTEM_BASE "/etc/sallyport"
#define SYSTEM_STATE "/var/lib/sallyport"

/* --- ListenAddress: words of ADDRESS:PORT --- */

static void
sections_clear_listen(void *field)
{
	struct conf_gateway *g = field;
	size_t i;

	for (i = 0; i < g->n_listen; i++)
		free(g->listen[i].host);
	free(g->listen);
	g->listen = NULL;
	g->n_listen = 0;
}

/* Split "1.2.3.4:22" or "[::1]:22" in place. */
static int
listen_split(char *word, struct conf_listen *l, struct reason *why)
{
	unsigned char addr[sizeof(struct in6_addr)];
	char plain[64], *host = word, *colon = strrchr(word, ':'), *scope;
	int family = AF_INET;

	if (conf_port(word, &l->port) == 0)
		return keyword_bad(why,
		    "\"%.80s\" has no address: write 0.0.0.0:%u, and [::]:%u for IPv6", word,
		    l->port, l->port);
	if (strchr(word, ':') != colon && word[0] != '[')
		return keyword_bad(why, "\"%.80s\": an IPv6 address goes in brackets: [::]:2222",
		    word);
	if (colon == NULL && word[0] != '[' && inet_pton(AF_INET, word, addr) != 1)
		return keyword_bad(why,
		    "\"%.80s\" is not an address with a port, such as 127.0.0.1:2222 or "
		    "[::1]:2222",
		    word);
	if (colon == NULL || (word[0] == '[' && (colon == word || colon[-1] != ']')))
		return keyword_bad(why, "\"%.80s\" has no port: write %.80s:2222", word, word);
	if (conf_port(colon + 1, &l->port) != 0)
		return keyword_bad(why, "\"%.80s\": the port is not one from 1 to 65535", word);
	*colon = '\0';
	if (word[0] == '[') {
		family = AF_INET6;
		host = word + 1;
		colon[-1] = '\0';
	}
	snprintf(plain, sizeof(plain), "%s", host);
	scope = strchr(plain, '%');
	if (scope != NULL && family == AF_INET6 && scope[1] != '\0')
		*scope = '\0';
	if (strlen(host) >= sizeof(plain) || inet_pton(family, plain, addr) != 1)
		return keyword_bad(why,
		    "\"%.80s\" is not an address, and names are not accepted, as they may "
		    "change: write 0.0.0.0 or [::] for all addresses of this host",
		    host);
	l->host = host;
	return 0;
}

static int
listen_add(struct conf_gateway *g, char *word, struct reason *why)
{
	struct conf_listen l = { 0 };
	size_t i;

	if (listen_split(word, &l, why) != 0)
		return ERR_FORMAT;
	for (i = 0; i < g->n_listen; i++)
		if (g->listen[i].port == l.port && strcmp(g->listen[i].host, l.host) == 0)
			return keyword_bad(why, "%s port %u is given twice", l.host, l.port);
	if (g->n_listen == LISTEN_MAX)
		return keyword_bad(why, "more than %d addresses", LISTEN_MAX);
	l.host = strdup(l.host);
	if (l.host == NULL)
		return ERR_NOMEM;
	g->listen[g->n_listen++] = l;
	return 0;
}

static int
sections_set_listen(const struct keyword *kw, void *field, const char *value,
    struct keyword_ctx *ctx)
{
	struct conf_gateway *g = field;
	struct strlist words = { 0 };
	size_t i;
	int err;

	(void)kw;
	err = strlist_add_words(&words, value);
	if (err == 0) {
		g->listen = calloc(LISTEN_MAX, sizeof(*g->listen));
		err = g->listen == NULL ? ERR_NOMEM : 0;
	}
	for (i = 0; err == 0 && i < words.n; i++)
		err = listen_add(g, words.v[i], &ctx->why);
	strlist_free(&words);
	return err;
}

static void
sections_print_listen(const struct keyword *kw, const void *field, FILE *to)
{
	const struct conf_gateway *g = field;
	size_t i;

	fprintf(to, "%s =", kw->name);
	for (i = 0; i < g->n_listen; i++)
		fprintf(to, strchr(g->listen[i].host, ':') == NULL ? " %s:%u" : " [%s]:%u",
		    g->listen[i].host, g->listen[i].port);
	fputc('\n', to);
}

/* The field is the whole struct conf_gateway, which has the list and its length. */
static const struct keyword_type sections_listen = { sections_set_listen, sections_print_listen,
	sections_clear_listen };

/* --- MaxStartups: begin:rate:full, or full alone --- */

static int
sections_set_startups(const struct keyword *kw, void *field, const char *value,
    struct keyword_ctx *ctx)
{
	int *v = field, n[3] = { 0 }, got, end = -1;
	size_t len = strlen(value);

	(void)kw;
	if (len <= 24 && strspn(value, "0123456789:") == len) {
		got = sscanf(value, "%7d:%3d:%7d%n", &n[0], &n[1], &n[2], &end);
		if (got == 1 && strchr(value, ':') == NULL && len <= 7) {
			n[1] = 100;
			n[2] = n[0];
			end = (int)len;
		}
	}
	if (end != (int)len || n[0] < 1 || n[1] < 1 || n[1] > 100 || n[2] < n[0])
		return keyword_bad(&ctx->why,
		    "\"%.80s\" is not BEGIN:RATE:FULL, such as 100:30:1000: from BEGIN "
		    "connections before login on, RATE percent of new ones are refused, from "
		    "FULL on all",
		    value);
	memcpy(v, n, sizeof(n));
	return 0;
}

static void
sections_print_startups(const struct keyword *kw, const void *field, FILE *to)
{
	const int *v = field;

	fprintf(to, "%s = %d:%d:%d\n", kw->name, v[0], v[1], v[2]);
}

static const struct keyword_type sections_startups = { sections_set_startups,
	sections_print_startups, NULL };

/* --- Unlock --- */

static int
sections_set_unlock(const struct keyword *kw, void *field, const char *value,
    struct keyword_ctx *ctx)
{
	char **p = field, *path;

	(void)kw;
	if (strcmp(value, "passphrase") == 0 ||
	    (strncmp(value, "credential:", 11) == 0 && key_name_ok(value + 11))) {
		*p = strdup(value);
		return *p == NULL ? ERR_NOMEM : 0;
	}
	if (strncmp(value, "file:", 5) != 0 || value[5] == '\0')
		return keyword_bad(&ctx->why,
		    "\"%.80s\" is none of: file:PATH credential:NAME passphrase", value);
	if (keyword_check_path(value + 5, &ctx->why) != 0)
		return ERR_FORMAT;
	path = conf_path(ctx->conf, value + 5);
	if (path == NULL || asprintf(p, "file:%s", path) == -1)
		*p = NULL;
	free(path);
	return *p == NULL ? ERR_NOMEM : 0;
}

static void
sections_print_unlock(const struct keyword *kw, const void *field, FILE *to)
{
	fprintf(to, "%s = %s\n", kw->name, *(char *const *)field);
}

static void
sections_clear_unlock(void *field)
{
	free(*(char **)field);
	*(char **)field = NULL;
}

static const struct keyword_type sections_unlock = { sections_set_unlock, sections_print_unlock,
	sections_clear_unlock };

/* --- the tables --- */

static int
sections_check_user(const char *word, struct reason *why)
{
	if (strcspn(word, " \t/:") == strlen(word) && word[0] != '-')
		return 0;
	return keyword_bad(why, "\"%.80s\" is not a user of this host", word);
}

static int
sections_check_backend(const char *word, struct reason *why)
{
	if (strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(word))
		return 0;
	return keyword_bad(why, "\"%.80s\" is not the name of a lookup backend", word);
}

static const char *const log_formats[] = { "sshd", "json", NULL };
static const char *const no_yes[] = { "no", "yes", NULL };
static const char *const log_levels[] = { "ERROR", "INFO", "DEBUG", NULL };

const char *const conf_pubkey_auth_names[] = { "touch-required", "verify-required", NULL };

#define G(member) offsetof(struct conf_gateway, member)

static const struct keyword gateway_table[] = {
	{ .name = "ListenAddress", .type = &sections_listen, .value = "0.0.0.0:2222 [::]:2222" },
	{ .name = "ListenFreeBind",
	    .type = &keyword_choice,
	    .offset = G(listen_free_bind),
	    .choices = no_yes,
	    .value = "no" },
	{ .name = "HostKey",
	    .type = &keyword_words,
	    .offset = G(host_keys),
	    .check = key_name_check,
	    .value = "host_ed25519" },
	{ .name = "HostCertificate", .type = &keyword_paths, .offset = G(host_certificates) },
	{ .name = "LoginGraceTime",
	    .type = &keyword_time,
	    .offset = G(login_grace_ms),
	    .value = "30s",
	    .min = 1000 },
	{ .name = "FactorTimeout",
	    .type = &keyword_time,
	    .offset = G(factor_timeout_ms),
	    .value = "2m",
	    .min = 1000,
	    .max = 3600 * 1000 },
	{ .name = "FactorPrograms", .type = &keyword_paths, .offset = G(factor_programs) },
	{ .name = "MaxStartups",
	    .type = &sections_startups,
	    .offset = G(max_startups),
	    .value = "100:30:1000" },
	{ .name = "PerSourceMaxStartups",
	    .type = &keyword_int,
	    .offset = G(per_source_max_startups),
	    .value = "50",
	    .min = 1,
	    .max = 1000000,
	    .flags = KEYWORD_NONE },
	{ .name = "PerSourceNetBlockSize",
	    .type = &persource_net_block,
	    .offset = G(per_source_net_block),
	    .value = "32:64" },
	{ .name = "PerSourcePenalties",
	    .type = &persource_penalties,
	    .offset = G(penalties),
	    .value = "yes" },
	{ .name = "PerSourcePenaltyExemptList",
	    .type = &keyword_string,
	    .offset = G(penalty_exempt),
	    .check = persource_check_exempt },
	{ .name = "MaxAuthTries",
	    .type = &keyword_int,
	    .offset = G(max_auth_tries),
	    .value = "6",
	    .min = 1,
	    .max = 1000 },
	{ .name = "ClientAliveInterval",
	    .type = &keyword_time,
	    .offset = G(client_alive_interval_ms),
	    .value = "15s" },
	{ .name = "ClientAliveCountMax",
	    .type = &keyword_int,
	    .offset = G(client_alive_count_max),
	    .value = "3",
	    .min = 1,
	    .max = 1000 },
	{ .name = "KexAlgorithms",
	    .type = &keyword_algorithms,
	    .offset = G(kex_algorithms),
	    .min = ALGORITHMS_SERVER_KEX },
	{ .name = "HostKeyAlgorithms",
	    .type = &keyword_algorithms,
	    .offset = G(host_key_algorithms),
	    .min = ALGORITHMS_SERVER_HOST_KEY },
	{ .name = "Ciphers",
	    .type = &keyword_algorithms,
	    .offset = G(ciphers),
	    .min = ALGORITHMS_CIPHER },
	{ .name = "MACs", .type = &keyword_algorithms, .offset = G(macs), .min = ALGORITHMS_MAC },
	{ .name = "PubkeyAcceptedAlgorithms",
	    .type = &keyword_algorithms,
	    .offset = G(pubkey_accepted_algorithms),
	    .min = ALGORITHMS_USER_KEY },
	{ .name = "PubkeyAuthOptions",
	    .type = &keyword_mask,
	    .offset = G(pubkey_auth),
	    .choices = conf_pubkey_auth_names,
	    .value = "none" },
	{ .name = "RekeyLimit",
	    .type = &keyword_rekey,
	    .offset = G(rekey),
	    .value = "default none" },
	{ .name = "Banner", .type = &keyword_path, .offset = G(banner) },
	{ .name = "RunAs",
	    .type = &keyword_string,
	    .offset = G(run_as),
	    .check = sections_check_user },
	{ .name = "RunNetworkAs",
	    .type = &keyword_string,
	    .offset = G(run_network_as),
	    .check = sections_check_user },
	{ .name = "StrictModes",
	    .type = &keyword_choice,
	    .offset = G(strict_modes),
	    .choices = no_yes,
	    .value = "yes" },
	{ .name = "LogFormat",
	    .type = &keyword_name,
	    .offset = G(log_format),
	    .choices = log_formats,
	    .value = "sshd" },
	{ .name = "LogLevel",
	    .type = &keyword_name,
	    .offset = G(log_level),
	    .choices = log_levels,
	    .value = "INFO" },
	{ .name = "ControlSocket",
	    .type = &keyword_path,
	    .offset = G(control_socket),
	    .value = "run/control",
	    .flags = KEYWORD_NONE },
	{ .name = "StateDirectory", .type = &keyword_path, .offset = G(state_directory) },
	{ .name = "GatewayNumber",
	    .type = &keyword_int,
	    .offset = G(number),
	    .value = "0",
	    .max = 1023 },
};

static const struct keyword keystore_table[] = {
	{ .name = "Path",
	    .type = &keyword_path,
	    .offset = offsetof(struct conf_keystore, path),
	    .value = "keys" },
	{ .name = "Unlock",
	    .type = &sections_unlock,
	    .offset = offsetof(struct conf_keystore, unlock) },
};

static const struct keyword lookup_table[] = {
	{ .name = "Order",
	    .type = &keyword_words,
	    .offset = offsetof(struct conf_lookup, order),
	    .check = sections_check_backend,
	    .value = "ini" },
	{ .name = "KnownHostsDirectory",
	    .type = &keyword_paths,
	    .offset = offsetof(struct conf_lookup, known_hosts_dirs) },
};

#define LEN(table) (sizeof(table) / sizeof((table)[0]))

static const struct section_table {
	const char *kind;
	const struct keyword *table;
	size_t n;
	size_t offset;
} section_tables[] = {
	{ "gateway", gateway_table, LEN(gateway_table), offsetof(struct conf, gateway) },
	{ "edge", edge_table, EDGE_KEYWORDS, offsetof(struct conf, edge) },
	{ "keystore", keystore_table, LEN(keystore_table), offsetof(struct conf, keystore) },
	{ "lookup", lookup_table, LEN(lookup_table), offsetof(struct conf, lookup) },
};

void
sections_check_size(const struct conf *conf, const char *kind,
    void (*dump)(const struct conf *, FILE *), size_t max, struct conf_errors *errors)
{
	const struct conf_section *last = NULL;
	char *text = NULL;
	size_t i, len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return;
	dump(conf, f);
	for (i = 0; i < conf->n_sections; i++)
		if (strcmp(conf->sections[i].kind, kind) == 0)
			last = &conf->sections[i];
	if (fclose(f) == 0 && len > max && last != NULL)
		conf_error(errors, last->file, last->line,
		    "the [%s] sections are longer than %zu KiB altogether", kind, max / 1024);
	free(text);
}

/* The default of StateDirectory: the first path that systemd.exec(5) gives in STATE_DIRECTORY, else that of a
 * package, else a directory beside conf.d.  NULL: out of memory. */
static char *
sections_state_directory(const struct conf *conf)
{
	const char *given = getenv("STATE_DIRECTORY");

	if (given != NULL && given[0] == '/')
		return strndup(given, strcspn(given, ":"));
	if (strcmp(conf->base, SYSTEM_BASE) == 0)
		return strdup(SYSTEM_STATE);
	return conf_path(conf, "state");
}

void
sections_parse(struct conf *conf, struct conf_errors *errors)
{
	struct keyword_ctx ctx = { .conf = conf };
	const struct section_table *t;
	struct conf_section none = { 0 }, *section;
	size_t i, j;

	for (i = 0; i < LEN(section_tables); i++) {
		t = &section_tables[i];
		section = &none;
		for (j = 0; j < conf->n_sections; j++)
			if (strcmp(conf->sections[j].kind, t->kind) == 0)
				section = &conf->sections[j];
		keyword_parse(t->table, t->n, section, (char *)conf + t->offset, &ctx, errors);
	}
	forwards_parse(conf, errors);
	conf_tls_parse(conf, errors);
	edge_check(conf, errors);
	if (conf->keystore.unlock == NULL && conf->keystore.path != NULL &&
	    asprintf(&conf->keystore.unlock, "file:%s/.unlock", conf->keystore.path) == -1) {
		conf->keystore.unlock = NULL;
		conf_error(errors, conf->dir, 0, "out of memory");
	}
	if (conf->gateway.state_directory == NULL)
		conf->gateway.state_directory = sections_state_directory(conf);
	if (conf->gateway.state_directory == NULL)
		conf_error(errors, conf->dir, 0, "out of memory");
}

const struct keyword *
sections_keywords(size_t i, const char **kind, size_t *n)
{
	if (i >= LEN(section_tables))
		return NULL;
	*kind = section_tables[i].kind;
	*n = section_tables[i].n;
	return section_tables[i].table;
}

void
sections_clear(struct conf *conf)
{
	size_t i;

	for (i = 0; i < LEN(section_tables); i++)
		keyword_clear(section_tables[i].table, section_tables[i].n,
		    (char *)conf + section_tables[i].offset);
	forwards_clear(conf);
	conf_tls_clear(conf);
}

void
sections_dump_one(const struct conf *conf, const char *kind, FILE *to)
{
	size_t i;

	for (i = 0; i < LEN(section_tables); i++) {
		if (strcmp(section_tables[i].kind, kind) != 0)
			continue;
		fprintf(to, "[%s]\n", kind);
		keyword_dump(section_tables[i].table, section_tables[i].n,
		    (const char *)conf + section_tables[i].offset, to);
	}
}

void
sections_dump(const struct conf *conf, FILE *to)
{
	size_t i;

	for (i = 0; i < LEN(section_tables); i++) {
		if (i > 0)
			fputc('\n', to);
		sections_dump_one(conf, section_tables[i].kind, to);
	}
	forwards_dump(conf, to);
	conf_tls_dump(conf, to);
}

void
conf_log(const struct conf_gateway *gateway, enum log_level *level, enum log_format *format)
{
	*format = strcasecmp(gateway->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_SSHD;
	*level = strcasecmp(gateway->log_level, "DEBUG") == 0 ? LOG_LVL_DEBUG :
	    strcasecmp(gateway->log_level, "ERROR") == 0      ? LOG_LVL_ERROR :
								LOG_LVL_INFO;
}

void
conf_set_log(const struct conf_gateway *gateway)
{
	enum log_level level;
	enum log_format format;

	conf_log(gateway, &level, &format);
	log_set_format(format);
	log_set_level(level);
}
