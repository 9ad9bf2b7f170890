/*
 * The channels that the policy knows: a small table, searched by either side's number.
 */
#include <stdlib.h>

#include "relay/channels.h"

struct channel *
channels_add(struct channels *cs, uint32_t client, int session)
{
	struct channel *v;

	if (cs->n >= CHANNELS_MAX)
		return NULL;
	if (cs->n % 16 == 0) {
		v = reallocarray(cs->v, cs->n + 16, sizeof(*v));
		if (v == NULL)
			return NULL;
		cs->v = v;
	}
	v = &cs->v[cs->n++];
	*v = (struct channel){ .client = client, .session = session, .opening = 1 };
	cs->sessions += session != 0;
	return v;
}

struct channel *
channels_add_upstream(struct channels *cs, uint32_t upstream)
{
	struct channel *c = channels_add(cs, 0, 0);

	if (c != NULL) {
		c->by_upstream = 1;
		c->upstream = upstream;
	}
	return c;
}

static void
channels_clear(struct channel *c)
{
	replies_free(&c->replies);
	free(c->held);
}

void
channels_remove(struct channels *cs, struct channel *c)
{
	cs->sessions -= c->session != 0;
	channels_clear(c);
	*c = cs->v[--cs->n];
}

struct channel *
channels_client(struct channels *cs, uint32_t number)
{
	size_t i;

	for (i = 0; i < cs->n; i++)
		if (cs->v[i].client == number && !(cs->v[i].opening && cs->v[i].by_upstream))
			return &cs->v[i];
	return NULL;
}

struct channel *
channels_upstream(struct channels *cs, uint32_t number)
{
	size_t i;

	for (i = 0; i < cs->n; i++)
		if (cs->v[i].upstream == number && (!cs->v[i].opening || cs->v[i].by_upstream))
			return &cs->v[i];
	return NULL;
}

void
channels_free(struct channels *cs)
{
	size_t i;

	for (i = 0; i < cs->n; i++)
		channels_clear(&cs->v[i]);
	free(cs->v);
	*cs = (struct channels){ 0 };
}
