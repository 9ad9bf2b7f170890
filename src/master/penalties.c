/*
 * The table of penalties, one for IPv4 and one for IPv6, each of a fixed size.  A hash by address finds
 * an entry, a heap by expiry has the next one to expire.  Called by startups.c for each connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/address.h"
#include "base/log.h"
#include "base/dontfork.h"
#include "master/penalties.h"

#define NONE UINT32_MAX

struct penalty {
	struct netaddr source; /* masked */
	uint8_t what;	       /* enum conf_penalty: the latest */
	uint8_t active;	       /* the source is refused: the sum has exceeded min_ms */
	uint32_t place;	       /* in the heap */
	uint32_t next;	       /* in the chain of its bucket, or in the list of free entries */
	int64_t expiry;
};

/* entries, heap and chains are one allocation. */
struct penalty_table {
	size_t bytes; /* of the allocation; 0: not allocated yet */
	uint32_t max, n, buckets, fresh;
	uint32_t
	    free; /* first free entry; those from fresh on were never used and are in no list */
	struct penalty *entries;
	uint32_t *heap;	  /* indexes of entries; the first expires first */
	uint32_t *chains; /* for each bucket, its first entry */
};

struct penalties {
	const struct conf_gateway *gateway;
	struct netaddr_key key;
	struct penalty_table table[2]; /* IPv4, IPv6 */
};

/* --- a table --- */

static int
penalty_table_open(struct penalty_table *t, uint32_t max)
{
	*t = (struct penalty_table){ .max = max, .buckets = 1, .free = NONE };
	while (t->buckets < max)
		t->buckets *= 2;
	t->bytes = max * (sizeof(*t->entries) + sizeof(*t->heap)) + t->buckets * sizeof(*t->chains);
	t->entries = dontfork_new(t->bytes);
	if (t->entries == NULL) {
		*t = (struct penalty_table){ 0 };
		return ERR_NOMEM;
	}
	t->heap = (uint32_t *)(void *)(t->entries + max);
	t->chains = t->heap + max;
	memset(t->chains, 0xff, t->buckets * sizeof(*t->chains));
	return 0;
}

static void
penalty_table_close(struct penalty_table *t)
{
	dontfork_free(t->entries, t->bytes);
	*t = (struct penalty_table){ 0 };
}

static void
heap_put(struct penalty_table *t, uint32_t place, uint32_t i)
{
	t->heap[place] = i;
	t->entries[i].place = place;
}

/* Restore the order of the heap after the entry at this place has changed. */
static void
heap_settle(struct penalty_table *t, uint32_t place)
{
	uint32_t i = t->heap[place], parent, child;
	int64_t expiry = t->entries[i].expiry;

	while (place > 0) {
		parent = (place - 1) / 2;
		if (t->entries[t->heap[parent]].expiry <= expiry)
			break;
		heap_put(t, place, t->heap[parent]);
		place = parent;
	}
	while ((child = place * 2 + 1) < t->n) {
		if (child + 1 < t->n &&
		    t->entries[t->heap[child + 1]].expiry < t->entries[t->heap[child]].expiry)
			child++;
		if (expiry <= t->entries[t->heap[child]].expiry)
			break;
		heap_put(t, place, t->heap[child]);
		place = child;
	}
	heap_put(t, place, i);
}

/* The link that holds the index of a source's entry, or NONE and the place for it. */
static uint32_t *
penalty_slot(const struct penalties *p, struct penalty_table *t, const struct netaddr *source)
{
	uint32_t *slot = &t->chains[netaddr_hash(source, &p->key) & (t->buckets - 1)];

	while (*slot != NONE && !netaddr_equal(&t->entries[*slot].source, source))
		slot = &t->entries[*slot].next;
	return slot;
}

/* Forget the entry that expires first. */
static void
penalty_drop_first(const struct penalties *p, struct penalty_table *t)
{
	uint32_t i = t->heap[0], *slot = penalty_slot(p, t, &t->entries[i].source);

	*slot = t->entries[i].next;
	t->entries[i].next = t->free;
	t->free = i;
	t->n--;
	if (t->n > 0) {
		t->heap[0] = t->heap[t->n];
		heap_settle(t, 0);
	}
}

static void
penalty_expire(const struct penalties *p, struct penalty_table *t, int64_t now)
{
	while (t->n > 0 && t->entries[t->heap[0]].expiry <= now)
		penalty_drop_first(p, t);
}

/* Add an entry for a source that has none, to a table with room. */
static struct penalty *
penalty_insert(const struct penalties *p, struct penalty_table *t, const struct penalty *new)
{
	uint32_t *slot = penalty_slot(p, t, &new->source), i = t->free;

	if (i == NONE)
		i = t->fresh++;
	else
		t->free = t->entries[i].next;
	t->entries[i] = *new;
	t->entries[i].next = NONE;
	*slot = i;
	t->heap[t->n] = i;
	heap_settle(t, t->n++);
	return &t->entries[i];
}

/* --- penalties by the configuration --- */

static size_t
penalty_family(const struct netaddr *a)
{
	return a->family == 6;
}

static struct netaddr
penalty_source(const struct penalties *p, const struct netaddr *address)
{
	struct netaddr source = *address;

	netaddr_mask(&source, (unsigned int)p->gateway->per_source_net_block[0],
	    (unsigned int)p->gateway->per_source_net_block[1]);
	return source;
}

static int
penalty_exempt(const struct penalties *p, const struct netaddr *address)
{
	char text[NETADDR_TEXT_SIZE];

	return p->gateway->penalty_exempt != NULL &&
	    address_match(netaddr_text(address, text), p->gateway->penalty_exempt) == 1;
}

static const char *
penalty_reason(enum conf_penalty what)
{
	static const char *const reasons[CONF_PENALTIES] = {
		[CONF_PENALTY_CRASH] = "penalty: caused crash",
		[CONF_PENALTY_AUTHFAIL] = "penalty: failed authentication",
		[CONF_PENALTY_INVALIDUSER] = "penalty: attempted authentication by invalid user",
		[CONF_PENALTY_NOAUTH] = "penalty: connections without attempting authentication",
		[CONF_PENALTY_GRACE_EXCEEDED] = "penalty: exceeded LoginGraceTime",
		[CONF_PENALTY_REFUSECONNECTION] =
		    "penalty: connection prohibited by RefuseConnection",
	};

	return reasons[what];
}

int
penalties_admit(struct penalties *p, const struct netaddr *address, int64_t now, const char **why)
{
	size_t family = penalty_family(address);
	struct penalty_table *t = &p->table[family];
	struct netaddr source;
	uint32_t i;

	if (!p->gateway->penalties.enabled || t->n == 0)
		return 1;
	penalty_expire(p, t, now);
	*why = NULL;
	if (t->n >= t->max && p->gateway->penalties.deny_all[family])
		*why = "too many penalised addresses";
	source = penalty_source(p, address);
	i = *penalty_slot(p, t, &source);
	if (*why == NULL && i != NONE && t->entries[i].active)
		*why = penalty_reason(t->entries[i].what);
	return *why == NULL || penalty_exempt(p, address);
}

/* Add ms to a source's penalty.  Its entry, or NULL: there is no room, and none may be forgotten. */
static struct penalty *
penalty_accrue(struct penalties *p, const struct netaddr *source, int ms, int64_t now)
{
	size_t family = penalty_family(source);
	struct penalty_table *t = &p->table[family];
	struct penalty new = { .source = *source, .expiry = now + ms };
	struct penalty *e;
	uint32_t i;

	penalty_expire(p, t, now);
	i = *penalty_slot(p, t, source);
	if (i == NONE) {
		if (t->n >= t->max && p->gateway->penalties.deny_all[family])
			return NULL;
		if (t->n >= t->max)
			penalty_drop_first(p, t);
		return penalty_insert(p, t, &new);
	}
	e = &t->entries[i];
	e->expiry += ms;
	if (e->expiry > now + p->gateway->penalties.max_ms)
		e->expiry = now + p->gateway->penalties.max_ms;
	heap_settle(t, e->place);
	return e;
}

static void
penalty_log(const struct penalties *p, const struct penalty *e, int64_t now)
{
	const int *bits = p->gateway->per_source_net_block;
	const int64_t seconds = (e->expiry - now + 999) / 1000;
	char text[NETADDR_TEXT_SIZE], network[NETADDR_TEXT_SIZE + 8];
	struct log_fields f;

	snprintf(network, sizeof(network), "%s/%d", netaddr_text(&e->source, text),
	    bits[penalty_family(&e->source)]);
	log_fields_begin(&f, "penalty");
	log_field_text(&f, "network", network);
	log_field_number(&f, "seconds", (uint64_t)seconds);
	log_field_text(&f, "reason", penalty_reason(e->what));
	log_event(LOG_LVL_INFO, &f, "%s is refused for %jd s from now on: %s", network,
	    (intmax_t)seconds, penalty_reason(e->what));
}

void
penalties_add(struct penalties *p, const struct netaddr *address, enum conf_penalty what,
    int64_t now)
{
	const struct conf_penalties *conf = &p->gateway->penalties;
	struct penalty_table *t = &p->table[penalty_family(address)];
	struct netaddr source = penalty_source(p, address);
	struct penalty *e;

	if (!conf->enabled || conf->ms[what] <= 0 || address->family == 0 ||
	    penalty_exempt(p, address))
		return;
	if (t->bytes == 0 &&
	    penalty_table_open(t, (uint32_t)conf->max_sources[penalty_family(address)]) != 0) {
		log_error("no memory for penalties");
		return;
	}
	e = penalty_accrue(p, &source, conf->ms[what], now);
	if (e == NULL)
		return; /* overflow=deny-all: every source is refused as long as the table is full */
	e->what = (uint8_t)what;
	if (!e->active && e->expiry - now > conf->min_ms) {
		e->active = 1;
		penalty_log(p, e, now);
	}
}

/* --- new, other limits, and the end --- */

struct penalties *
penalties_new(const struct conf_gateway *gateway)
{
	struct penalties *p = calloc(1, sizeof(*p));

	if (p != NULL) {
		p->gateway = gateway;
		netaddr_key_make(&p->key);
	}
	return p;
}

void
penalties_free(struct penalties **p)
{
	if (*p == NULL)
		return;
	penalty_table_close(&(*p)->table[0]);
	penalty_table_close(&(*p)->table[1]);
	free(*p);
	*p = NULL;
}

/* Move all entries to a table of another size; from is closed. */
static void
penalty_table_move(const struct penalties *p, struct penalty_table *from, struct penalty_table *to)
{
	while (from->n > to->max)
		penalty_drop_first(p, from);
	for (; from->n > 0; penalty_drop_first(p, from))
		(void)penalty_insert(p, to, &from->entries[from->heap[0]]);
	penalty_table_close(from);
}

static void
penalty_table_resize(const struct penalties *p, struct penalty_table *t, uint32_t max)
{
	struct penalty_table new;

	if (penalty_table_open(&new, max) != 0)
		log_error("no memory for penalties: all are forgotten");
	penalty_table_move(p, t, &new);
	*t = new;
}

void
penalties_set_limits(struct penalties *p, const struct conf_gateway *gateway, int64_t now)
{
	const int *bits = gateway->per_source_net_block, *before = p->gateway->per_source_net_block;
	struct penalty_table *t;
	size_t i;

	for (i = 0; i < 2; i++) {
		t = &p->table[i];
		penalty_expire(p, t, now);
		if (!gateway->penalties.enabled || bits[i] != before[i])
			penalty_table_close(t);
		else if (t->bytes > 0 && t->max != (uint32_t)gateway->penalties.max_sources[i])
			penalty_table_resize(p, t, (uint32_t)gateway->penalties.max_sources[i]);
	}
	p->gateway = gateway;
}

size_t
penalties_count(const struct penalties *p)
{
	return (size_t)p->table[0].n + p->table[1].n;
}

size_t
penalties_bytes(const struct penalties *p)
{
	return p->table[0].bytes + p->table[1].bytes;
}
