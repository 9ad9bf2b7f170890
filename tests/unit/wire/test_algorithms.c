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
expect_within(enum algorithms kind, const char *list, const char *within, const char *want)
{
	struct reason why = { "" };
	struct buf out;

	buf_init(&out, 4096);
	if (algorithms_expand(kind, list, within, &out, &why) == 0)
		assert_string_equal(buf_cstr(&out), want);
	else
		assert_string_equal(why.text, want);
	buf_free(&out);
}

static void
expect(enum algorithms kind, const char *list, const char *want)
{
	expect_within(kind, list, NULL, want);
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
	expect(ALGORITHMS_MAC, "-umac-64@openssh.com,x*", MACS);
	expect(ALGORITHMS_HOST_KEY, "ssh-rsa", "ssh-rsa");
	/* as in sshd, patterns everywhere in lists of key algorithms */
	expect(ALGORITHMS_HOST_KEY, "ssh-*,rsa-sha2-512",
	    "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519,ssh-rsa,rsa-sha2-512");
	expect(ALGORITHMS_USER_KEY, "rsa-sha2-???", "rsa-sha2-512,rsa-sha2-256");
}

static void
test_bad_lists_are_refused(void **state)
{
	(void)state;
	expect(ALGORITHMS_MAC, "hmac-sha2-512,umac-64@openssh.com",
	    "\"umac-64@openssh.com\": libssh, which the gateway is built on, does not have it; "
	    "every OpenSSH since 5.9 has hmac-sha2-256");
	expect(ALGORITHMS_MAC, "-hmac-sha2-255",
	    "\"hmac-sha2-255\" is no MAC that is supported (did you mean hmac-sha2-256?)");
	expect(ALGORITHMS_MAC, "hmac-sha",
	    "\"hmac-sha\" is no MAC that is supported (did you mean hmac-sha1?)");
	expect(ALGORITHMS_CIPHER, "hmac-sha1", "\"hmac-sha1\" is no cipher that is supported");
	expect(ALGORITHMS_CIPHER, "+3DES-cbc",
	    "\"3DES-cbc\" is no cipher that is supported (did you mean 3des-cbc?)");
	expect(ALGORITHMS_KEX, "curve25519-sha256 x",
	    "\"curve25519-sha256 x\" is no key exchange that is supported (did you mean "
	    "curve25519-sha256?)");
	expect(ALGORITHMS_CIPHER, "aes*", "\"aes*\" is no cipher that is supported");
	expect(ALGORITHMS_CIPHER, ",aes128-ctr", "\"\" is no cipher that is supported");
	expect(ALGORITHMS_CIPHER, "-*", "that leaves no cipher");
	expect(ALGORITHMS_HOST_KEY, "+", algorithms_default(ALGORITHMS_HOST_KEY));
	expect(ALGORITHMS_HOST_KEY, "", "that leaves no host key algorithm");
	expect(ALGORITHMS_HOST_KEY, "ssh-dss", "\"ssh-dss\": DSA is not supported");
}

static void
test_group_exchange_is_for_upstreams(void **state)
{
	(void)state;
	expect(ALGORITHMS_KEX, "diffie-hellman-group-exchange-sha256,diffie-hellman-group18-sha512",
	    "diffie-hellman-group-exchange-sha256,diffie-hellman-group18-sha512");
	expect(ALGORITHMS_SERVER_KEX, "diffie-hellman-group18-sha512",
	    "diffie-hellman-group18-sha512");
	expect(ALGORITHMS_SERVER_KEX, "+diffie-hellman-group-exchange-sha256",
	    "\"diffie-hellman-group-exchange-sha256\": towards clients it would have to read the "
	    "file of moduli, which the sandbox forbids; sha256 can be named in a [route], for an "
	    "upstream");
}

static void
test_list_within_another(void **state)
{
	static const char within[] = "rsa-sha2-512,ssh-ed25519";

	(void)state;
	expect_within(ALGORITHMS_USER_KEY, "ssh-ed25519", within, "ssh-ed25519");
	expect_within(ALGORITHMS_USER_KEY, "-rsa*", within, "ssh-ed25519");
	expect_within(ALGORITHMS_USER_KEY, "^ssh-ed25519", within, "ssh-ed25519,rsa-sha2-512");
	expect_within(ALGORITHMS_USER_KEY, "*", within, within);
	expect_within(ALGORITHMS_USER_KEY, "+rsa-sha2-256", within,
	    "\"rsa-sha2-256\" is not in the list of [gateway], outside of which a route cannot go");
	expect_within(ALGORITHMS_USER_KEY, "-*", within, "that leaves no public key algorithm");
}

static void
test_filter_and_signatures(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	algorithms_filter("rsa-sha2-512,ssh-ed25519,x", "ssh-ed25519,y,rsa-sha2-512", &out);
	assert_string_equal(buf_cstr(&out), "rsa-sha2-512,ssh-ed25519");
	assert_true(algorithms_named(buf_cstr(&out), "ssh-ed25519"));
	assert_false(algorithms_named(buf_cstr(&out), "ssh-ed2551"));
	buf_free(&out);
	buf_init(&out, 4096);
	algorithms_signatures("ssh-ed25519-cert-v01@openssh.com,"
			      "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,ssh-ed25519,"
			      "rsa-sha2-512-cert-v01@openssh.com",
	    &out);
	assert_string_equal(buf_cstr(&out),
	    "ssh-ed25519,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512");
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_as_in_ssh_config),
		cmocka_unit_test(test_bad_lists_are_refused),
		cmocka_unit_test(test_group_exchange_is_for_upstreams),
		cmocka_unit_test(test_list_within_another),
		cmocka_unit_test(test_filter_and_signatures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
