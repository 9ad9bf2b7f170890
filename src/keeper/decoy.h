/*
 * Unknown logins look like known ones from outside: they are offered the methods of some route, a
 * password takes as long to be checked, and a refusal comes as late, as where there is one.
 */
#ifndef KEEPER_DECOY_H
#define KEEPER_DECOY_H

#include <stddef.h>
#include <stdint.h>

#include "auth/auth_methods.h"
#include "lookup/route.h"

struct keeper;
struct ksession;

#define DECOY_SHAPES_MAX 16
#define DECOY_HASH_SIZE 160
/* Rounds of questions that are kept: most programs ask once, and a challenge is a second round. */
#define DECOY_ROUNDS 4
/* Few, because what took place long ago took place under another load. */
#define DECOY_TIMES 16

/* What a login looks like from outside. */
struct decoy_shape {
	char methods[AUTH_METHODS_NEXT_SIZE];
	int passthrough;
	/* what the first conversation may be for (auth_methods_conversations()) */
	const char *conversations[AUTH_CONVERSATIONS_MAX];
	size_t n_conversations;
	char cost[64];		    /* "$argon2id$v=19$m=65536,t=2,p=1", or "" */
	char hash[DECOY_HASH_SIZE]; /* of that cost, and of a random text */
	size_t weight;		    /* how many routes look like this */
};

/* How long something has taken of late, in microseconds. */
struct decoy_times {
	uint32_t us[DECOY_TIMES];
	size_t n, next;
};

enum decoy_time {
	/* a lookup program, for a login that */
	DECOY_FOUND,
	DECOY_NOT_FOUND,
	/* an upstream of Passthrough, until it has */
	DECOY_CONNECT,	/* said which methods it offers */
	DECOY_QUESTION, /* asked something */
	DECOY_REFUSAL,	/* refused a password or an answer */
	DECOY_CODE,	/* to find a code wrong (factor_totp.c), and to have that on disk */
	/* a program of Factor, until it has */
	DECOY_FACTOR_QUESTION, /* asked */
	DECOY_FACTOR_REFUSAL,  /* refused the answers, or asked again */
	DECOY_NTIMES
};

struct decoy {
	uint8_t secret[32]; /* with the login, it decides on the login's shape and pace */
	struct decoy_shape shapes[DECOY_SHAPES_MAX];
	size_t n_shapes;
	struct decoy_times times[DECOY_NTIMES];
	/* what an upstream of Passthrough has offered last, or "" */
	char upstream_methods[AUTH_METHODS_NEXT_SIZE];
	/* what the program of a Factor has asked last, in each round, of a client that had proven nothing and was
	 * refused at the end: INFO_REQUEST, type byte included, or nothing; and how often it asked until it
	 * refused.  Written by factor_program.c */
	struct buf factor_questions[DECOY_ROUNDS];
	unsigned int factor_rounds;
	int factor_refused; /* factor_rounds has been set */
};

/* Take the shapes of the routes that are in force now. */
void decoy_init(struct keeper *k);
void decoy_free(struct decoy *d);

/* Take the shape of a route found by a lookup backend that cannot list its routes. */
void decoy_learn(struct keeper *k, const struct route *route);

/*
 * The shape of the session's login, which is unknown: always the same one as long as the
 * routes are, and each shape as often as known logins have it.  Where a route waits for its
 * key (MatchFingerprint), a shape that offers publickey, for else the key is never asked for.
 * Valid until the next decoy_init() or decoy_learn().
 */
const struct decoy_shape *decoy_of(const struct ksession *s);

/* The shape that most logins have. */
const struct decoy_shape *decoy_common(const struct keeper *k);

/* The pace of any login, known or not: a refusal comes so many microseconds after the request, or
 * twice, four times... as many. */
uint32_t decoy_pace(const struct keeper *k, const char *login);

/* Record a duration; draw one from those recorded. */
void decoy_note(struct keeper *k, enum decoy_time what, int64_t us);
uint32_t decoy_draw(const struct keeper *k, enum decoy_time what);

/* Record what an upstream of Passthrough offers, as a name-list. */
void decoy_note_methods(struct keeper *k, const char *methods);

/* Answer the client of an unknown login whose shape has Passthrough: as if an upstream had
 * been dialled, and had been sent its password or answer. */
void decoy_answer(struct ksession *s);

#endif
