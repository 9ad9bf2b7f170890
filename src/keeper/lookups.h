/*
 * Lookups that need a program: so many at once, the others wait their turn.
 */
#ifndef KEEPER_LOOKUPS_H
#define KEEPER_LOOKUPS_H

#include "keeper/ksession.h"

/* Programs that run at once. */
#define LOOKUPS_MAX 16

/* Run s->pending.command now or when it is its turn; what it says comes to
 * downstream_looked_up(). */
void lookups_ask(struct ksession *s);

/* The errand has answered: RAN, or NULL with why if there is no answer. */
void lookups_answer(struct ksession *s, struct wire *body, const char *why);

/* The session ends: give up its turn. */
void lookups_cancel(struct ksession *s);

/* Errands that should have answered by now. */
void lookups_sweep(struct keeper *k, int64_t now);

#endif
