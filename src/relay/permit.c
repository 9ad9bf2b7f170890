/*
 * PermitOpen and PermitListen, for policy_enforce.c, as sshd matches them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/match.h"
#include "relay/permit.h"

/* Split "host:port", "[address]:port" or "port".  Any other word, such as "none", gives a port that
 * never matches. */
static struct bytes
permit_split(const char *entry, const char **port)
{
	const char *end, *host = entry;

	if (entry[0] == '[') {
		host++;
		end = strchr(host, ']');
		*port = end != NULL && end[1] == ':' ? end + 2 : "";
	} else {
		end = strrchr(entry, ':');
		*port = end != NULL ? end + 1 : entry;
	}
	if (end == NULL)
		return (struct bytes){ (const uint8_t *)"*", 1 };
	return (struct bytes){ (const uint8_t *)host, (size_t)(end - host) };
}

static int
permit_port(const char *text, uint32_t port)
{
	size_t len = strlen(text);

	if (strcmp(text, "*") == 0)
		return 1;
	return len > 0 && len <= 5 && strspn(text, "0123456789") == len &&
	    strtoul(text, NULL, 10) == port;
}

static int
permit_by_list(const struct strlist *list, struct bytes host, uint32_t port, int listen)
{
	struct bytes pattern;
	const char *text;
	size_t i;

	for (i = 0; i < list->n; i++) {
		pattern = permit_split(list->v[i], &text);
		if (!permit_port(text, port))
			continue;
		if (listen ? match_pattern(host, pattern, MATCH_FOLD) :
			     bytes_is(pattern, "*") || bytes_equal(pattern, host))
			return 1;
	}
	return list->n == 0;
}

int
permit_open(const struct strlist lists[2], struct bytes host, uint32_t port)
{
	return permit_by_list(&lists[0], host, port, 0) && permit_by_list(&lists[1], host, port, 0);
}

int
permit_listen(const struct strlist lists[2], struct bytes host, uint32_t port)
{
	return permit_by_list(&lists[0], host, port, 1) && permit_by_list(&lists[1], host, port, 1);
}
