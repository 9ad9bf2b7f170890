/*
 * Fair queues of requests by source address; jobs.c has one for each kind of job.
 */
#include <arpa/inet.h>
#include <string.h>

#include "keeper/fairq.h"

/* The smallest network that a provider hands out to one subscriber. */
#define IPV6_NETWORK_BYTES 8

void
fairq_init(struct fairq *q)
{
	TAILQ_INIT(&q->list);
	q->now = 0;
}

int
fairq_same_source(const char *a, const char *b)
{
	struct in6_addr x, y;

	if (strcmp(a, b) == 0)
		return 1;
	return inet_pton(AF_INET6, a, &x) == 1 && inet_pton(AF_INET6, b, &y) == 1 &&
	    memcmp(&x, &y, IPV6_NETWORK_BYTES) == 0;
}

void
fairq_wait(struct fairq *q, struct fairq_entry *turn, void *whose, const char *source)
{
	struct fairq_entry *other, *after = NULL;
	uint64_t last = q->now;

	fairq_leave(q, turn);
	TAILQ_FOREACH(other, &q->list, entry)
		if (other->number > last && fairq_same_source(other->source, source))
			last = other->number;
	turn->number = last + 1;
	turn->whose = whose;
	turn->source = source;
	turn->waits = 1;
	TAILQ_FOREACH(other, &q->list, entry)
		if (other->number <= turn->number)
			after = other;
	if (after != NULL)
		TAILQ_INSERT_AFTER(&q->list, after, turn, entry);
	else
		TAILQ_INSERT_HEAD(&q->list, turn, entry);
}

void *
fairq_next(struct fairq *q, int (*ready)(const void *whose))
{
	struct fairq_entry *turn;

	TAILQ_FOREACH(turn, &q->list, entry)
		if (ready == NULL || ready(turn->whose))
			break;
	if (turn == NULL)
		return NULL;
	q->now = turn->number;
	fairq_leave(q, turn);
	return turn->whose;
}

void
fairq_leave(struct fairq *q, struct fairq_entry *turn)
{
	if (turn->waits)
		TAILQ_REMOVE(&q->list, turn, entry);
	turn->waits = 0;
}
