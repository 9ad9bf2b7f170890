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
	"MatchHost", "MatchFingerprint", NULL };

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

static int
route_port_matches(const struct strlist *ports, unsigned int port)
{
	uint16_t one;
	size_t i;

	for (i = 0; i < ports->n; i++)
		if (conf_port(ports->v[i], &one) == 0 && one == port)
			return 1;
	return ports->n == 0;
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

/* All conditions but the key's. */
static int
route_place_matches(const struct route *r, const struct lookup_request *request)
{
	return route_address_matches(r->match_address, request->client_address) &&
	    route_address_matches(r->match_local_address, request->local_address) &&
	    route_port_matches(&r->match_local_ports, request->local_port) &&
	    route_host_matches(&r->match_hosts, request->host);
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
