/*
 * The conditions of a route: for which connections it is meant.  Called by lookup.c and by the ini backend.
 */
#include <stdlib.h>
#include <string.h>

#include "base/match.h"
#include "formats/address.h"
#include "formats/destination.h"
#include "lookup/plugin.h"
#include "lookup/route_types.h"

const char *const route_conditions[] = { "MatchAddress", "MatchLocalAddress", "MatchLocalPort",
	"MatchHost", "MatchFingerprint", "MatchClientCN", "MatchClientOU", "MatchClientSAN",
	"MatchClientFingerprint", NULL };

char *
route_address_list(const char *value)
{
	char *list = strdup(value), *to = list;
	int gap = 0;

	if (list == NULL)
		return NULL;
	for (; *value != '\0'; value++) {
		if (*value == ' ' || *value == '\t' || *value == ',') {
			gap = to != list;
			continue;
		}
		if (gap)
			*to++ = ',';
		gap = 0;
		*to++ = *value;
	}
	*to = '\0';
	return list;
}

int
route_check_addresses(const char *value, struct reason *why)
{
	char *list = route_address_list(value);
	int ok = list != NULL && address_list_ok(list);

	free(list);
	if (ok)
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" is not a list of addresses: 192.0.2.7 10.0.0.0/8 !10.9.0.0/16 2001:db8::/32",
	    value);
}

static int
route_address_matches(const char *value, const char *address)
{
	char *list;
	int holds;

	if (value == NULL)
		return 1;
	list = route_address_list(value);
	holds = list != NULL && address_match(address, list) == 1;
	free(list);
	return holds;
}

int
route_check_port(const char *word, struct reason *why)
{
	uint16_t port;

	if (conf_port(word, &port) == 0)
		return 0;
	return keyword_bad(why, "\"%.80s\" is not a port from 1 to 65535", word);
}

int
route_check_match_host(const char *word, struct reason *why)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-:*?";

	if (strspn(word, letters) == strlen(word) && strlen(word) < DESTINATION_HOST_SIZE)
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" is not a host name, an address, or a pattern with * and ? such as "
	    "*.example.com",
	    word);
}

static int
route_host_matches(const struct strlist *patterns, const char *host)
{
	struct bytes name = { (const uint8_t *)host, host == NULL ? 0 : strlen(host) }, pattern;
	size_t i;

	for (i = 0; name.len > 0 && i < patterns->n; i++) {
		pattern = (struct bytes){ (const uint8_t *)patterns->v[i], strlen(patterns->v[i]) };
		if (match_pattern(name, pattern, MATCH_FOLD))
			return 1;
	}
	return patterns->n == 0;
}

/* --- the certificate of a TLS client --- */

int
route_check_client_san(const char *word, struct reason *why)
{
	static const char *const kinds[] = { "DNS:", "email:", "URI:", "IP:" };
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(word, kinds[i], strlen(kinds[i])) == 0)
			return 0;
	return keyword_bad(why,
	    "\"%.80s\" does not begin with DNS: email: URI: or IP:, as in DNS:*.example.org", word);
}

/* Without its colons and in lower case, which is how the keeper has it; cut to 64 digits and one more. */
static void
route_client_fingerprint(const char *word, char out[66])
{
	size_t n = 0;

	for (; *word != '\0' && n < 65; word++)
		if (*word != ':')
			out[n++] = (char)(*word >= 'A' && *word <= 'F' ? *word + 32 : *word);
	out[n] = '\0';
}

int
route_check_client_fingerprint(const char *word, struct reason *why)
{
	char digits[66];

	route_client_fingerprint(word, digits);
	if (strlen(digits) == 64 && strspn(digits, "0123456789abcdef") == 64)
		return 0;
	return keyword_bad(why,
	    "\"%.80s\" is not what openssl x509 -noout -fingerprint -sha256 prints behind the =",
	    word);
}

static int
route_name_matches(const struct strlist *patterns, const char *name, enum match_case letters)
{
	const struct bytes text = { (const uint8_t *)name, strlen(name) };
	struct bytes pattern;
	size_t i;

	for (i = 0; text.len > 0 && i < patterns->n; i++) {
		pattern = (struct bytes){ (const uint8_t *)patterns->v[i], strlen(patterns->v[i]) };
		if (match_pattern(text, pattern, letters))
			return 1;
	}
	return 0;
}

/* One of the names matches one of the patterns. */
static int
route_names_match(const struct strlist *patterns, const struct strlist *names,
    enum match_case letters)
{
	size_t i;

	for (i = 0; i < names->n; i++)
		if (route_name_matches(patterns, names->v[i], letters))
			return 1;
	return 0;
}

static int
route_client_fingerprint_matches(const struct strlist *list, const char *fingerprint)
{
	char digits[66];
	size_t i;

	for (i = 0; i < list->n; i++) {
		route_client_fingerprint(list->v[i], digits);
		if (strcmp(digits, fingerprint) == 0)
			return 1;
	}
	return 0;
}

static int
route_client_matches(const struct route *r, const struct lookup_certificate *c)
{
	if (r->match_client_cn.n + r->match_client_ou.n + r->match_client_san.n +
		r->match_client_fingerprints.n ==
	    0)
		return 1;
	return c != NULL &&
	    (r->match_client_cn.n == 0 ||
		route_name_matches(&r->match_client_cn, c->cn, MATCH_CASE)) &&
	    (r->match_client_ou.n == 0 ||
		route_names_match(&r->match_client_ou, c->units, MATCH_CASE)) &&
	    (r->match_client_san.n == 0 ||
		route_names_match(&r->match_client_san, c->names, MATCH_FOLD)) &&
	    (r->match_client_fingerprints.n == 0 ||
		route_client_fingerprint_matches(&r->match_client_fingerprints, c->fingerprint));
}

/* All conditions but the key's. */
static int
route_place_matches(const struct route *r, const struct lookup_request *request)
{
	return route_address_matches(r->match_address, request->client_address) &&
	    route_address_matches(r->match_local_address, request->local_address) &&
	    conf_ports_have(&r->match_local_ports, request->local_port) &&
	    route_host_matches(&r->match_hosts, request->host) &&
	    route_client_matches(r, request->certificate);
}

int
route_wants_key(const struct route *r, const struct lookup_request *request)
{
	return r->match_fingerprints.n > 0 && route_place_matches(r, request);
}

int
route_matches(const struct route *r, const struct lookup_request *request)
{
	if (!route_place_matches(r, request))
		return 0;
	if (r->match_fingerprints.n == 0)
		return 1;
	if (request->by_key != NULL)
		*request->by_key = LOOKUP_WANTS_KEY;
	return strlist_has(&r->match_fingerprints, request->fingerprint);
}
