/*
 * What is kept of a TOTP secret besides the secret itself.  The keeper judges codes with it, and `sallyport
 * totp` shows and resets it.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "access/totp_record.h"
#include "formats/text.h"
#include "state/state.h"

/* What a clock may say: a step, which is a time divided by at least 1, is no more. */
#define TOTP_RECORD_TIME_MAX (INT64_C(1) << 56)
/* More change nothing: the lock is as long as it gets. */
#define TOTP_RECORD_LOCKS_MAX 100

/* --- text --- */

static int
totp_record_hex(struct bytes word, uint8_t *out, size_t len)
{
	size_t got = 0;

	if (word.len != 2 * len ||
	    sodium_hex2bin(out, len, (const char *)word.p, word.len, NULL, &got, NULL) != 0)
		return ERR_FORMAT;
	return got == len ? 0 : ERR_FORMAT;
}

/* A number from 0 to most.  0 or ERR_FORMAT. */
static int
totp_record_number(struct bytes value, int64_t most, int64_t *out)
{
	uint64_t n;
	int err = state_number(value, (uint64_t)most, &n);

	*out = (int64_t)n;
	return err;
}

static int
totp_record_small(struct bytes value, int64_t most, unsigned int *out)
{
	int64_t n;
	int err = totp_record_number(value, most, &n);

	*out = (unsigned int)n;
	return err;
}

/* remembered SINCE ADDRESS PROOF */
static int
totp_record_get_remembered(struct totp_record *r, struct bytes value)
{
	struct totp_remembered *m = &r->remembered[r->n];
	struct bytes since = text_word(&value), address = text_word(&value);
	size_t i;

	if (r->n == TOTP_RECORD_REMEMBERED_MAX ||
	    totp_record_number(since, TOTP_RECORD_TIME_MAX, &m->since) != 0 || address.len == 0 ||
	    address.len >= sizeof(m->address) ||
	    totp_record_hex(value, m->proof, sizeof(m->proof)) != 0)
		return ERR_FORMAT;
	for (i = 0; i < address.len; i++)
		if (address.p[i] >= 0x7f)
			return ERR_FORMAT;
	memcpy(m->address, address.p, address.len);
	m->address[address.len] = '\0';
	r->n++;
	return 0;
}

/* locked AT SECONDS */
static int
totp_record_get_lock(struct totp_record *r, struct bytes value)
{
	struct bytes at = text_word(&value);

	if (totp_record_number(at, TOTP_RECORD_TIME_MAX, &r->locked_at) != 0)
		return ERR_FORMAT;
	return totp_record_number(value, TOTP_RECORD_LOCK_MAX, &r->locked_for);
}

static int
totp_record_get_line(struct totp_record *r, struct bytes word, struct bytes value)
{
	if (bytes_is(word, "id"))
		return totp_record_hex(value, r->id, sizeof(r->id));
	if (bytes_is(word, "step"))
		return totp_record_number(value, TOTP_RECORD_TIME_MAX, &r->step);
	if (bytes_is(word, "used"))
		return totp_record_number(value, TOTP_RECORD_TIME_MAX, &r->used_at);
	if (bytes_is(word, "recovery"))
		return totp_record_small(value, (1 << TOTP_RECOVERY_MAX) - 1, &r->recovery);
	if (bytes_is(word, "wrong"))
		return totp_record_small(value, TOTP_RECORD_WRONG_MAX, &r->wrong);
	if (bytes_is(word, "locks"))
		return totp_record_small(value, TOTP_RECORD_LOCKS_MAX, &r->locks);
	if (bytes_is(word, "locked"))
		return totp_record_get_lock(r, value);
	if (bytes_is(word, "remembered"))
		return totp_record_get_remembered(r, value);
	return ERR_FORMAT;
}

static void
totp_record_new(struct totp_record *r, const uint8_t id[TOTP_ID_SIZE])
{
	memset(r, 0, sizeof(*r));
	memcpy(r->id, id, TOTP_ID_SIZE);
	r->step = -1;
}

int
totp_record_get(struct totp_record *r, struct bytes text, const uint8_t id[TOTP_ID_SIZE])
{
	struct bytes word, value;
	int err;

	totp_record_new(r, id);
	if (text.len > TOTP_RECORD_MAX)
		return ERR_FORMAT;
	while ((err = state_line(&text, &word, &value)) == 1)
		if (totp_record_get_line(r, word, value) != 0) {
			err = ERR_FORMAT;
			break;
		}
	if (err != 0 || memcmp(r->id, id, TOTP_ID_SIZE) != 0)
		totp_record_new(r, id);
	return err;
}

static void __attribute__((format(printf, 2, 3)))
totp_record_print(struct buf *out, const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(line))
		buf_put(out, line, (size_t)n);
	else
		out->err = ERR_TOOBIG;
}

void
totp_record_put(struct buf *out, const struct totp_record *r)
{
	char hex[2 * TOTP_ID_SIZE + 1];
	const struct totp_remembered *m;

	totp_record_print(out, "id %s\n", sodium_bin2hex(hex, sizeof(hex), r->id, sizeof(r->id)));
	if (r->step >= 0)
		totp_record_print(out, "step %" PRId64 "\n", r->step);
	if (r->used_at > 0)
		totp_record_print(out, "used %" PRId64 "\n", r->used_at);
	if (r->recovery != 0)
		totp_record_print(out, "recovery %u\n", r->recovery);
	if (r->wrong > 0)
		totp_record_print(out, "wrong %u\n", r->wrong);
	if (r->locks > 0)
		totp_record_print(out, "locks %u\n", r->locks);
	if (r->locked_for > 0)
		totp_record_print(out, "locked %" PRId64 " %" PRId64 "\n", r->locked_at,
		    r->locked_for);
	for (m = r->remembered; m < r->remembered + r->n; m++)
		totp_record_print(out, "remembered %" PRId64 " %s %s\n", m->since, m->address,
		    sodium_bin2hex(hex, sizeof(hex), m->proof, sizeof(m->proof)));
}

/* --- what it says --- */

int64_t
totp_record_locked(const struct totp_record *r, int64_t now)
{
	/* a clock that was set back begins the lock anew: by no clock it lasts longer than it should */
	int64_t from = r->locked_at > now ? now : r->locked_at;

	return r->locked_for > 0 && now - from < r->locked_for ? from + r->locked_for : 0;
}

unsigned int
totp_record_recovery_left(const struct totp_record *r, const struct totp *secret)
{
	unsigned int left = 0;
	size_t i;

	for (i = 0; i < secret->n_recovery; i++)
		left += (r->recovery >> i & 1) == 0;
	return left;
}

void
totp_record_reset(struct totp_record *r, const struct totp *secret, int64_t now)
{
	int64_t latest = now / secret->step + TOTP_SKEW_MAX;

	r->wrong = r->locks = 0;
	r->locked_at = r->locked_for = 0;
	r->n = 0;
	if (r->step > latest)
		r->step = latest;
}

void
totp_record_proof(const char *text, uint8_t proof[TOTP_RECORD_PROOF_SIZE])
{
	crypto_generichash(proof, TOTP_RECORD_PROOF_SIZE, (const uint8_t *)text, strlen(text), NULL,
	    0);
}

static int
totp_remembered_is(const struct totp_remembered *m, const struct totp_login *l)
{
	return strcmp(m->address, l->address) == 0 &&
	    memcmp(m->proof, l->proof, sizeof(m->proof)) == 0;
}

int
totp_record_remembers(const struct totp_login *l, struct bytes record)
{
	const struct totp_remembered *m;
	struct totp_record r;

	if (l->proof == NULL || l->remember <= 0 || totp_record_get(&r, record, l->secret->id) != 0)
		return 0;
	/* of the future: the clock has been set back, and nobody knows for how long it holds */
	for (m = r.remembered; m < r.remembered + r.n; m++)
		if (totp_remembered_is(m, l) && m->since <= l->now &&
		    l->now - m->since < l->remember)
			return 1;
	return 0;
}

/* --- a login --- */

/* The oldest entry gives way. */
static void
totp_record_remember(struct totp_record *r, const struct totp_login *l)
{
	struct totp_remembered *m = r->remembered, *oldest = r->remembered;

	if (l->proof == NULL || l->remember <= 0 || strlen(l->address) >= sizeof(m->address))
		return;
	for (; m < r->remembered + r->n && !totp_remembered_is(m, l); m++)
		if (m->since < oldest->since)
			oldest = m;
	if (m == r->remembered + TOTP_RECORD_REMEMBERED_MAX)
		m = oldest;
	else if (m == r->remembered + r->n)
		r->n++;
	m->since = l->now;
	memcpy(m->address, l->address, strlen(l->address) + 1);
	memcpy(m->proof, l->proof, sizeof(m->proof));
}

static void
totp_record_right(struct totp_record *r, struct totp_login *l)
{
	r->used_at = l->now;
	r->wrong = r->locks = 0;
	r->locked_at = r->locked_for = 0;
	totp_record_remember(r, l);
}

static void
totp_record_wrong(struct totp_record *r, struct totp_login *l)
{
	l->outcome = TOTP_WRONG;
	l->wrong = ++r->wrong;
	l->clock_off = totp_clock_off(l->secret, l->typed, (time_t)l->now);
	if (r->wrong < TOTP_RECORD_WRONG_MAX)
		return;
	l->outcome = TOTP_LOCKS;
	r->wrong = 0;
	r->locked_at = l->now;
	r->locked_for = TOTP_RECORD_LOCK_MIN << (r->locks < 4 ? r->locks : 4);
	if (r->locked_for > TOTP_RECORD_LOCK_MAX)
		r->locked_for = TOTP_RECORD_LOCK_MAX;
	l->locked_for = r->locked_for;
	if (r->locks < TOTP_RECORD_LOCKS_MAX)
		r->locks++;
}

/* 1 if the record has changed. */
static int
totp_record_judge(struct totp_record *r, struct totp_login *l)
{
	int64_t until = totp_record_locked(r, l->now), step;
	size_t index;

	if (until != 0) {
		l->outcome = TOTP_LOCKED;
		l->locked_for = until - l->now;
		if (r->locked_at <= l->now)
			return 0;
		r->locked_at = l->now; /* the clock has been set back */
		return 1;
	}
	r->locked_at = r->locked_for = 0;
	if (totp_find_code(l->secret, l->typed, (time_t)l->now, l->skew, &step) == 0) {
		l->outcome = step > r->step ? TOTP_ACCEPTED : TOTP_USED;
		if (l->outcome == TOTP_USED)
			return 0;
		r->step = step;
		totp_record_right(r, l);
	} else if (totp_find_recovery(l->secret, l->typed, &index) == 0) {
		l->outcome = r->recovery >> index & 1 ? TOTP_USED : TOTP_RECOVERED;
		if (l->outcome == TOTP_USED)
			return 0;
		r->recovery |= 1U << index;
		l->recovery_left = totp_record_recovery_left(r, l->secret);
		totp_record_right(r, l);
	} else {
		totp_record_wrong(r, l);
	}
	return 1;
}

int
totp_record_login(void *login, struct buf *record)
{
	struct totp_login *l = login;
	struct totp_record r;
	int err = totp_record_get(&r, buf_bytes(record), l->secret->id);

	if (err != 0)
		return err;
	if (!totp_record_judge(&r, l))
		return ERR_EXISTS;
	buf_reset(record);
	totp_record_put(record, &r);
	return buf_err(record);
}
