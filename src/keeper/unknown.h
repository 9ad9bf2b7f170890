/*
 * Logins that do not exist, and how alike they are to those that do: what they are offered,
 * what their passwords cost, how long it takes until they are turned away.
 */
#ifndef KEEPER_UNKNOWN_H
#define KEEPER_UNKNOWN_H

#include <stddef.h>
#include <stdint.h>

#include "auth/auth_methods.h"
#include "lookup/route.h"

struct keeper;

#define UNKNOWN_SHAPES_MAX 16
#define UNKNOWN_HASH_SIZE 160
#define UNKNOWN_TIMES 16 /* few, as what is long ago was under another load */

/* What a login looks like from outside. */
struct unknown_shape {
	char methods[AUTH_METHODS_NEXT_SIZE];
	int passthrough;
	char cost[64];		      /* "$argon2id$v=19$m=65536,t=2,p=1", or "" */
	char hash[UNKNOWN_HASH_SIZE]; /* of that cost, and of nothing anybody knows */
	size_t weight;		      /* how many are like that */
};

/* How long something has taken of late, in microseconds. */
struct unknown_times {
	uint32_t us[UNKNOWN_TIMES];
	size_t n, next;
};

enum unknown_time {
	/* programs that look logins up */
	UNKNOWN_FOUND,
	UNKNOWN_NOT_FOUND,
	/* the machines behind Passthrough, until they */
	UNKNOWN_CONNECT,  /* say what they offer */
	UNKNOWN_QUESTION, /* ask something */
	UNKNOWN_REFUSAL,  /* refuse what they were told */
	UNKNOWN_NTIMES
};

struct unknown {
	uint8_t secret[32]; /* which of the shapes a login has, and its pace */
	struct unknown_shape shapes[UNKNOWN_SHAPES_MAX];
	size_t n_shapes;
	struct unknown_times times[UNKNOWN_NTIMES];
	char behind[AUTH_METHODS_NEXT_SIZE]; /* what such a machine offered last, or "" */
};

/* Look at the routes that are in force now. */
void unknown_init(struct keeper *k);

/* A route that a backend has found which cannot be looked through in advance. */
void unknown_learn(struct keeper *k, const struct route *route);

/*
 * The shape of a login that does not exist: always the same one as long as the routes are,
 * and of many such logins as many have each shape as of those that exist.  Valid until the
 * next unknown_init() or unknown_learn().  Where a route waits for its key (MatchFingerprint),
 * the shape is one that asks for keys: who is not asked shows none.
 */
const struct unknown_shape *unknown_shape(const struct keeper *k, const char *login, int wants_key);

/* The shape that most have. */
const struct unknown_shape *unknown_common(const struct keeper *k);

/* The pace of any login, existing or not: refusals come so many microseconds after what they
 * answer, or twice, four times... as many. */
uint32_t unknown_pace(const struct keeper *k, const char *login);

/* Note how long it took, or imagine how long it would. */
void unknown_note(struct keeper *k, enum unknown_time what, int64_t us);
uint32_t unknown_draw(const struct keeper *k, enum unknown_time what);

#endif
