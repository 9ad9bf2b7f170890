/*
 * Lookups that need a program: so many at once, the others wait their turn.
 */
#ifndef KEEPER_LOOKUPS_H
#define KEEPER_LOOKUPS_H

#include "keeper/ward.h"

/* Programs that run at once. */
#define LOOKUPS_MAX 16

/* Run w->pending.command now or when it is its turn; what it says comes to
 * downstream_looked_up(). */
void lookups_ask(struct ward *w);

/* The errand has answered: RAN, or NULL with why if there is no answer. */
void lookups_answer(struct ward *w, struct wire *body, const char *why);

/* The ward ends: give up its turn. */
void lookups_cancel(struct ward *w);

/* Errands that should have answered by now. */
void lookups_sweep(struct keeper *k, int64_t now);

#endif
