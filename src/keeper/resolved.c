/*
 * The table of addresses of names; upstream_dial.c and jump.c write and ask it.
 */
#include <string.h>
#include <strings.h>

#include "keeper/resolved.h"

static size_t
resolved_place(const struct resolved *r, const char *host)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (strcasecmp(r->v[i].host, host) == 0)
			break;
	return i;
}

void
resolved_add(struct resolved *r, const char *host, const char *address, int64_t now)
{
	size_t i = resolved_place(r, host), j;

	if (strlen(host) >= RESOLVED_HOST_SIZE || strlen(address) >= NETADDR_TEXT_SIZE ||
	    strncasecmp(address, "fe", 2) == 0)
		return;
	if (i == r->n && r->n < RESOLVED_MAX)
		r->n++;
	if (i == RESOLVED_MAX)
		for (i = 0, j = 1; j < r->n; j++)
			if (r->v[j].since < r->v[i].since)
				i = j;
	memcpy(r->v[i].host, host, strlen(host) + 1);
	memcpy(r->v[i].address, address, strlen(address) + 1);
	r->v[i].since = now;
}

const char *
resolved_find(const struct resolved *r, const char *host, int64_t now, int64_t age_ms)
{
	const size_t i = resolved_place(r, host);

	return i < r->n && now - r->v[i].since < age_ms ? r->v[i].address : "";
}
