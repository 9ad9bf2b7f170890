/*
 * A token bucket: BUCKET_SIZE tokens at once, then one in each interval.  The keeper limits by it
 * how often a session may ask for a signature, and how many lines it may log.
 */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdint.h>

#define BUCKET_SIZE 20
#define BUCKET_INTERVAL_MS 1000

/* All zero: a full bucket. */
struct bucket {
	int64_t full_at; /* clock_ms() at which it will be full again */
};

/* Take one token; now is clock_ms().  1, or 0 if there is none. */
int bucket_take(struct bucket *b, int64_t now);

#endif
