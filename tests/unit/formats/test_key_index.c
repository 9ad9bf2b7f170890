/*
 * formats/key_index.c: a list with an index gives the same answers as the list read through, whatever is in it
 * and in whatever order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "formats/authorized_options.h"
#include "formats/cert.h"
#include "formats/key_list.h"
#include "formats/pubkey.h"
#include "cert_samples.h"

#define NKEYS 6
#define LISTS 2000

static struct buf keys[NKEYS]; /* the last one is the samples' CA */
static unsigned int seed = 7;

static unsigned int
any(unsigned int n)
{
	return (unsigned int)rand_r(&seed) % n;
}

static struct bytes
blob_of(size_t i)
{
	return buf_bytes(&keys[i]);
}

static int
setup(void **state)
{
	static const char
	    *const lines[NKEYS] = { [1] = P256_KEY, [3] = P384_KEY, [NKEYS - 1] = CA_KEY };
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	size_t i;

	for (i = 0; i < NKEYS; i++) {
		buf_init(&keys[i], 4096);
		if (lines[i] != NULL) {
			if (pubkey_parse(lines[i], strlen(lines[i]), &keys[i]) != 0)
				return -1;
			continue;
		}
		randombytes_buf(public, sizeof(public));
		wire_put_text(&keys[i], "ssh-ed25519");
		wire_put_string(&keys[i], public, sizeof(public));
	}
	return 0;
}

static int
teardown(void **state)
{
	size_t i;

	for (i = 0; i < NKEYS; i++)
		buf_free(&keys[i]);
	return 0;
}

static void
put_random_line(struct buf *text)
{
	static const char *const options[] = { "", "", "", "restrict ", "cert-authority ",
		"cert-authority,principals=\"alice\" ", "from=\"192.0.2.*\" ", "from=\"!*\" ",
		"expiry-time=\"20200101\" ", "expiry-time=\"20990101\",no-pty ", "nonsense ",
		"command=\"a \\\"b\\\" c\" ", "principals=\"bob\" ", "from=\"open ",
		"no-such,pty " };
	static const char *const others[] = { "", "# a comment", "ssh-ed25519 AAAA", "not a key",
		"  \t", "ssh-ed25519", OPTIONS_CERT, "\r" };
	static const char *const ends[] = { "\n", "\n", "\n", " a comment\n", "\r\n", " \n" };

	if (any(4) == 0) {
		buf_putf(text, "%s\n", others[any(sizeof(others) / sizeof(others[0]))]);
		return;
	}
	if (any(4) == 0)
		buf_putf(text, " \t");
	buf_putf(text, "%s", options[any(sizeof(options) / sizeof(options[0]))]);
	pubkey_format(blob_of(any(NKEYS)), text);
	buf_putf(text, "%s", ends[any(sizeof(ends) / sizeof(ends[0]))]);
}

static int
read_line(void *ctx, const struct key_line *at, struct bytes *line)
{
	const struct buf *text = ctx;

	assert_true(at->offset <= text->len && at->len <= text->len - at->offset);
	*line = (struct bytes){ text->data + at->offset, at->len };
	return 0;
}

static void
compare_authorized(struct buf *text, const struct authorized_request *request)
{
	struct authorized_options by_walk, by_index;
	struct reason why_walk, why_index;
	struct key_index *index;
	int found;

	assert_int_equal(key_index_new(buf_bytes(text), KEY_INDEX_AUTHORIZED, &index), 0);
	found = authorized_keys_find((const char *)text->data, text->len, request, &by_walk,
	    &why_walk);
	assert_int_equal(authorized_keys_find_indexed(index, read_line, text, request, &by_index,
			     &why_index),
	    found);
	assert_string_equal(why_index.text, why_walk.text);
	assert_int_equal(by_index.line, by_walk.line);
	assert_int_equal(by_index.permits, by_walk.permits);
	assert_int_equal(by_index.cert_authority, by_walk.cert_authority);
	assert_int_equal(by_index.has_principals, by_walk.has_principals);
	assert_int_equal(by_index.command == NULL, by_walk.command == NULL);
	if (by_walk.command != NULL)
		assert_string_equal(by_index.command, by_walk.command);
	authorized_options_free(&by_walk);
	authorized_options_free(&by_index);
	key_index_free(&index);
}

static void
compare_plain(struct buf *text, enum key_list kind, size_t a, size_t b)
{
	const struct bytes wanted[2] = { blob_of(a), blob_of(b) };
	struct bytes list = buf_bytes(text);
	struct key_index *index;

	assert_int_equal(key_index_new(list,
			     kind == KEY_LIST_TRUSTED ? KEY_INDEX_TRUSTED : KEY_INDEX_REVOKED,
			     &index),
	    0);
	assert_int_equal(key_list_has_indexed(index, wanted, 2, kind),
	    key_list_has(list, wanted, 2, kind));
	key_index_free(&index);
}

static void
test_random_lists_give_the_same_answers(void **state)
{
	struct authorized_request request = { .login = "alice",
		.address = "192.0.2.200",
		.now = 1893456000 };
	struct buf text, certificate;
	unsigned int i, n;
	struct cert cert;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_init(&certificate, 65536);
	assert_int_equal(pubkey_parse(OPTIONS_CERT, strlen(OPTIONS_CERT), &certificate), 0);
	assert_int_equal(cert_parse(&cert, buf_bytes(&certificate)), 0);
	for (i = 0; i < LISTS; i++) {
		buf_reset(&text);
		for (n = any(20); n > 0; n--)
			put_random_line(&text);
		if (any(3) == 0 && text.len > 0)
			text.len--; /* the last line without its end */
		assert_int_equal(buf_err(&text), 0);
		for (n = 0; n < NKEYS; n++) {
			request.blob = blob_of(n);
			compare_authorized(&text, &request);
		}
		request.blob = buf_bytes(&certificate);
		request.cert = &cert;
		compare_authorized(&text, &request);
		request.cert = NULL;
		compare_plain(&text, KEY_LIST_TRUSTED, any(NKEYS), any(NKEYS));
		compare_plain(&text, KEY_LIST_REVOKED, any(NKEYS), any(NKEYS));
	}
	buf_free(&certificate);
	buf_free(&text);
}

/* Of several lines with one key, the first that allows it counts. */
static void
test_order_of_lines(void **state)
{
	struct authorized_request request = { .login = "alice",
		.address = "192.0.2.200",
		.now = 1893456000,
		.blob = blob_of(0) };
	struct authorized_options options;
	struct key_index *index;
	struct buf text;
	struct reason why;

	(void)state;
	buf_init(&text, 65536);
	buf_putf(&text, "from=\"!*\" ");
	pubkey_format(blob_of(0), &text);
	buf_putf(&text, "\n\nrestrict ");
	pubkey_format(blob_of(0), &text);
	buf_putf(&text, "\n");
	pubkey_format(blob_of(0), &text);
	buf_putf(&text, "\n");
	assert_int_equal(key_index_new(buf_bytes(&text), KEY_INDEX_AUTHORIZED, &index), 0);
	assert_int_equal(authorized_keys_find_indexed(index, read_line, &text, &request, &options,
			     &why),
	    1);
	assert_int_equal(options.line, 3);
	assert_int_equal(options.permits, 0);
	authorized_options_free(&options);
	key_index_free(&index);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_lists_give_the_same_answers),
		cmocka_unit_test(test_order_of_lines),
	};

	return cmocka_run_group_tests_name("key_index", tests, setup, teardown);
}
