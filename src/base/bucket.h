/*
 * A token bucket: so many at once, then one in each interval.  For what an untrusted process may
 * ask another one for.
 */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdint.h>

#define BUCKET_SIZE 20
#define BUCKET_INTERVAL_MS 1000

/* A bucket of zeroes is full. */
struct bucket {
	int64_t full_at; /* in ms of clock_ms(): when it will be full again */
};

/* Take one token out at the time now: 1, or 0 if there is none. */
int bucket_take(struct bucket *b, int64_t now);

#endif
