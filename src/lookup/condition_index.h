/*
 * Many sections of one name, each with conditions: those that may be meant for a connection, without looking at
 * the others.  100,000 keys of one login (MatchFingerprint), of hosts (MatchHost) or of addresses (MatchLocalAddress)
 * take as long as one.
 */
#ifndef LOOKUP_CONDITION_INDEX_H
#define LOOKUP_CONDITION_INDEX_H

#include <stdint.h>

#include "base/err.h"
#include "lookup/lookup.h"

struct condition_index;

int condition_index_new(struct condition_index **out) MUST_CHECK; /* 0 or ERR_NOMEM */
void condition_index_free(struct condition_index **x);		  /* takes NULL */

/* Add a section, by its number, which is above 0 and above those added before; group: of the sections of one name.
 * The route is that of the section, and is not kept.  0 or ERR_NOMEM. */
int condition_index_add(struct condition_index *x, uint32_t group, uint32_t number,
    const struct route *route) MUST_CHECK;

/* One for the key, one for the host, one for the sections that can't be indexed, and one for each length of a
 * prefix: IPv4 has 33, IPv6 129. */
#define CONDITION_CHAINS 132

/* Sections in the order of their numbers. */
struct condition_walk {
	const struct condition_index *x;
	uint32_t at[CONDITION_CHAINS];
	unsigned int n;
	uint32_t last;
};

/* Those of a group that may match the request: all that do, and some that do not, which route_matches() tells. */
void condition_walk_begin(struct condition_walk *w, const struct condition_index *x, uint32_t group,
    const struct lookup_request *request);

/* Those that stand for all of a group with a MatchFingerprint: the first, and of a row whose other conditions are
 * the same, the first again. */
void condition_walk_keys(struct condition_walk *w, const struct condition_index *x, uint32_t group);

/* The next number; 0: there are no more. */
uint32_t condition_walk_next(struct condition_walk *w);

#endif
