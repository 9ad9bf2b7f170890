/*
 * errand/srv.c: answers of name servers, whole and cut anywhere, and the order of RFC 2782.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "errand/srv.h"

/* The header with so many answers, and the question: SRV of "h". */
static void
put_head(struct buf *b, uint8_t answers)
{
	const uint8_t head[] = { 0, 1, 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0, 1, 'h', 0, 0, 33,
		0, 1 };

	buf_init(b, 65536);
	buf_put(b, head, sizeof(head));
}

/* A record of "h": its type, and what it has behind a length. */
static void
put_record(struct buf *b, uint8_t type, const void *data, size_t len)
{
	const uint8_t head[] = { 0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, (uint8_t)len };

	buf_put(b, head, sizeof(head));
	buf_put(b, data, len);
}

#define TARGET(priority, weight, name) "\0" priority "\0" weight "\x08\xae" name

static void
put_target(struct buf *b, const char *data, size_t len)
{
	put_record(b, 33, data, len - 1);
}

static int
parse_exact(const struct buf *b, size_t len, struct srv_target targets[SRV_MAX])
{
	uint8_t *p = malloc(len + 1);
	int n;

	assert_non_null(p);
	memcpy(p + 1, b->data, len);
	n = srv_parse(p + 1, len, targets);
	free(p);
	return n;
}

static void
test_answers(void **state)
{
	static const char a[] = TARGET("\1", "\2", "\2vm\7example\0"), alias[] = "\3one\0";
	struct srv_target targets[SRV_MAX];
	struct buf b;
	size_t len;

	(void)state;
	put_head(&b, 2);
	put_record(&b, 5, alias, sizeof(alias) - 1);
	put_target(&b, a, sizeof(a));
	assert_int_equal(parse_exact(&b, b.len, targets), 1);
	assert_string_equal(targets[0].host, "vm.example");
	assert_int_equal(targets[0].port, 2222);
	assert_int_equal(targets[0].priority, 1);
	assert_int_equal(targets[0].weight, 2);
	for (len = 0; len < b.len; len++)
		assert_int_equal(parse_exact(&b, len, targets), ERR_FORMAT);
	buf_free(&b);
	put_head(&b, 0);
	assert_int_equal(parse_exact(&b, b.len, targets), 0);
	buf_free(&b);
}

static void
test_answers_that_say_no_or_nonsense(void **state)
{
	static const char none[] = TARGET("\0", "\0", "\0"), odd[] = TARGET("\0", "\0", "\3a b\0"),
			  portless[] = "\0\0\0\0\0\0\2vm\0",
			  loop[] = TARGET("\0", "\0", "\xc0\x25"), cut[] = "\0\0\0\0\0";
	static const struct {
		const char *data;
		size_t len;
		int n;
	} cases[] = {
		{ none, sizeof(none), ERR_NOTFOUND },
		{ odd, sizeof(odd), ERR_FORMAT },
		{ portless, sizeof(portless), ERR_FORMAT },
		{ loop, sizeof(loop), ERR_FORMAT },
		{ cut, sizeof(cut), ERR_FORMAT },
	};
	struct srv_target targets[SRV_MAX];
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_head(&b, 1);
		put_target(&b, cases[i].data, cases[i].len);
		assert_int_equal(parse_exact(&b, b.len, targets), cases[i].n);
		buf_free(&b);
	}
}

static void
test_more_records_than_are_tried(void **state)
{
	static const char a[] = TARGET("\1", "\2", "\2vm\0");
	struct srv_target targets[SRV_MAX];
	struct buf b;
	int i;

	(void)state;
	put_head(&b, 40);
	for (i = 0; i < 40; i++)
		put_target(&b, a, sizeof(a));
	assert_int_equal(parse_exact(&b, b.len, targets), SRV_MAX);
	buf_free(&b);
}

/* Hosts by their names, in order. */
static void
ordered(const struct srv_target *targets, size_t n, char *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = targets[i].host[0];
	out[n] = '\0';
}

static uint32_t
draw_first(uint32_t below)
{
	(void)below;
	return 0;
}

static uint32_t
draw_last(uint32_t below)
{
	return below - 1;
}

static uint32_t
draw_evenly(uint32_t below)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (state >> 8) % below;
}

static void
test_order(void **state)
{
	static const struct srv_target all[] = {
		{ "d", 22, 20, 0 },
		{ "c", 22, 10, 30 },
		{ "b", 22, 10, 10 },
		{ "a", 22, 10, 0 },
	};
	struct srv_target v[4];
	unsigned int first[256] = { 0 };
	char names[5];
	int i;

	(void)state;
	memcpy(v, all, sizeof(all));
	srv_order(v, 4, draw_first);
	ordered(v, 4, names);
	assert_string_equal(names, "abcd");
	memcpy(v, all, sizeof(all));
	srv_order(v, 4, draw_last);
	ordered(v, 4, names);
	assert_string_equal(names, "cbad");
	for (i = 0; i < 4000; i++) {
		memcpy(v, all, sizeof(all));
		srv_order(v, 4, draw_evenly);
		first[(uint8_t)v[0].host[0]]++;
		assert_string_equal(v[3].host, "d");
	}
	assert_in_range(first['c'], 2700, 3200);
	assert_in_range(first['b'], 800, 1200);
	assert_in_range(first['a'], 30, 250);
	srv_order(v, 0, draw_last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answers_that_say_no_or_nonsense),
		cmocka_unit_test(test_more_records_than_are_tried),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
