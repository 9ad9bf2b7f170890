/*
 * The sections of one name by what their conditions ask for (condition_index.h).  Each section is in the chains of
 * the fingerprints that it names; or else in those of its hosts, unless one is a pattern; or else in those of its
 * local addresses and networks; or else, as the gateway's address may be any, in one chain of its group, which is
 * walked.  Called by the ini backend.
 *
 * A chain is found by a hash of its value alone.  Two values of one hash share a chain, which makes it longer and
 * nothing else, since route_matches() has the last word.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/address.h"
#include "formats/destination.h"
#include "lookup/condition_index.h"
#include "lookup/route_types.h"

enum condition_kind {
	CONDITION_KEY,	 /* of a fingerprint */
	CONDITION_HOST,	 /* of a name in lower case */
	CONDITION_LOCAL, /* of a network, or of one address */
	CONDITION_OTHER,
	CONDITION_PLACES, /* for condition_walk_keys() */
};

struct condition_chain {
	uint64_t hash;
	uint32_t group;
	uint32_t first, last; /* indexes into links plus one; first 0: an empty slot */
};

struct condition_index {
	struct condition_chain *chains; /* open addressing */
	size_t size, n_chains;		/* size: a power of two, or 0 */
	struct condition_link {
		uint32_t number, next;
	} * links;
	size_t n_links, max_links;
	uint8_t lengths[2][129]; /* prefixes in use: IPv4, IPv6 */

	/* the conditions, but for the key, of the section last added to CONDITION_PLACES */
	char *places;
	uint32_t places_group;
};

int
condition_index_new(struct condition_index **out)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? ERR_NOMEM : 0;
}

void
condition_index_free(struct condition_index **x)
{
	if (*x == NULL)
		return;
	free((*x)->chains);
	free((*x)->links);
	free((*x)->places);
	free(*x);
	*x = NULL;
}

/* FNV-1a.  It need not withstand chosen values, because a lookup adds nothing to the table. */
static uint64_t
condition_hash(uint32_t group, enum condition_kind kind, const void *value, size_t len)
{
	const uint8_t *p = value;
	uint64_t h = 0xcbf29ce484222325;
	size_t i;

	h = (h ^ group) * 0x100000001b3;
	h = (h ^ kind) * 0x100000001b3;
	for (i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h ^ (h >> 32);
}

static struct condition_chain *
condition_slot(const struct condition_index *x, uint32_t group, uint64_t hash)
{
	size_t i = hash & (x->size - 1);

	while (
	    x->chains[i].first != 0 && (x->chains[i].hash != hash || x->chains[i].group != group))
		i = (i + 1) & (x->size - 1);
	return &x->chains[i];
}

/* Make room for one more chain and one more link.  0 or ERR_NOMEM. */
static int
condition_grow(struct condition_index *x)
{
	size_t size = x->size == 0 ? 16 : x->size * 2, max, i;
	struct condition_chain *old = x->chains;
	struct condition_link *links;

	if (x->n_links == x->max_links) {
		max = x->max_links == 0 ? 16 : x->max_links * 2;
		links = reallocarray(x->links, max, sizeof(*links));
		if (links == NULL)
			return ERR_NOMEM;
		x->links = links;
		x->max_links = max;
	}
	if (x->n_chains < x->size / 2)
		return 0;
	x->chains = calloc(size, sizeof(*x->chains));
	if (x->chains == NULL) {
		x->chains = old;
		return ERR_NOMEM;
	}
	i = x->size;
	x->size = size;
	while (i-- > 0)
		if (old[i].first != 0)
			*condition_slot(x, old[i].group, old[i].hash) = old[i];
	free(old);
	return 0;
}

static int
condition_append(struct condition_index *x, uint32_t group, uint64_t hash, uint32_t number)
{
	struct condition_chain *c;

	if (condition_grow(x) != 0)
		return ERR_NOMEM;
	c = condition_slot(x, group, hash);
	if (c->first != 0 && x->links[c->last - 1].number == number)
		return 0; /* a value that is there twice */
	x->links[x->n_links++] = (struct condition_link){ .number = number };
	if (c->first == 0) {
		*c = (struct condition_chain){ hash, group, (uint32_t)x->n_links, 0 };
		x->n_chains++;
	} else {
		x->links[c->last - 1].next = (uint32_t)x->n_links;
	}
	c->last = (uint32_t)x->n_links;
	return 0;
}

/* --- adding a section --- */

static void
condition_put_list(FILE *f, const struct strlist *list)
{
	size_t i;

	fputc('\n', f);
	for (i = 0; i < list->n; i++)
		fprintf(f, "\n%s", list->v[i]);
}

/* A section with a MatchFingerprint is in CONDITION_PLACES, too, unless the one before it has the same conditions
 * otherwise. */
static int
condition_add_places(struct condition_index *x, uint32_t group, uint32_t number,
    const struct route *r)
{
	size_t i, len;
	char *text;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return ERR_NOMEM;
	fprintf(f, "%s\n%s\n", r->match_address == NULL ? "" : r->match_address,
	    r->match_local_address == NULL ? "" : r->match_local_address);
	for (i = 0; i < r->match_local_ports.n; i++)
		fprintf(f, "%s ", r->match_local_ports.v[i]);
	condition_put_list(f, &r->match_hosts);
	condition_put_list(f, &r->match_client_cn);
	condition_put_list(f, &r->match_client_ou);
	condition_put_list(f, &r->match_client_san);
	condition_put_list(f, &r->match_client_fingerprints);
	if (fclose(f) != 0) {
		free(text);
		return ERR_NOMEM;
	}
	if (x->places != NULL && x->places_group == group && strcmp(x->places, text) == 0) {
		free(text);
		return 0;
	}
	free(x->places);
	x->places = text;
	x->places_group = group;
	return condition_append(x, group, condition_hash(group, CONDITION_PLACES, "", 0), number);
}

/* Add it by its local addresses.  1; 0 if the list has one that is not an address or a network; or ERR_NOMEM. */
static int
condition_add_local(struct condition_index *x, uint32_t group, uint32_t number, const char *value)
{
	char *list = value == NULL ? NULL : route_address_list(value);
	struct address_block block;
	struct bytes rest = { (const uint8_t *)list, list == NULL ? 0 : strlen(list) },
		     again = rest;
	int r;

	if (value == NULL || list == NULL)
		return value == NULL ? 0 : ERR_NOMEM;
	while ((r = address_block_next(&rest, &block)) == 1)
		;
	while (r == 0 && address_block_next(&again, &block) == 1) {
		x->lengths[block.v6][block.bits] = 1;
		r = condition_append(x, group,
		    condition_hash(group, CONDITION_LOCAL, &block, sizeof(block)), number);
	}
	free(list);
	return r == 0 ? 1 : r == ERR_NOMEM ? ERR_NOMEM : 0;
}

static uint64_t
condition_hash_host(uint32_t group, const char *host)
{
	char name[DESTINATION_HOST_SIZE];
	size_t i;

	name[0] = '\0';
	for (i = 0; i < sizeof(name) && host[i] != '\0'; i++)
		name[i] = (char)tolower((unsigned char)host[i]);
	return condition_hash(group, CONDITION_HOST, name, i);
}

/* Add it by its hosts.  1; 0 if there are none, or one is a pattern; or ERR_NOMEM. */
static int
condition_add_hosts(struct condition_index *x, uint32_t group, uint32_t number,
    const struct strlist *hosts)
{
	size_t i;

	for (i = 0; i < hosts->n; i++)
		if (strpbrk(hosts->v[i], "*?") != NULL)
			return 0;
	for (i = 0; i < hosts->n; i++)
		if (condition_append(x, group, condition_hash_host(group, hosts->v[i]), number) !=
		    0)
			return ERR_NOMEM;
	return hosts->n > 0;
}

int
condition_index_add(struct condition_index *x, uint32_t group, uint32_t number,
    const struct route *r)
{
	const struct strlist *keys = &r->match_fingerprints;
	int err = 0;
	size_t i;

	for (i = 0; err == 0 && i < keys->n; i++)
		err = condition_append(x, group,
		    condition_hash(group, CONDITION_KEY, keys->v[i], strlen(keys->v[i])), number);
	if (keys->n > 0)
		return err != 0 ? err : condition_add_places(x, group, number, r);
	err = condition_add_hosts(x, group, number, &r->match_hosts);
	if (err == 0)
		err = condition_add_local(x, group, number, r->match_local_address);
	if (err == 0)
		return condition_append(x, group, condition_hash(group, CONDITION_OTHER, "", 0),
		    number);
	return err == 1 ? 0 : err;
}

/* --- finding --- */

static void
condition_walk_add(struct condition_walk *w, uint32_t group, uint64_t hash)
{
	const struct condition_chain *c;

	if (w->x->size == 0)
		return;
	c = condition_slot(w->x, group, hash);
	if (c->first != 0)
		w->at[w->n++] = c->first;
}

/* The networks of each length that the gateway's address is in. */
static void
condition_walk_local(struct condition_walk *w, uint32_t group, const char *address)
{
	struct address_block block;
	int bits;

	if (address_block_of(address, &block) != 0)
		return;
	for (bits = block.bits; bits >= 0; bits--) {
		if (!w->x->lengths[block.v6][bits])
			continue;
		address_block_shorten(&block, (uint8_t)bits);
		condition_walk_add(w, group,
		    condition_hash(group, CONDITION_LOCAL, &block, sizeof(block)));
	}
}

void
condition_walk_begin(struct condition_walk *w, const struct condition_index *x, uint32_t group,
    const struct lookup_request *request)
{
	const char *key = request->fingerprint;

	*w = (struct condition_walk){ .x = x };
	condition_walk_add(w, group, condition_hash(group, CONDITION_KEY, key, strlen(key)));
	condition_walk_add(w, group, condition_hash(group, CONDITION_OTHER, "", 0));
	if (request->host != NULL && request->host[0] != '\0')
		condition_walk_add(w, group, condition_hash_host(group, request->host));
	condition_walk_local(w, group, request->local_address);
}

void
condition_walk_keys(struct condition_walk *w, const struct condition_index *x, uint32_t group)
{
	*w = (struct condition_walk){ .x = x };
	condition_walk_add(w, group, condition_hash(group, CONDITION_PLACES, "", 0));
}

uint32_t
condition_walk_next(struct condition_walk *w)
{
	const struct condition_link *links = w->x->links, *l;
	uint32_t next = 0;
	unsigned int i;

	for (i = 0; i < w->n; i++) {
		while (w->at[i] != 0 && links[w->at[i] - 1].number <= w->last)
			w->at[i] = links[w->at[i] - 1].next;
		l = w->at[i] == 0 ? NULL : &links[w->at[i] - 1];
		if (l != NULL && (next == 0 || l->number < next))
			next = l->number;
	}
	if (next != 0)
		w->last = next;
	return next;
}
