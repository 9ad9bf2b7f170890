/*
 * master/penalties.c: PerSourcePenalties: they add up, count from a minimum on and expire; and a full table.  The
 * clock is the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "address_of.h"
#include "base/log.h"
#include "master/penalties.h"

#define S 1000 /* ms */

static const struct conf_gateway usual = {
	.per_source_net_block = { 32, 64 },
	.penalties = { .enabled = 1,
	    .ms = { 90 * S, 5 * S, 5 * S, 1 * S, 10 * S, 10 * S },
	    .max_ms = 600 * S,
	    .min_ms = 15 * S,
	    .max_sources = { 65536, 65536 } },
};

static const char *why;

static int
admit(struct penalties *p, const char *text, int64_t now)
{
	struct netaddr a = address_of(text);

	why = "";
	return penalties_admit(p, &a, now, &why);
}

static void
add(struct penalties *p, const char *text, enum conf_penalty what, int64_t now)
{
	struct netaddr a = address_of(text);

	penalties_add(p, &a, what, now);
}

static void
test_penalties_add_up_and_expire(void **state)
{
	struct penalties *p = penalties_new(&usual);
	int64_t now = 1000 * S;
	int i;

	assert_true(admit(p, "192.0.2.1", now));
	for (i = 0; i < 3; i++) {
		add(p, "192.0.2.1", CONF_PENALTY_AUTHFAIL, now);
		assert_true(admit(p, "192.0.2.1", now));
	}
	/* with the fourth it is more than min, as with sshd's own defaults */
	add(p, "192.0.2.1", CONF_PENALTY_AUTHFAIL, now);
	assert_false(admit(p, "192.0.2.1", now));
	assert_string_equal(why, "penalty: failed authentication");
	assert_true(admit(p, "192.0.2.2", now));
	/* until all of it has run out, not only what is above min */
	assert_false(admit(p, "192.0.2.1", now + 20 * S - 1));
	assert_true(admit(p, "192.0.2.1", now + 20 * S));
	assert_int_equal(penalties_count(p), 0);
	penalties_free(&p);
}

static void
test_one_crash_is_enough(void **state)
{
	struct penalties *p = penalties_new(&usual);

	add(p, "192.0.2.1", CONF_PENALTY_CRASH, 0);
	assert_false(admit(p, "192.0.2.1", 0));
	assert_string_equal(why, "penalty: caused crash");
	add(p, "192.0.2.1", CONF_PENALTY_GRACE_EXCEEDED, 1);
	assert_false(admit(p, "192.0.2.1", 1));
	assert_string_equal(why, "penalty: exceeded LoginGraceTime");
	assert_false(admit(p, "192.0.2.1", 100 * S - 1));
	assert_true(admit(p, "192.0.2.1", 100 * S));
	penalties_free(&p);
}

static void
test_penalty_has_a_maximum(void **state)
{
	struct penalties *p = penalties_new(&usual);
	int i;

	for (i = 0; i < 2000; i++)
		add(p, "192.0.2.1", CONF_PENALTY_AUTHFAIL, i);
	assert_false(admit(p, "192.0.2.1", 1999 + 600 * S - 1));
	assert_true(admit(p, "192.0.2.1", 1999 + 600 * S));
	penalties_free(&p);
}

/* Small ones with time between them never reach min. */
static void
test_slow_failures_are_forgiven(void **state)
{
	struct penalties *p = penalties_new(&usual);
	int64_t now;

	for (now = 0; now < 3600 * S; now += 5 * S) {
		assert_true(admit(p, "192.0.2.1", now));
		add(p, "192.0.2.1", CONF_PENALTY_AUTHFAIL, now);
	}
	penalties_free(&p);
}

static void
test_sources_are_blocks(void **state)
{
	struct conf_gateway gateway = usual;
	struct penalties *p;

	gateway.per_source_net_block[0] = 20;
	p = penalties_new(&gateway);
	add(p, "198.51.100.7", CONF_PENALTY_CRASH, 0);
	assert_false(admit(p, "198.51.96.0", 1));
	assert_false(admit(p, "198.51.111.255", 1));
	assert_true(admit(p, "198.51.112.0", 1));
	/* an IPv4-mapped address is the IPv4 address */
	assert_false(admit(p, "::ffff:198.51.100.1", 1));
	add(p, "2001:db8:1:2:3:4:5:6", CONF_PENALTY_CRASH, 0);
	assert_false(admit(p, "2001:db8:1:2:ffff::", 1));
	assert_true(admit(p, "2001:db8:1:3::", 1));
	assert_int_equal(penalties_count(p), 2);
	penalties_free(&p);
}

static void
test_exempt_and_off(void **state)
{
	struct conf_gateway gateway = usual;
	struct penalties *p;
	char list[] = "192.0.2.64/26,2001:db8::/32";

	gateway.penalty_exempt = list;
	p = penalties_new(&gateway);
	add(p, "192.0.2.65", CONF_PENALTY_CRASH, 0);
	add(p, "2001:db8:7::1", CONF_PENALTY_CRASH, 0);
	assert_int_equal(penalties_count(p), 0);
	/* an address beside an exempt one is penalized with its block; the exempt one is not */
	add(p, "192.0.2.63", CONF_PENALTY_CRASH, 0);
	assert_false(admit(p, "192.0.2.63", 1));
	gateway.per_source_net_block[0] = 24;
	penalties_free(&p);
	p = penalties_new(&gateway);
	add(p, "192.0.2.63", CONF_PENALTY_CRASH, 0);
	assert_false(admit(p, "192.0.2.1", 1));
	assert_true(admit(p, "192.0.2.100", 1));
	gateway.penalties.enabled = 0;
	assert_true(admit(p, "192.0.2.1", 1));
	add(p, "203.0.113.1", CONF_PENALTY_CRASH, 0);
	assert_int_equal(penalties_count(p), 1);
	penalties_free(&p);
	/* a class without a time */
	gateway = usual;
	gateway.penalties.ms[CONF_PENALTY_CRASH] = 0;
	p = penalties_new(&gateway);
	add(p, "192.0.2.63", CONF_PENALTY_CRASH, 0);
	assert_int_equal(penalties_count(p), 0);
	penalties_free(&p);
}

static struct netaddr
source(int family, uint32_t i)
{
	struct netaddr a = { .family = (uint8_t)family };

	a.bytes[0] = 10;
	a.bytes[1] = (uint8_t)(i >> 16);
	a.bytes[2] = (uint8_t)(i >> 8);
	a.bytes[3] = (uint8_t)i;
	return a;
}

/* 65,536 sources of each family take less than 16 MB; in a full table, the one that expires first makes room. */
static void
test_full_table_permissive(void **state)
{
	struct penalties *p = penalties_new(&usual);
	struct netaddr a;
	uint32_t i;
	int family;

	assert_int_equal(penalties_bytes(p), 0);
	for (family = 4; family <= 6; family += 2)
		for (i = 0; i < 65536 + 1000; i++) {
			a = source(family, i);
			/* the later ones expire first, but for the first thousand */
			penalties_add(p, &a, CONF_PENALTY_CRASH, i < 1000 ? 0 : 200000 - i);
		}
	assert_int_equal(penalties_count(p), 2 * 65536);
	assert_int_equal(penalties_bytes(p), 6291456);
	for (family = 4; family <= 6; family += 2) {
		for (i = 0; i < 1000; i++) {
			a = source(family, i);
			assert_true(penalties_admit(p, &a, 200 * S / 4, &why));
		}
		for (; i < 65536 + 1000; i++) {
			a = source(family, i);
			assert_false(penalties_admit(p, &a, 200 * S / 4, &why));
		}
	}
	/* and they run out in order */
	a = source(4, 66535);
	assert_false(penalties_admit(p, &a, 90 * S + 200000 - 66535 - 1, &why));
	assert_true(penalties_admit(p, &a, 90 * S + 200000 - 66535, &why));
	a = source(4, 66534);
	assert_false(penalties_admit(p, &a, 90 * S + 200000 - 66535, &why));
	(void)penalties_admit(p, &a, 90 * S + 200000, &why);
	assert_int_equal(penalties_count(p), 65536);
	penalties_free(&p);
}

static void
test_full_table_deny_all(void **state)
{
	struct conf_gateway gateway = usual;
	char list[] = "203.0.113.9";
	struct penalties *p;
	struct netaddr a;
	uint32_t i;

	gateway.penalties.max_sources[0] = 100;
	gateway.penalties.deny_all[0] = 1;
	gateway.penalty_exempt = list;
	p = penalties_new(&gateway);
	for (i = 0; i < 99; i++) {
		a = source(4, i);
		penalties_add(p, &a, CONF_PENALTY_NOAUTH, i);
	}
	assert_true(admit(p, "203.0.113.8", 99));
	add(p, "203.0.113.1", CONF_PENALTY_NOAUTH, 99);
	assert_false(admit(p, "203.0.113.8", 99));
	assert_string_equal(why, "too many penalised addresses");
	assert_true(admit(p, "203.0.113.9", 99));
	assert_true(admit(p, "2001:db8::1", 99)); /* the other family is another matter */
	/* sources in the table can get more penalties; new sources are not added */
	add(p, "203.0.113.8", CONF_PENALTY_CRASH, 99);
	assert_int_equal(penalties_count(p), 100);
	add(p, "203.0.113.1", CONF_PENALTY_CRASH, 99);
	assert_false(admit(p, "203.0.113.8", 999));
	assert_true(admit(p, "203.0.113.8", 1000));
	assert_false(admit(p, "203.0.113.1", 1000));
	penalties_free(&p);
}

/* Against a list that is searched from end to end. */
static void
test_same_as_a_plain_list(void **state)
{
	struct conf_gateway gateway = usual;
	struct {
		int64_t expiry;
		int active;
	} plain[64] = { { 0, 0 } };
	struct penalties *p;
	struct netaddr a;
	int64_t now = 1;
	int i, n, what, expected;

	srandom(7);
	p = penalties_new(&gateway);
	for (n = 0; n < 200000; n++) {
		now += random() % 300;
		i = (int)(random() % 64);
		a = source(n % 2 ? 4 : 6, (uint32_t)(i & ~1) + (uint32_t)(n % 2 == 0));
		i = (i & ~1) + (n % 2 == 0);
		if (plain[i].expiry <= now) {
			plain[i].expiry = now;
			plain[i].active = 0;
		}
		if (random() % 3 == 0) {
			what = (int)(random() % CONF_PENALTIES);
			penalties_add(p, &a, (enum conf_penalty)what, now);
			plain[i].expiry += gateway.penalties.ms[what];
			if (plain[i].expiry - now > gateway.penalties.max_ms)
				plain[i].expiry = now + gateway.penalties.max_ms;
			plain[i].active |= plain[i].expiry - now > gateway.penalties.min_ms;
		}
		expected = plain[i].expiry <= now || !plain[i].active;
		a = source(a.family, (uint32_t)i);
		assert_int_equal(penalties_admit(p, &a, now, &why), expected);
	}
	penalties_free(&p);
}

static void
test_reload(void **state)
{
	struct conf_gateway first = usual, second = usual, third = usual, off = usual;
	struct penalties *p;
	struct netaddr a;
	uint32_t i;

	p = penalties_new(&first);
	for (i = 0; i < 1000; i++) {
		a = source(4, i);
		penalties_add(p, &a, CONF_PENALTY_CRASH, i);
		a = source(6, i);
		penalties_add(p, &a, CONF_PENALTY_CRASH, i);
	}
	/* as many as there is room for, those that last longest; IPv6 is as it was */
	second.penalties.max_sources[0] = 10;
	penalties_set_limits(p, &second, 1000);
	assert_int_equal(penalties_count(p), 1010);
	for (i = 0; i < 1000; i++) {
		a = source(4, i);
		assert_int_equal(penalties_admit(p, &a, 1000, &why), i < 990);
	}
	penalties_set_limits(p, &first, 1000);
	assert_int_equal(penalties_count(p), 1010);
	/* other blocks are other sources */
	third.per_source_net_block[1] = 48;
	penalties_set_limits(p, &third, 1000);
	assert_int_equal(penalties_count(p), 10);
	off.penalties.enabled = 0;
	penalties_set_limits(p, &off, 1000);
	assert_int_equal(penalties_count(p), 0);
	assert_int_equal(penalties_bytes(p), 0);
	penalties_set_limits(p, &first, 1000);
	add(p, "192.0.2.1", CONF_PENALTY_CRASH, 1000);
	assert_false(admit(p, "192.0.2.1", 1000));
	penalties_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_penalties_add_up_and_expire),
		cmocka_unit_test(test_one_crash_is_enough),
		cmocka_unit_test(test_penalty_has_a_maximum),
		cmocka_unit_test(test_slow_failures_are_forgiven),
		cmocka_unit_test(test_sources_are_blocks),
		cmocka_unit_test(test_exempt_and_off),
		cmocka_unit_test(test_full_table_permissive),
		cmocka_unit_test(test_full_table_deny_all),
		cmocka_unit_test(test_same_as_a_plain_list),
		cmocka_unit_test(test_reload),
	};

	log_set_level(LOG_LVL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
