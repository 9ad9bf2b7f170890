/*
 * wire/algorithms.c: lists of algorithms as in ssh_config(5).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "wire/algorithms.h"

#define MACS                                                                         \
	"hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256," \
	"hmac-sha2-512"

static void
expect(enum algorithms kind, const char *list, const char *want)
{
	struct reason why = { "" };
	struct buf out;

	buf_init(&out, 4096);
	if (algorithms_expand(kind, list, &out, &why) == 0)
		assert_string_equal(buf_cstr(&out), want);
	else
		assert_string_equal(why.text, want);
	buf_free(&out);
}

static void
test_lists_as_in_ssh_config(void **state)
{
	(void)state;
	expect(ALGORITHMS_MAC, "hmac-sha2-512", "hmac-sha2-512");
	expect(ALGORITHMS_MAC, "hmac-sha1,hmac-sha2-512,hmac-sha1", "hmac-sha1,hmac-sha2-512");
	expect(ALGORITHMS_MAC, "+hmac-sha1", MACS ",hmac-sha1");
	expect(ALGORITHMS_MAC, "+hmac-sha2-256,hmac-sha1", MACS ",hmac-sha1");
	expect(ALGORITHMS_MAC, "^hmac-sha2-512",
	    "hmac-sha2-512,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
	    "hmac-sha2-256");
	expect(ALGORITHMS_MAC, "-hmac-sha2-512,*-etm@*", "hmac-sha2-256");
	expect(ALGORITHMS_MAC, "-nothing", MACS);
	expect(ALGORITHMS_HOST_KEY, "ssh-rsa", "ssh-rsa");
}

static void
test_bad_lists_are_refused(void **state)
{
	(void)state;
	expect(ALGORITHMS_MAC, "hmac-sha2-512,umac-64@openssh.com",
	    "\"umac-64@openssh.com\" is no MAC that is supported");
	expect(ALGORITHMS_CIPHER, "hmac-sha1", "\"hmac-sha1\" is no cipher that is supported");
	expect(ALGORITHMS_CIPHER, "+3DES-cbc", "\"3DES-cbc\" is no cipher that is supported");
	expect(ALGORITHMS_KEX, "curve25519-sha256 x",
	    "\"curve25519-sha256 x\" is no key exchange that is supported");
	expect(ALGORITHMS_CIPHER, "aes*", "\"aes*\" is no cipher that is supported");
	expect(ALGORITHMS_CIPHER, ",aes128-ctr", "\"\" is no cipher that is supported");
	expect(ALGORITHMS_CIPHER, "-*", "that leaves no cipher");
	expect(ALGORITHMS_HOST_KEY, "+", algorithms_default(ALGORITHMS_HOST_KEY));
	expect(ALGORITHMS_HOST_KEY, "", "that leaves no host key algorithm");
	expect(ALGORITHMS_HOST_KEY, "ssh-dss",
	    "\"ssh-dss\" is no host key algorithm that is supported");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_as_in_ssh_config),
		cmocka_unit_test(test_bad_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
