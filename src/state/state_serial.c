/*
 * Serial numbers of certificates.  Called by the keeper for each login with a certificate of its
 * own, and by `sallyport ca sign`.
 *
 * A number is 38 bits of a block, 10 of the gateway and 16 of a count.  A process reserves a block
 * in the record serial/last: the seconds since 1970, or one more than the last block if the clock
 * does not say a later time.
 */
#include <inttypes.h>
#include <string.h>

#include "state/state.h"
#include "state/state_private.h"

#define KIND "serial"
#define NAME "last"
#define GATEWAY_BITS 10
#define COUNT_BITS 16
#define BLOCK_LAST ((1ULL << (64 - GATEWAY_BITS - COUNT_BITS)) - 1)

struct reservation {
	struct state *st;
	time_t now;
	uint64_t block;
	struct reason *why;
};

/* Replace the record "block N" by that of a later block. */
static int
state_reserve(void *ctx, struct buf *record)
{
	struct reservation *res = ctx;
	struct bytes rest = buf_bytes(record), word, value;
	uint64_t last = 0;
	int r;

	while ((r = state_line(&rest, &word, &value)) == 1)
		if (word.len != 5 || memcmp(word.p, "block", 5) != 0 ||
		    state_number(value, BLOCK_LAST - 1, &last) != 0)
			return state_bad_record(res->st, KIND, NAME, word, res->why);
	if (r != 0)
		return r;
	res->block = last + 1;
	if (res->now > 0 && (uint64_t)res->now > last && (uint64_t)res->now < BLOCK_LAST)
		res->block = (uint64_t)res->now;
	buf_reset(record);
	buf_putf(record, "block %" PRIu64 "\n", res->block);
	return buf_err(record);
}

/* Nothing is lost with a damaged record: the next block is that of the time. */
static int
state_serial_advise(int r, struct reason *why)
{
	if (r == ERR_FORMAT || r == ERR_TOOBIG)
		reason_add(why,
		    "; if the clock is right, remove the file: the next numbers go by the time");
	return r;
}

int
state_serial_check(struct state *st, struct reason *why)
{
	struct reservation res = { .st = st, .why = why };
	struct buf record;
	int r;

	buf_init(&record, STATE_RECORD_MAX);
	r = state_read(st, KIND, NAME, &record, why);
	if (r == 0)
		r = state_reserve(&res, &record);
	buf_free(&record);
	return r == ERR_NOTFOUND ? 0 : state_serial_advise(r, why);
}

int
state_serial_at(struct state *st, unsigned int gateway, time_t now, uint64_t *serial,
    struct reason *why)
{
	struct reservation res = { .st = st, .now = now, .why = why };
	int r;

	*serial = 0;
	if (gateway > STATE_GATEWAY_MAX) {
		reason_set(why, "there is no gateway number %u", gateway);
		return ERR_BADSTATE;
	}
	if (st->block_used >= STATE_BLOCK) {
		r = state_update(st, KIND, NAME, state_reserve, &res, why);
		if (r != 0)
			return state_serial_advise(r, why);
		st->block = res.block;
		st->block_used = 0;
	}
	*serial = st->block << (GATEWAY_BITS + COUNT_BITS) | (uint64_t)gateway << COUNT_BITS |
	    st->block_used;
	st->block_used++;
	return 0;
}

int
state_serial(struct state *st, unsigned int gateway, uint64_t *serial, struct reason *why)
{
	return state_serial_at(st, gateway, time(NULL), serial, why);
}
