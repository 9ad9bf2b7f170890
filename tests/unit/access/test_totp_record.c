/*
 * What is kept of a TOTP secret: codes and recovery codes count once, wrong ones lock it, and a clock that
 * jumps changes none of that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "access/totp_record.h"

#define NOW INT64_C(1800000000)
#define STEP (NOW / 30)

struct world {
	struct totp secret;
	char recovery[2][TOTP_RECOVERY_TEXT_SIZE];
	struct buf record;
	struct totp_login login;
};

static int
setup(void **state)
{
	static struct world w;
	size_t i;

	assert_true(sodium_init() >= 0);
	w = (struct world){ 0 };
	totp_new(&w.secret);
	/* the same one each time: of a random one, two steps may have the same code */
	memcpy(w.secret.secret, "12345678901234567890", w.secret.secret_len);
	for (i = 0; i < 2; i++) {
		totp_recovery_new(w.recovery[i]);
		assert_int_equal(totp_recovery_add(&w.secret, w.recovery[i]), 0);
	}
	buf_init(&w.record, 65536);
	w.login = (struct totp_login){ .secret = &w.secret,
		.skew = 1,
		.now = NOW,
		.address = "192.0.2.1" };
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	buf_free(&w->record);
	return 0;
}

/* Try this text at this time; whether the record is to be written has to fit what came of it. */
static enum totp_outcome
try(struct world *w, int64_t now, const char *typed)
{
	int r;

	w->login.now = now;
	w->login.typed = typed;
	r = totp_record_login(&w->login, &w->record);
	if (w->login.outcome == TOTP_USED)
		assert_int_equal(r, ERR_EXISTS);
	else if (w->login.outcome != TOTP_LOCKED)
		assert_int_equal(r, 0);
	return w->login.outcome;
}

static enum totp_outcome
try_step(struct world *w, int64_t now, int64_t step)
{
	char code[TOTP_DIGITS_MAX + 1];

	assert_int_equal(totp_code(&w->secret, step, code), 0);
	return try(w, now, code);
}

static void
lock(struct world *w, int64_t now, int64_t seconds)
{
	unsigned int i;

	for (i = 1; i < TOTP_RECORD_WRONG_MAX; i++) {
		assert_int_equal(try(w, now, "0"), TOTP_WRONG);
		assert_int_equal(w->login.wrong, i);
	}
	assert_int_equal(try(w, now, "0"), TOTP_LOCKS);
	assert_int_equal(w->login.locked_for, seconds);
}

static void
test_code_counts_once(void **state)
{
	struct world *w = *state;

	assert_int_equal(try_step(w, NOW, STEP), TOTP_ACCEPTED);
	assert_int_equal(try_step(w, NOW, STEP), TOTP_USED);
	assert_int_equal(try_step(w, NOW + 29, STEP), TOTP_USED);
	/* nor does an older one, which nobody has used */
	assert_int_equal(try_step(w, NOW, STEP - 1), TOTP_USED);
	assert_int_equal(try_step(w, NOW, STEP + 1), TOTP_ACCEPTED);
	/* a code that is used does not lock: five logins within one step do not */
	assert_int_equal(try_step(w, NOW, STEP), TOTP_USED);
	assert_int_equal(try_step(w, NOW, STEP), TOTP_USED);
	assert_int_equal(try_step(w, NOW + 60, STEP + 2), TOTP_ACCEPTED);
}

static void
test_skew(void **state)
{
	struct world *w = *state;

	assert_int_equal(try_step(w, NOW, STEP - 2), TOTP_WRONG);
	assert_int_equal(try_step(w, NOW, STEP + 2), TOTP_WRONG);
	assert_int_equal(try_step(w, NOW, STEP - 1), TOTP_ACCEPTED);
	assert_int_equal(try_step(w, NOW, STEP + 1), TOTP_ACCEPTED);
	w->login.skew = 0;
	assert_int_equal(try_step(w, NOW + 30, STEP + 2), TOTP_WRONG);
	assert_int_equal(try_step(w, NOW + 60, STEP + 2), TOTP_ACCEPTED);
}

static void
test_wrong_codes_lock(void **state)
{
	static const int64_t seconds[] = { 300, 600, 1200, 2400, 3600, 3600, 3600 };
	struct world *w = *state;
	int64_t now = NOW;
	size_t i;

	for (i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		lock(w, now, seconds[i]);
		assert_int_equal(try_step(w, now + 1, (now + 1) / 30), TOTP_LOCKED);
		assert_int_equal(w->login.locked_for, seconds[i] - 1);
		now += seconds[i] - 1;
		assert_int_equal(try_step(w, now, now / 30), TOTP_LOCKED);
		now++;
	}
	/* a right code begins anew */
	assert_int_equal(try_step(w, now, now / 30), TOTP_ACCEPTED);
	lock(w, now, 300);
}

static void
test_right_code_forgets_wrong_ones(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 1; i < TOTP_RECORD_WRONG_MAX; i++)
		assert_int_equal(try(w, NOW, "000"), TOTP_WRONG);
	assert_int_equal(try_step(w, NOW, STEP), TOTP_ACCEPTED);
	assert_int_equal(try(w, NOW, "000"), TOTP_WRONG);
	assert_int_equal(w->login.wrong, 1);
}

static void
test_recovery_code_counts_once(void **state)
{
	struct world *w = *state;

	assert_int_equal(try(w, NOW, w->recovery[1]), TOTP_RECOVERED);
	assert_int_equal(w->login.recovery_left, 1);
	assert_int_equal(try(w, NOW, w->recovery[1]), TOTP_USED);
	lock(w, NOW, 300);
	assert_int_equal(try(w, NOW, w->recovery[0]), TOTP_LOCKED);
	assert_int_equal(try(w, NOW + 300, w->recovery[0]), TOTP_RECOVERED);
	assert_int_equal(w->login.recovery_left, 0);
}

/* The clock was right, and is an hour behind from now on. */
static void
test_clock_set_back(void **state)
{
	struct world *w = *state;
	const int64_t back = NOW - 3600;

	assert_int_equal(try_step(w, NOW, STEP), TOTP_ACCEPTED);
	assert_int_equal(try_step(w, back, STEP), TOTP_WRONG);
	assert_int_equal(try_step(w, back, back / 30), TOTP_USED);
	assert_int_equal(try_step(w, back + 3600 + 30, STEP + 1), TOTP_ACCEPTED);
	/* a lock lasts as long by the new clock, and no longer */
	lock(w, NOW + 60, 300);
	assert_int_equal(try(w, back, "0"), TOTP_LOCKED);
	assert_int_equal(w->login.locked_for, 300);
	assert_int_equal(try(w, back + 299, "0"), TOTP_LOCKED);
	assert_int_equal(w->login.locked_for, 1);
	assert_int_equal(try(w, back + 300, "0"), TOTP_WRONG);
}

/* The clock of the gateway, or that of the device, is an hour off: the log says so. */
static void
test_clock_is_off(void **state)
{
	static const int64_t off[] = { 3600, -3600, 60, -60, 3900, -3900 };
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		buf_reset(&w->record);
		assert_int_equal(try_step(w, NOW, STEP + off[i] / 30), TOTP_WRONG);
		assert_int_equal(w->login.clock_off, off[i]);
	}
	assert_int_equal(try_step(w, NOW, STEP + 131), TOTP_WRONG);
	assert_int_equal(w->login.clock_off, 0);
	assert_int_equal(try(w, NOW, "nonsense"), TOTP_WRONG);
	assert_int_equal(w->login.clock_off, 0);
	assert_int_equal(try_step(w, NOW, STEP + 120), TOTP_WRONG);
	assert_int_equal(try_step(w, NOW, STEP + 120), TOTP_LOCKS);
	assert_int_equal(w->login.clock_off, 3600);
}

/* The clock was a year ahead: its codes are used up.  A reset makes up for it. */
static void
test_clock_was_ahead(void **state)
{
	struct world *w = *state;
	const int64_t year = 365 * 86400;
	struct totp_record r;

	assert_int_equal(try_step(w, NOW + year, (NOW + year) / 30), TOTP_ACCEPTED);
	assert_int_equal(try_step(w, NOW, STEP), TOTP_USED);
	assert_int_equal(totp_record_get(&r, buf_bytes(&w->record), w->secret.id), 0);
	totp_record_reset(&r, &w->secret, NOW);
	buf_reset(&w->record);
	totp_record_put(&w->record, &r);
	assert_int_equal(try_step(w, NOW, STEP), TOTP_USED);
	assert_int_equal(try_step(w, NOW + 11 * 30, STEP + 11), TOTP_ACCEPTED);
}

static void
test_reset_unlocks_and_forgets(void **state)
{
	uint8_t proof[TOTP_RECORD_PROOF_SIZE];
	struct world *w = *state;
	struct totp_record r;

	totp_record_proof("key", proof);
	w->login.proof = proof;
	w->login.remember = 60;
	assert_int_equal(try(w, NOW, w->recovery[0]), TOTP_RECOVERED);
	assert_int_equal(try_step(w, NOW, STEP), TOTP_ACCEPTED);
	assert_int_equal(totp_record_remembers(&w->login, buf_bytes(&w->record)), 1);
	lock(w, NOW, 300);
	assert_int_equal(totp_record_get(&r, buf_bytes(&w->record), w->secret.id), 0);
	assert_int_equal(totp_record_locked(&r, NOW), NOW + 300);
	assert_int_equal(r.used_at, NOW);
	totp_record_reset(&r, &w->secret, NOW);
	buf_reset(&w->record);
	totp_record_put(&w->record, &r);
	assert_int_equal(totp_record_locked(&r, NOW), 0);
	assert_int_equal(totp_record_remembers(&w->login, buf_bytes(&w->record)), 0);
	assert_int_equal(try_step(w, NOW, STEP), TOTP_USED);
	assert_int_equal(try(w, NOW, w->recovery[0]), TOTP_USED);
	assert_int_equal(try_step(w, NOW, STEP + 1), TOTP_ACCEPTED);
}

static void
test_remembered_by_proof_and_address(void **state)
{
	uint8_t proof[TOTP_RECORD_PROOF_SIZE], other[TOTP_RECORD_PROOF_SIZE];
	struct world *w = *state;
	struct totp_login *l = &w->login;

	totp_record_proof("SHA256:a", proof);
	totp_record_proof("SHA256:b", other);
	l->proof = proof;
	l->remember = 3600;
	assert_int_equal(totp_record_remembers(l, buf_bytes(&w->record)), 0);
	assert_int_equal(try_step(w, NOW, STEP), TOTP_ACCEPTED);
	assert_int_equal(totp_record_remembers(l, buf_bytes(&w->record)), 1);
	l->proof = other;
	assert_int_equal(totp_record_remembers(l, buf_bytes(&w->record)), 0);
	l->proof = NULL;
	assert_int_equal(totp_record_remembers(l, buf_bytes(&w->record)), 0);
	l->proof = proof;
	l->address = "192.0.2.2";
	assert_int_equal(totp_record_remembers(l, buf_bytes(&w->record)), 0);
	l->address = "192.0.2.1";
	l->now = NOW + 3599;
	assert_int_equal(totp_record_remembers(l, buf_bytes(&w->record)), 1);
	l->now = NOW + 3600;
	assert_int_equal(totp_record_remembers(l, buf_bytes(&w->record)), 0);
	/* the clock was set back: nobody knows how long ago that was */
	l->now = NOW - 1;
	assert_int_equal(totp_record_remembers(l, buf_bytes(&w->record)), 0);
	l->now = NOW + 60;
	l->remember = 60;
	assert_int_equal(totp_record_remembers(l, buf_bytes(&w->record)), 0);
	l->remember = 0;
	l->now = NOW;
	assert_int_equal(totp_record_remembers(l, buf_bytes(&w->record)), 0);
}

static void
test_oldest_is_forgotten(void **state)
{
	uint8_t proof[TOTP_RECORD_PROOF_SIZE];
	struct world *w = *state;
	struct totp_record r;
	char address[32];
	int i;

	totp_record_proof("password alice", proof);
	w->login.proof = proof;
	w->login.remember = 86400;
	w->login.address = address;
	for (i = 0; i <= TOTP_RECORD_REMEMBERED_MAX; i++) {
		snprintf(address, sizeof(address), "192.0.2.%d", i);
		assert_int_equal(try_step(w, NOW + 30 * i, STEP + i), TOTP_ACCEPTED);
	}
	assert_int_equal(totp_record_get(&r, buf_bytes(&w->record), w->secret.id), 0);
	assert_int_equal(r.n, TOTP_RECORD_REMEMBERED_MAX);
	snprintf(address, sizeof(address), "192.0.2.0");
	assert_int_equal(totp_record_remembers(&w->login, buf_bytes(&w->record)), 0);
	snprintf(address, sizeof(address), "192.0.2.1");
	assert_int_equal(totp_record_remembers(&w->login, buf_bytes(&w->record)), 1);
	/* the same again takes no more room */
	assert_int_equal(try_step(w, NOW + 30 * i, STEP + i), TOTP_ACCEPTED);
	assert_int_equal(totp_record_get(&r, buf_bytes(&w->record), w->secret.id), 0);
	assert_int_equal(r.n, TOTP_RECORD_REMEMBERED_MAX);
}

static void
test_new_enrolment_begins_anew(void **state)
{
	struct world *w = *state;

	assert_int_equal(try_step(w, NOW, STEP), TOTP_ACCEPTED);
	lock(w, NOW, 300);
	w->secret.id[0] ^= 1;
	assert_int_equal(try_step(w, NOW, STEP), TOTP_ACCEPTED);
}

static void
test_longest_record_is_read_back(void **state)
{
	struct totp_record r = { .step = INT64_C(1) << 56, .recovery = 0xffff };
	struct world *w = *state;
	struct totp_record back;
	struct buf again;
	size_t i;

	r.used_at = r.locked_at = r.step;
	r.wrong = 4;
	r.locks = 100;
	r.locked_for = TOTP_RECORD_LOCK_MAX;
	for (; r.n < TOTP_RECORD_REMEMBERED_MAX; r.n++) {
		r.remembered[r.n].since = r.step;
		memset(r.remembered[r.n].address, 'f', TOTP_RECORD_ADDRESS_SIZE - 1);
	}
	totp_record_put(&w->record, &r);
	assert_int_equal(buf_err(&w->record), 0);
	assert_true(w->record.len <= TOTP_RECORD_MAX);
	assert_int_equal(totp_record_get(&back, buf_bytes(&w->record), r.id), 0);
	buf_init(&again, 65536);
	totp_record_put(&again, &back);
	assert_true(bytes_equal(buf_bytes(&again), buf_bytes(&w->record)));
	/* cut anywhere, it is whole lines or refused */
	for (i = 1; i < w->record.len; i++) {
		int err = totp_record_get(&back, (struct bytes){ w->record.data, i }, r.id);

		assert_true(err == 0 || err == ERR_FORMAT);
	}
	buf_free(&again);
}

static void
refused(const char *text)
{
	static const uint8_t id[TOTP_ID_SIZE];
	struct totp_record r;

	assert_int_equal(totp_record_get(&r, (struct bytes){ (const uint8_t *)text, strlen(text) },
			     id),
	    ERR_FORMAT);
}

#define ZERO "00000000000000000000000000000000"

static void
test_damaged_records_are_refused(void **state)
{
	struct world *w = *state;

	refused("\n");
	refused("id 00\n");
	refused("id " ZERO "00\n");
	refused("step\n");
	refused("step -1\n");
	refused("step 1 2\n");
	refused("step 9999999999999999999\n");
	refused("recovery 65536\n");
	refused("wrong 6\n");
	refused("locked 1\n");
	refused("locked 1 3601\n");
	refused("locked 1 300 1\n");
	refused("remembered 1 192.0.2.1\n");
	refused("remembered 1 192.0.2.1 0\n");
	refused("color blue\n");
	/* it is not taken for a new one */
	buf_put(&w->record, "id", 2);
	assert_int_equal(totp_record_login(&w->login, &w->record), ERR_FORMAT);
	assert_int_equal(w->record.len, 2);
	assert_int_equal(totp_record_remembers(&w->login, buf_bytes(&w->record)), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_code_counts_once),
		T(test_skew),
		T(test_wrong_codes_lock),
		T(test_right_code_forgets_wrong_ones),
		T(test_recovery_code_counts_once),
		T(test_clock_set_back),
		T(test_clock_is_off),
		T(test_clock_was_ahead),
		T(test_reset_unlocks_and_forgets),
		T(test_remembered_by_proof_and_address),
		T(test_oldest_is_forgotten),
		T(test_new_enrolment_begins_anew),
		T(test_longest_record_is_read_back),
		T(test_damaged_records_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
