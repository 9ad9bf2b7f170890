/*
 * formats/revoked.c and formats/krl_write.c: the list of a CA, and the KRL that is made of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cert_samples.h"
#include "formats/cert.h"
#include "formats/krl.h"
#include "formats/krl_write.h"

#define OTHER_KEY "key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"

static int
list_read(const char *text, struct revoked *list)
{
	struct reason why;

	revoked_init(list);
	return revoked_get(list, (struct bytes){ (const uint8_t *)text, strlen(text) }, &why);
}

/* Does a KRL of these lists revoke the key or certificate in that line? */
static int
revokes(const struct revoked *lists, size_t n, const char *line)
{
	struct buf blob, krl;
	struct cert c;
	int r, is_cert;

	buf_init(&krl, 65536);
	krl_write(&krl, lists, n, 1, 1700000000);
	assert_int_equal(buf_err(&krl), 0);
	sample_blob(line, &blob);
	is_cert = cert_parse(&c, buf_bytes(&blob)) == 0;
	r = krl_check(buf_bytes(&krl), buf_bytes(&blob), is_cert ? &c : NULL);
	buf_free(&blob);
	buf_free(&krl);
	return r;
}

static void
test_reader_finds_what_was_written(void **state)
{
	/* ED25519_CERT has serial number 7 and "an id"; RSA_CA_CERT the same of another CA */
	static const struct {
		const char *lines;
		int cert, key;
	} lists[] = {
		{ "", 0, 0 },
		{ "serial 7\n", 1, 0 },
		{ "serial 6\nserial 8\nserial 20\n", 0, 0 },
		{ "serial 2\nserial 5 9\nserial 18446744073709551615\n", 1, 0 },
		{ "serial 1 6\nserial 8 18446744073709551615\n", 0, 0 },
		{ "id another\nid an id\n", 1, 0 },
		{ "id an id \n", ERR_FORMAT, 0 },
		{ "id An id\nid an\n", 0, 0 },
		{ OTHER_KEY, 0, 0 },
	};
	struct revoked list;
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		snprintf(text, sizeof(text), "ca " CA_KEY "\nname users\n%s", lists[i].lines);
		assert_int_equal(list_read(text, &list), lists[i].cert < 0 ? lists[i].cert : 0);
		if (lists[i].cert >= 0) {
			assert_int_equal(revokes(&list, 1, ED25519_CERT), lists[i].cert);
			assert_int_equal(revokes(&list, 1, ED25519_KEY), lists[i].key);
			assert_int_equal(revokes(&list, 1, RSA_CA_CERT), 0);
		}
		revoked_free(&list);
	}
}

static void
test_key_is_revoked_with_its_certificates(void **state)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct revoked list;
	struct buf blob;

	(void)state;
	assert_int_equal(list_read("ca " RSA_CA_KEY "\n" OTHER_KEY, &list), 0);
	sample_blob(ED25519_KEY, &blob);
	pubkey_fingerprint(buf_bytes(&blob), fingerprint);
	buf_free(&blob);
	assert_int_equal(revokes(&list, 1, ED25519_CERT), 0);
	assert_int_equal(revoked_add_key(&list, fingerprint), 0);
	assert_int_equal(revoked_add_key(&list, fingerprint), ERR_EXISTS);
	assert_int_equal(revokes(&list, 1, ED25519_KEY), 1);
	assert_int_equal(revokes(&list, 1, ED25519_CERT), 1);
	assert_int_equal(revokes(&list, 1, P256_CERT), 0);
	revoked_free(&list);
}

static void
test_krl_holds_the_lists_of_several_authorities(void **state)
{
	struct revoked lists[2];

	(void)state;
	assert_int_equal(list_read("ca " RSA_CA_KEY "\nserial 7\n", &lists[0]), 0);
	assert_int_equal(list_read("ca " CA_KEY "\nserial 8\n", &lists[1]), 0);
	assert_int_equal(revokes(lists, 2, RSA_CA_CERT), 1);
	assert_int_equal(revokes(lists, 2, ED25519_CERT), 0);
	assert_int_equal(revoked_add_serials(&lists[1], 7, 7), 0);
	assert_int_equal(revokes(lists, 2, ED25519_CERT), 1);
	revoked_free(&lists[0]);
	revoked_free(&lists[1]);
}

static void
test_serial_numbers_become_one_range_where_they_touch(void **state)
{
	static const struct {
		uint64_t first, last;
		int result;
		const char *lines;
	} steps[] = {
		{ 10, 10, 0, "serial 10\n" },
		{ 10, 10, ERR_EXISTS, "serial 10\n" },
		{ 12, 14, 0, "serial 10\nserial 12 14\n" },
		{ 1, 2, 0, "serial 1 2\nserial 10\nserial 12 14\n" },
		{ 13, 14, ERR_EXISTS, "serial 1 2\nserial 10\nserial 12 14\n" },
		{ 11, 11, 0, "serial 1 2\nserial 10 14\n" },
		{ 20, UINT64_MAX, 0, "serial 1 2\nserial 10 14\nserial 20 18446744073709551615\n" },
		{ 5, 12, 0, "serial 1 2\nserial 5 14\nserial 20 18446744073709551615\n" },
		{ 0, 4, ERR_FORMAT, "serial 1 2\nserial 5 14\nserial 20 18446744073709551615\n" },
		{ 4, 3, ERR_FORMAT, "serial 1 2\nserial 5 14\nserial 20 18446744073709551615\n" },
		{ 3, 19, 0, "serial 1 18446744073709551615\n" },
	};
	struct revoked list;
	struct buf text;
	size_t i;

	(void)state;
	assert_int_equal(list_read("ca " CA_KEY "\n", &list), 0);
	buf_init(&text, 65536);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		assert_int_equal(revoked_add_serials(&list, steps[i].first, steps[i].last),
		    steps[i].result);
		buf_reset(&text);
		revoked_put(&list, &text);
		assert_string_equal(strchr(buf_cstr(&text), '\n') + 1, steps[i].lines);
	}
	buf_free(&text);
	revoked_free(&list);
}

static void
test_list_that_is_not_understood_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"serial 7\n",
		"ca " CA_KEY "\nca " CA_KEY "\n",
		"ca ssh-ed25519 AAAA\n",
		"ca " CA_KEY "\nserial\n",
		"ca " CA_KEY "\nserial 0\n",
		"ca " CA_KEY "\nserial 7 \n",
		"ca " CA_KEY "\nserial 7-9\n",
		"ca " CA_KEY "\nserial 18446744073709551616\n",
		"ca " CA_KEY "\nserial 9 7\n",
		"ca " CA_KEY "\nid \n",
		"ca " CA_KEY "\nkey SHA256:AAAA\n",
		"ca " CA_KEY "\nkey MD5:aa\n",
		"ca " CA_KEY "\nkey SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\n",
		"ca " CA_KEY "\nserials 7\n",
		"ca " CA_KEY "\n\n",
		"ca " CA_KEY "\nname a\nname a\n",
	};
	struct revoked list;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(list_read(bad[i], &list), ERR_FORMAT);
		revoked_free(&list);
	}
}

static void
test_numbers_of_a_command_line(void **state)
{
	uint64_t first, last;

	(void)state;
	assert_int_equal(revoked_serials("7", &first, &last), 0);
	assert_true(first == 7 && last == 7);
	assert_int_equal(revoked_serials("7-18446744073709551615", &first, &last), 0);
	assert_true(first == 7 && last == UINT64_MAX);
	assert_int_equal(revoked_serials("7-", &first, &last), ERR_FORMAT);
	assert_int_equal(revoked_serials("-7", &first, &last), ERR_FORMAT);
	assert_int_equal(revoked_serials("0", &first, &last), ERR_FORMAT);
	assert_int_equal(revoked_serials("7a", &first, &last), ERR_FORMAT);
	assert_int_equal(revoked_serials("", &first, &last), ERR_FORMAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader_finds_what_was_written),
		cmocka_unit_test(test_key_is_revoked_with_its_certificates),
		cmocka_unit_test(test_krl_holds_the_lists_of_several_authorities),
		cmocka_unit_test(test_serial_numbers_become_one_range_where_they_touch),
		cmocka_unit_test(test_list_that_is_not_understood_is_refused),
		cmocka_unit_test(test_numbers_of_a_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
