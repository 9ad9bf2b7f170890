/*
 * Logins that do not exist, and how alike they are to those that do: what they are offered,
 * what their passwords cost, how long it takes until they are turned away.
 */
#ifndef KEEPER_DECOY_H
#define KEEPER_DECOY_H

#include <stddef.h>
#include <stdint.h>

#include "auth/auth_methods.h"
#include "lookup/route.h"

struct keeper;

#define DECOY_SHAPES_MAX 16
#define DECOY_HASH_SIZE 160
#define DECOY_TIMES 16 /* few, as what is long ago was under another load */

/* What a login looks like from outside. */
struct decoy_shape {
	char methods[AUTH_METHODS_NEXT_SIZE];
	int passthrough;
	char cost[64];		    /* "$argon2id$v=19$m=65536,t=2,p=1", or "" */
	char hash[DECOY_HASH_SIZE]; /* of that cost, and of nothing anybody knows */
	size_t weight;		    /* how many are like that */
};

/* How long something has taken of late, in microseconds. */
struct decoy_times {
	uint32_t us[DECOY_TIMES];
	size_t n, next;
};

enum decoy_time {
	/* programs that look logins up */
	DECOY_FOUND,
	DECOY_NOT_FOUND,
	/* the machines behind Passthrough, until they */
	DECOY_CONNECT,	/* say what they offer */
	DECOY_QUESTION, /* ask something */
	DECOY_REFUSAL,	/* refuse what they were told */
	DECOY_NTIMES
};

struct decoy {
	uint8_t secret[32]; /* which of the shapes a login has, and its pace */
	struct decoy_shape shapes[DECOY_SHAPES_MAX];
	size_t n_shapes;
	struct decoy_times times[DECOY_NTIMES];
	char behind[AUTH_METHODS_NEXT_SIZE]; /* what such a machine offered last, or "" */
};

/* Look at the routes that are in force now. */
void decoy_init(struct keeper *k);

/* A route that a backend has found which cannot be looked through in advance. */
void decoy_learn(struct keeper *k, const struct route *route);

/*
 * The shape of a login that does not exist: always the same one as long as the routes are,
 * and of many such logins as many have each shape as of those that exist.  Valid until the
 * next decoy_init() or decoy_learn().  Where a route waits for its key (MatchFingerprint),
 * the shape is one that asks for keys: who is not asked shows none.
 */
const struct decoy_shape *decoy_shape(const struct keeper *k, const char *login, int wants_key);

/* The shape that most have. */
const struct decoy_shape *decoy_common(const struct keeper *k);

/* The pace of any login, existing or not: refusals come so many microseconds after what they
 * answer, or twice, four times... as many. */
uint32_t decoy_pace(const struct keeper *k, const char *login);

/* Note how long it took, or imagine how long it would. */
void decoy_note(struct keeper *k, enum decoy_time what, int64_t us);
uint32_t decoy_draw(const struct keeper *k, enum decoy_time what);

#endif
