/*
 * formats/key_list.c: the list of trusted CAs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cert_samples.h"
#include "formats/cert.h"
#include "formats/key_list.h"

static void
test_trusted_list(void **state)
{
	static const char text[] = "# CAs\nnothing\ncert-authority " CA_KEY "\n" ED25519_CERT
				   "\n" RSA_CA_KEY " our CA\n";
	struct bytes list = { (const uint8_t *)text, sizeof(text) - 1 }, key;
	struct buf ca, rsa, ed;

	(void)state;
	sample_blob(CA_KEY, &ca);
	sample_blob(RSA_CA_KEY, &rsa);
	sample_blob(ED25519_KEY, &ed);
	key = buf_bytes(&rsa);
	assert_int_equal(key_list_has(list, &key, 1, KEY_LIST_TRUSTED), 1);
	key = buf_bytes(&ca); /* its line has options, which there are none of here */
	assert_int_equal(key_list_has(list, &key, 1, KEY_LIST_TRUSTED), 0);
	key = buf_bytes(&ed); /* its certificate makes no CA of it */
	assert_int_equal(key_list_has(list, &key, 1, KEY_LIST_TRUSTED), 0);
	buf_free(&ed);
	buf_free(&rsa);
	buf_free(&ca);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trusted_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
