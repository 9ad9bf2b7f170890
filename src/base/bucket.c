/*
 * A token bucket, kept as the time at which it will be full again.  Called by the keeper for each
 * session.
 */
#include "base/bucket.h"

int
bucket_take(struct bucket *b, int64_t now)
{
	int64_t full_at = b->full_at > now ? b->full_at : now;

	if (full_at - now > (BUCKET_SIZE - 1) * BUCKET_INTERVAL_MS)
		return 0;
	b->full_at = full_at + BUCKET_INTERVAL_MS;
	return 1;
}
