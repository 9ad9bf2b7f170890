/*
 * formats/krl.c: revocation lists, as ssh-keygen(1) makes them and of sections that are made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "cert_samples.h"
#include "formats/cert.h"
#include "formats/krl.h"

static int
revokes(struct bytes list, const char *line)
{
	struct buf blob;
	struct cert c;
	int r, is_cert;

	sample_blob(line, &blob);
	is_cert = cert_parse(&c, buf_bytes(&blob)) == 0;
	r = krl_check(list, buf_bytes(&blob), is_cert ? &c : NULL);
	buf_free(&blob);
	return r;
}

static void
decode_list(const char *base64, struct buf *list)
{
	size_t n;
	uint8_t *to;

	buf_init(list, 65536);
	to = buf_reserve(list, strlen(base64));
	assert_non_null(to);
	assert_int_equal(sodium_base642bin(to, strlen(base64), base64, strlen(base64), NULL, &n,
			     NULL, sodium_base64_VARIANT_ORIGINAL),
	    0);
	list->len = n;
}

static void
test_lists_of_ssh_keygen(void **state)
{
	static const struct {
		const char *list;
		int cert, key, other; /* ED25519_CERT, its key; P256_CERT of the same CA */
	} lists[] = {
		{ KRL_EMPTY, 0, 0, 0 },
		{ KRL_SERIALS, 1, 0, 1 },
		{ KRL_RANGE, 1, 0, 1 },
		{ KRL_BITMAP, 1, 0, 1 },
		{ KRL_ID, 1, 0, 1 },
		{ KRL_ANY_ID, 1, 0, 1 },
		{ KRL_KEY, 1, 1, 0 },
		{ KRL_SHA1, 1, 1, 0 },
		{ KRL_SHA256, 1, 1, 0 },
		{ KRL_CA, 1, 0, 1 },
	};
	struct buf list;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		decode_list(lists[i].list, &list);
		assert_int_equal(revokes(buf_bytes(&list), ED25519_CERT), lists[i].cert);
		assert_int_equal(revokes(buf_bytes(&list), ED25519_KEY), lists[i].key);
		assert_int_equal(revokes(buf_bytes(&list), P256_CERT), lists[i].other);
		assert_int_equal(revokes(buf_bytes(&list), RSA_KEY), 0);
		/* of another CA */
		if (strcmp(lists[i].list, KRL_SERIALS) == 0 || strcmp(lists[i].list, KRL_ID) == 0)
			assert_int_equal(revokes(buf_bytes(&list), RSA_CA_CERT), 0);
		/* cut anywhere it is not understood, but where nothing or a whole section is
		 * left */
		for (n = 8; n < list.len; n++)
			assert_true(n == 44 ||
			    revokes((struct bytes){ list.data, n }, RSA_KEY) == ERR_FORMAT);
		buf_free(&list);
	}
}

/* One section of a list of our own making. */
static int
revokes_section(uint8_t type, const void *data, size_t len, const char *line)
{
	struct buf b;
	int r;

	buf_init(&b, 65536);
	buf_put(&b, "SSHKRL\n", 8);
	wire_put_u32(&b, 1);
	wire_put_u64(&b, 0);
	wire_put_u64(&b, 0);
	wire_put_u64(&b, 0);
	wire_put_text(&b, "");
	wire_put_text(&b, "");
	buf_put_u8(&b, type);
	wire_put_string(&b, data, len);
	r = revokes(buf_bytes(&b), line);
	buf_free(&b);
	return r;
}

static int
revokes_serial(uint8_t type, uint64_t low, const void *p, size_t len, const char *line)
{
	struct buf section, data;
	int r;

	buf_init(&section, 65536);
	buf_init(&data, 65536);
	wire_put_u64(&data, low);
	buf_put(&data, p, len);
	wire_put_text(&section, ""); /* any CA */
	wire_put_text(&section, "");
	buf_put_u8(&section, type);
	wire_put_string(&section, data.data, data.len);
	r = revokes_section(1, section.data, section.len, line);
	buf_free(&data);
	buf_free(&section);
	return r;
}

static void
test_sections_of_a_list(void **state)
{
	static const uint8_t up_to_9[8] = { 0, 0, 0, 0, 0, 0, 0, 9 };

	(void)state;
	/* serial number 7 */
	assert_int_equal(revokes_serial(0x20, 7, "", 0, ED25519_CERT), 1);
	assert_int_equal(revokes_serial(0x20, 8, "", 0, ED25519_CERT), 0);
	assert_int_equal(revokes_serial(0x20, 0, "", 0, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_serial(0x20, 7, "x", 1, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_serial(0x21, 7, up_to_9, 8, ED25519_CERT), 1);
	assert_int_equal(revokes_serial(0x21, 8, up_to_9, 8, ED25519_CERT), 0);
	assert_int_equal(revokes_serial(0x21, 10, up_to_9, 8, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_serial(0x21, 0, up_to_9, 8, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_serial(0x22, 1, "\0\0\0\1\x40", 5, ED25519_CERT), 1);
	assert_int_equal(revokes_serial(0x22, 1, "\0\0\0\1\x20", 5, ED25519_CERT), 0);
	assert_int_equal(revokes_serial(0x22, 7, "\0\0\0\2\0\1", 6, ED25519_CERT), 1);
	assert_int_equal(revokes_serial(0x22, 8, "\0\0\0\2\0\1", 6, ED25519_CERT), 0);
	assert_int_equal(revokes_serial(0x22, 1, "\0\0\0\0", 4, ED25519_CERT), 0);
	assert_int_equal(revokes_serial(0x22, 1, "\0\0\0\1\x80", 5, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_serial(0x22, UINT64_MAX, "\0\0\0\2\0\1", 6, ED25519_CERT),
	    ERR_FORMAT);
	/* sections of unknown types: some may be ignored */
	assert_int_equal(revokes_serial(0x24, 7, "", 0, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_section(4, "", 0, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_section(6, "", 0, ED25519_CERT), ERR_FORMAT);
	assert_int_equal(revokes_section(255, "\0\0\0\1a\0\0\0\0\0", 10, ED25519_CERT), 0);
	assert_int_equal(revokes_section(255, "\0\0\0\1a\1\0\0\0\0", 10, ED25519_CERT), ERR_FORMAT);
	/* a hash is whole */
	assert_int_equal(revokes_section(3, "\0\0\0\1a", 5, ED25519_CERT), ERR_FORMAT);
	/* a section for another CA is to be understood as well */
	assert_int_equal(revokes_section(1, "\0\0\0\1a\0\0\0\0\x99\0\0\0\0", 14, ED25519_CERT),
	    ERR_FORMAT);
	assert_int_equal(revokes_section(1, "\0\0\0\1a\0\0\0\0\x99\0\0\0\0", 14, ED25519_KEY),
	    ERR_FORMAT);
}

static void
test_list_of_public_keys(void **state)
{
	static const char mixed[] = "# gone\n\n \t" ED25519_KEY " a comment\r\n" RSA_CA_KEY;
	static const char broken[] = "who is this\n" ED25519_KEY "\n";
	static const char cert[] = ED25519_CERT "\n";
	struct bytes list = { (const uint8_t *)mixed, sizeof(mixed) - 1 };

	(void)state;
	assert_int_equal(revokes(list, ED25519_KEY), 1);
	assert_int_equal(revokes(list, ED25519_CERT), 1);
	assert_int_equal(revokes(list, RSA_CA_CERT), 1);
	assert_int_equal(revokes(list, P256_CERT), 0);
	assert_int_equal(revokes(list, P256_KEY), 0);
	list = (struct bytes){ (const uint8_t *)broken, sizeof(broken) - 1 };
	assert_int_equal(revokes(list, P256_KEY), ERR_FORMAT);
	list = (struct bytes){ (const uint8_t *)cert, sizeof(cert) - 1 };
	assert_int_equal(revokes(list, ED25519_KEY), 1);
	assert_int_equal(revokes(list, OPTIONS_CERT), 1);
	assert_int_equal(revokes(list, P256_KEY), 0);
	list = (struct bytes){ (const uint8_t *)"", 0 };
	assert_int_equal(revokes(list, ED25519_KEY), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_of_ssh_keygen),
		cmocka_unit_test(test_sections_of_a_list),
		cmocka_unit_test(test_list_of_public_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
