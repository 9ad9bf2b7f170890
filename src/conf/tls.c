/*
 * The keyword table of [tls NAME] (tls.h).  Called by sections.c; the master asks conf_tls_for() for each TLS connection.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/match.h"
#include "base/names.h"
#include "conf/sections.h"
#include "conf/tls.h"
#include "formats/destination.h"

/* Each has its files in the keeper's memory, and all of them as text go to the master in one message, beside
 * [gateway]. */
#define CONF_TLS_MAX 32
#define CONF_TLS_TEXT_MAX (8 * 1024)

#define LEN(table) (sizeof(table) / sizeof((table)[0]))

static const char *const conf_tls_protocols[] = { "TLSv1.2", "TLSv1.3", NULL };

static int
conf_tls_check_host(const char *word, struct reason *why)
{
	size_t len = strlen(word);

	if (len < DESTINATION_HOST_SIZE &&
	    strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:*?") ==
		len)
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" is not a name or a pattern, such as ssh.example.org *.example.org", word);
}

static int
conf_tls_check_alpn(const char *word, struct reason *why)
{
	if (strlen(word) < 64 && strchr(word, ',') == NULL)
		return 0;
	return keyword_bad(why, "\"%.80s\" is not a name of ALPN, such as ssh or http/1.1", word);
}

#define F(member) .offset = offsetof(struct conf_tls, member)

static const struct keyword conf_tls_table[] = {
	{ "MatchHost", &keyword_words, F(match_host), .check = conf_tls_check_host },
	{ "Certificate", &keyword_path, F(certificate) },
	{ "Key", &keyword_string, F(key), .check = key_name_check },
	{ "ALPN", &keyword_words, F(alpn), .check = conf_tls_check_alpn, .value = "ssh" },
	{ "MinProtocol", &keyword_choice, F(min_protocol), .choices = conf_tls_protocols,
	    .value = "TLSv1.2" },
	{ "ClientCA", &keyword_paths, F(client_ca) },
	{ "ClientCRL", &keyword_paths, F(client_crl) },
	{ "ClientRules", &keyword_path, F(client_rules) },
	{ "HandshakeTimeout", &keyword_time, F(handshake_timeout_ms), .value = "10s", .min = 1000,
	    .max = 300000 },
};

const struct keyword *
conf_tls_keywords(size_t *n)
{
	*n = LEN(conf_tls_table);
	return conf_tls_table;
}

/* What is wrong with the section, or NULL. */
static const char *
conf_tls_wrong(const struct conf *conf, const struct conf_tls *t)
{
	if (t->certificate == NULL)
		return "has no Certificate: a PEM file, with the certificate first and its chain "
		       "after it";
	if (t->key == NULL)
		return "has no Key: the certificate's private key, which sallyport key add NAME "
		       "FILE.pem puts into the key store";
	if (strlist_has(&conf->gateway.host_keys, t->key))
		return "has a Key that is a HostKey: a key is for one of the two, so that nothing "
		       "signed for one counts for the other";
	if (t->client_crl.n > 0 && t->client_ca.n == 0)
		return "has ClientCRL without ClientCA, whose certificates it revokes";
	if (t->client_rules != NULL && t->client_ca.n == 0)
		return "has ClientRules without ClientCA, about whose certificates they are";
	return NULL;
}

static void
conf_tls_section(struct conf *conf, const struct conf_section *s, struct conf_tls *t,
    struct conf_errors *errors)
{
	struct keyword_ctx ctx = { .conf = conf };
	const size_t before = errors->n;
	struct reason why = { "" };
	const char *wrong = NULL;

	t->name = s->name;
	t->file = s->file;
	t->line = s->line;
	keyword_parse(conf_tls_table, LEN(conf_tls_table), s, t, &ctx, errors);
	if (key_name_check(s->name, &why) != 0)
		conf_error(errors, s->file, s->line, "[tls %.80s]: %s", s->name, why.text);
	/* what is missing may be in a line with an error */
	if (errors->n == before)
		wrong = conf_tls_wrong(conf, t);
	if (wrong != NULL)
		conf_error(errors, s->file, s->line, "[tls %s] %s", s->name, wrong);
}

void
conf_tls_parse(struct conf *conf, struct conf_errors *errors)
{
	const struct conf_section *s;
	size_t i, n = 0;

	for (i = 0; i < conf->n_sections; i++)
		n += strcmp(conf->sections[i].kind, "tls") == 0;
	if (n == 0)
		return;
	conf->tls = calloc(n, sizeof(*conf->tls));
	if (conf->tls == NULL) {
		conf_error(errors, conf->dir, 0, "out of memory");
		return;
	}
	for (i = 0; i < conf->n_sections; i++) {
		s = &conf->sections[i];
		if (strcmp(s->kind, "tls") != 0)
			continue;
		conf_tls_section(conf, s, &conf->tls[conf->n_tls++], errors);
		if (conf->n_tls == CONF_TLS_MAX + 1)
			conf_error(errors, s->file, s->line, "more than %d [tls] sections",
			    CONF_TLS_MAX);
	}
	sections_check_size(conf, "tls", conf_tls_dump, CONF_TLS_TEXT_MAX, errors);
}

void
conf_tls_clear(struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->n_tls; i++)
		keyword_clear(conf_tls_table, LEN(conf_tls_table), &conf->tls[i]);
	free(conf->tls);
	conf->tls = NULL;
	conf->n_tls = 0;
}

void
conf_tls_dump(const struct conf *conf, FILE *to)
{
	size_t i;

	for (i = 0; i < conf->n_tls; i++) {
		fprintf(to, "\n[tls %s]\n", conf->tls[i].name);
		keyword_dump(conf_tls_table, LEN(conf_tls_table), &conf->tls[i], to);
	}
}

static int
conf_tls_matches(const char *host, const char *pattern)
{
	return match_pattern((struct bytes){ (const uint8_t *)host, strlen(host) },
	    (struct bytes){ (const uint8_t *)pattern, strlen(pattern) }, MATCH_FOLD);
}

const struct conf_tls *
conf_tls_for(const struct conf *conf, const char *host)
{
	const struct strlist *patterns;
	size_t i, j;

	for (i = 0; i < conf->n_tls; i++) {
		patterns = &conf->tls[i].match_host;
		if (patterns->n == 0)
			return &conf->tls[i];
		for (j = 0; j < patterns->n; j++)
			if (host[0] != '\0' && conf_tls_matches(host, patterns->v[j]))
				return &conf->tls[i];
	}
	return NULL;
}

const struct conf_tls *
conf_tls_find(const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->n_tls; i++)
		if (strcmp(conf->tls[i].name, name) == 0)
			return &conf->tls[i];
	return NULL;
}
