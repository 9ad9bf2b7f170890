/*
 * AllowDestinations, and the hosts of routes that it is for: those that a user has a say in (route.c).
 */
#include <string.h>

#include "formats/destination.h"
#include "lookup/percent.h"
#include "lookup/route.h"
#include "lookup/route_types.h"

/* Bytes of AllowDestinations: the list goes with each order to dial. */
#define ROUTE_DESTINATIONS_MAX (32 * 1024)

int
route_may_dial(const struct route *r, const char *host)
{
	/* SRV records may say another port; the errand compares that */
	return r->destinations.n == 0 ||
	    destination_may_ask(&r->destinations, host, r->resolve_srv ? 0 : r->port);
}

/* A host that is the same for all logins. */
static int
route_host_is_fixed(const char *host)
{
	return !percent_has(host);
}

void
route_check_destinations(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors)
{
	const struct conf_entry *e = conf_entry_find(s, "AllowDestinations"),
				*host = conf_entry_find(s, "HostName");
	size_t i, size = 0;

	if (r->resolve_srv && r->resolve_cache_ms > 0)
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: ResolveCache has no meaning with ResolveSRV: it is for "
		    "addresses",
		    s->name);
	for (i = 0; i < r->destinations.n; i++)
		size += strlen(r->destinations.v[i]) + 4;
	if (e != NULL && (size > ROUTE_DESTINATIONS_MAX || r->destinations.n > 1024))
		conf_error(errors, e->file, e->line,
		    "AllowDestinations: more than 1024 entries, or more than %d KiB: write "
		    "patterns and networks",
		    ROUTE_DESTINATIONS_MAX / 1024);
	for (i = 0; e != NULL && i < r->hosts.n; i++)
		if (route_host_is_fixed(r->hosts.v[i]) && !route_may_dial(r, r->hosts.v[i]))
			conf_error(errors, host->file, host->line,
			    "HostName: AllowDestinations does not permit %.100s port %u",
			    r->hosts.v[i], r->port);
	for (i = 0; i < r->hosts.n; i++) {
		if (!percent_uses(r->hosts.v[i], 'n'))
			continue;
		if (!route_has(s, "MatchHost"))
			conf_error(errors, host->file, host->line,
			    "HostName: %%n needs MatchHost: the hosts that it stands for");
		if (e == NULL)
			conf_error(errors, host->file, host->line,
			    "HostName: %%n needs AllowDestinations: where clients may lead to");
	}
}
