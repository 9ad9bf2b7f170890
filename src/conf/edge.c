/*
 * The keyword table of [edge] (edge.h).  Called by sections.c; the master asks conf_detects() for each
 * connection.
 */
#include <string.h>

#include "base/names.h"
#include "conf/edge.h"
#include "formats/address.h"

static const char *const edge_no_yes[] = { "no", "yes", NULL };

static int
edge_check_network(const char *word, struct reason *why)
{
	if (strchr(word, ',') == NULL && address_match_blocks("0.0.0.0", word) != -1)
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" is not an address or a network, such as 192.0.2.7 10.0.0.0/8 "
	    "2001:db8::/32",
	    word);
}

/* The port of PORT or ADDRESS:PORT, or 0; *len: the length of the address. */
static uint16_t
edge_detect_port(const char *word, size_t *len)
{
	const char *colon = strrchr(word, ':');
	uint16_t port;

	*len = colon == NULL ? 0 : (size_t)(colon - word);
	if (conf_port(colon == NULL ? word : colon + 1, &port) != 0 || (colon != NULL && *len == 0))
		return 0;
	return port;
}

static int
edge_check_detect(const char *word, struct reason *why)
{
	size_t len;

	if (edge_detect_port(word, &len) != 0)
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" is not a port, such as 443, nor an address with one, as in ListenAddress",
	    word);
}

/* 1 if a word of DetectOn means this address. */
static int
edge_detect_matches(const char *word, const struct conf_listen *l)
{
	const size_t host = strlen(l->host);
	size_t len;

	if (edge_detect_port(word, &len) != l->port)
		return 0;
	if (word[0] == '[' && len > 2 && word[len - 1] == ']') {
		word++;
		len -= 2;
	}
	return len == 0 || (len == host && strncmp(word, l->host, len) == 0);
}

int
conf_needs_edge(const struct conf *conf)
{
	return conf->edge.accept_proxy_from.n > 0 || conf->n_forwards > 0 || conf->n_tls > 0 ||
	    conf->edge.restrict_to_ssh || conf->edge.http_connect;
}

int
conf_detects(const struct conf *conf, const struct conf_listen *l)
{
	const struct strlist *on = &conf->edge.detect_on;
	size_t i;

	if (conf->n_forwards == 0 && conf->n_tls == 0 && !conf->edge.restrict_to_ssh &&
	    !conf->edge.http_connect)
		return 0;
	for (i = 0; i < on->n; i++)
		if (edge_detect_matches(on->v[i], l))
			return 1;
	return on->n == 0;
}

void
edge_check(const struct conf *conf, struct conf_errors *errors)
{
	const struct strlist *on = &conf->edge.detect_on;
	const char *file;
	unsigned int line;
	size_t i, j;

	file = conf_where(conf, "edge", "DetectOn", &line);
	/* without any, ListenAddress has an error of its own */
	for (i = 0; i < on->n && conf->gateway.n_listen > 0; i++) {
		for (j = 0; j < conf->gateway.n_listen &&
		     !edge_detect_matches(on->v[i], &conf->gateway.listen[j]);
		     j++)
			;
		if (j == conf->gateway.n_listen)
			conf_error(errors, file, line, "DetectOn: %.80s is not a ListenAddress",
			    on->v[i]);
	}
	file = conf_where(conf, "edge", "ConnectPasswords", &line);
	if (conf->edge.connect_passwords.n > 0 && !conf->edge.http_connect)
		conf_error(errors, file, line, "ConnectPasswords needs HttpConnect = yes");
}

#define E(member) .offset = offsetof(struct conf_edge, member)

const struct keyword edge_table[EDGE_KEYWORDS] = {
	{ "AcceptProxyFrom", &keyword_words, E(accept_proxy_from), .check = edge_check_network },
	{ "ProxyTimeout", &keyword_time, E(proxy_timeout_ms), .value = "5s", .min = 1000,
	    .max = 60000 },
	{ "DetectOn", &keyword_words, E(detect_on), .check = edge_check_detect },
	{ "DetectTimeout", &keyword_time, E(detect_timeout_ms), .value = "2s", .min = 1000,
	    .max = 60000 },
	{ "RestrictToSSH", &keyword_choice, E(restrict_to_ssh), .choices = edge_no_yes,
	    .value = "no" },
	{ "HttpConnect", &keyword_choice, E(http_connect), .choices = edge_no_yes, .value = "no" },
	{ "ConnectPasswords", &keyword_words, E(connect_passwords), .check = key_name_check },
};
