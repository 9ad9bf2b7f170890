#include <arpa/inet.h>
#include <string.h>

#include "keeper/turns.h"

/* What one subscriber has at least. */
#define IPV6_NETWORK_BYTES 8

void
turns_init(struct turns *turns)
{
	TAILQ_INIT(&turns->list);
	turns->now = 0;
}

static int
same_source(const char *a, const char *b)
{
	struct in6_addr x, y;

	if (strcmp(a, b) == 0)
		return 1;
	return inet_pton(AF_INET6, a, &x) == 1 && inet_pton(AF_INET6, b, &y) == 1 &&
	    memcmp(&x, &y, IPV6_NETWORK_BYTES) == 0;
}

void
turns_wait(struct turns *turns, struct turn *turn, void *whose, const char *source)
{
	struct turn *other, *after = NULL;
	uint64_t last = turns->now;

	turns_leave(turns, turn);
	TAILQ_FOREACH(other, &turns->list, entry)
		if (other->number > last && same_source(other->source, source))
			last = other->number;
	turn->number = last + 1;
	turn->whose = whose;
	turn->source = source;
	turn->waits = 1;
	TAILQ_FOREACH(other, &turns->list, entry)
		if (other->number <= turn->number)
			after = other;
	if (after != NULL)
		TAILQ_INSERT_AFTER(&turns->list, after, turn, entry);
	else
		TAILQ_INSERT_HEAD(&turns->list, turn, entry);
}

void *
turns_next(struct turns *turns)
{
	struct turn *turn = TAILQ_FIRST(&turns->list);

	if (turn == NULL)
		return NULL;
	turns->now = turn->number;
	turns_leave(turns, turn);
	return turn->whose;
}

void
turns_leave(struct turns *turns, struct turn *turn)
{
	if (turn->waits)
		TAILQ_REMOVE(&turns->list, turn, entry);
	turn->waits = 0;
}
