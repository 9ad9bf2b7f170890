/*
 * AllowDestinations (destination.h).  Called for the configuration, by the keeper, and by the errand
 * that dials.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/match.h"
#include "formats/address.h"
#include "formats/destination.h"

#define DESTINATION_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DESTINATION_NAME DESTINATION_LETTERS "0123456789._-"

/* One entry, taken apart. */
struct destination {
	char host[DESTINATION_HOST_SIZE];
	const char *port; /* "22" if the entry has none */
	int network;
};

/* 0 or ERR_FORMAT. */
static int
destination_split(const char *entry, struct destination *d)
{
	const char *host = entry, *end;
	size_t len;

	d->port = "22";
	if (entry[0] == '[') {
		host++;
		end = strchr(host, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return ERR_FORMAT;
		if (end[1] == ':')
			d->port = end + 2;
	} else {
		end = strchr(host, ':');
		/* two colons and no brackets: IPv6 without a port */
		if (end == NULL || strchr(end + 1, ':') != NULL)
			end = host + strlen(host);
		else
			d->port = end + 1;
	}
	len = (size_t)(end - host);
	if (len == 0 || len >= sizeof(d->host))
		return ERR_FORMAT;
	memcpy(d->host, host, len);
	d->host[len] = '\0';
	/* address_list_ok() takes wildcards as well, such as 10.*; address_match_blocks() returns -1 for
	 * them */
	d->network = address_list_ok(d->host) && address_match_blocks("0.0.0.0", d->host) != -1;
	return 0;
}

int
destination_is_address(const char *host)
{
	uint8_t raw[16];

	return inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1;
}

static int
destination_port_ok(const char *text)
{
	size_t len = strlen(text);

	if (strcmp(text, "*") == 0)
		return 1;
	return len > 0 && len <= 5 && strspn(text, "0123456789") == len && atoi(text) > 0 &&
	    atoi(text) <= UINT16_MAX;
}

/* A pattern of digits alone would look like one for addresses. */
static int
destination_is_pattern(const char *host)
{
	return strspn(host, DESTINATION_NAME "*?") == strlen(host) &&
	    (strcmp(host, "*") == 0 || strpbrk(host, DESTINATION_LETTERS) != NULL);
}

int
destination_check(const char *entry, struct reason *why)
{
	struct destination d;

	if (destination_split(entry, &d) == 0 && destination_port_ok(d.port) &&
	    (d.network || destination_is_pattern(d.host)))
		return 0;
	reason_set(why,
	    "\"%.80s\" is not HOST, NETWORK, HOST:PORT or NETWORK:PORT, with the host as "
	    "*.example.com and the network as 10.0.0.0/8 or [2001:db8::/32]",
	    entry);
	return ERR_FORMAT;
}

int
destination_host_ok(const char *host)
{
	size_t len = strlen(host);

	if (destination_is_address(host))
		return 1;
	return len > 0 && len < DESTINATION_HOST_SIZE && host[0] != '-' && host[0] != '.' &&
	    strspn(host, DESTINATION_NAME) == len;
}

static int
destination_has_port(const struct destination *d, uint32_t port)
{
	return port == 0 || strcmp(d->port, "*") == 0 || strtoul(d->port, NULL, 10) == port;
}

static struct bytes
destination_bytes(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

int
destination_has_networks(const struct strlist *list)
{
	struct destination d;
	size_t i;

	for (i = 0; i < list->n; i++)
		if (destination_split(list->v[i], &d) == 0 && d.network)
			return 1;
	return 0;
}

int
destination_may_ask(const struct strlist *list, const char *host, uint32_t port)
{
	int address = destination_is_address(host);
	struct destination d;
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (destination_split(list->v[i], &d) != 0 || !destination_has_port(&d, port) ||
		    d.network != address)
			continue;
		if (address ? address_match(host, d.host) == 1 :
			      match_pattern(destination_bytes(host), destination_bytes(d.host),
				  MATCH_FOLD))
			return 1;
	}
	return 0;
}

/* Is the network within a block, "ADDRESS/BITS"? */
static int
destination_within(const char *network, const char *block)
{
	const char *slash = strchr(network, '/');
	char base[DESTINATION_HOST_SIZE] = "";

	memcpy(base, network, slash != NULL ? (size_t)(slash - network) : strlen(network));
	return address_match_blocks(base, block) == 1 &&
	    (slash == NULL || atoi(slash + 1) >= atoi(strchr(block, '/') + 1));
}

/* The special addresses that have to be listed as such. */
static const char *
destination_special(const char *address)
{
	static const char *const blocks[] = { "127.0.0.0/8", "::1/128", "169.254.0.0/16",
		"fe80::/10" };
	size_t i;

	for (i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (address_match(address, blocks[i]) == 1)
			return blocks[i];
	return NULL;
}

static int
destination_is_one_address(const char *network)
{
	const char *slash = strchr(network, '/');

	return slash == NULL || strcmp(slash, strchr(network, ':') != NULL ? "/128" : "/32") == 0;
}

int
destination_may_connect(const struct strlist *list, const char *numeric, uint32_t port, int own)
{
	static const char never[] = "0.0.0.0/8,::/128,224.0.0.0/3,ff00::/8";
	char address[DESTINATION_HOST_SIZE];
	const char *special;
	struct destination d;
	int networks = 0;
	size_t i;

	/* no scope: a network of a list has none */
	snprintf(address, sizeof(address), "%.*s", (int)strcspn(numeric, "%"), numeric);
	special = destination_special(address);
	if (address_match(address, never) != 0)
		return 0;
	for (i = 0; i < list->n; i++) {
		if (destination_split(list->v[i], &d) != 0 || !d.network)
			continue;
		networks = 1;
		if (!destination_has_port(&d, port) || address_match(address, d.host) != 1)
			continue;
		if (special != NULL && !destination_within(d.host, special))
			continue;
		/* all of 127.0.0.0/8 is this host: a block of it says so */
		if (own && special == NULL && !destination_is_one_address(d.host))
			continue;
		return 1;
	}
	return !networks && special == NULL && !own;
}
