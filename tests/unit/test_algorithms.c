/*
 * base/algorithms: lists as in ssh_config(5), and that libssh has what they name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/algorithms.h"
#include "transport/leg.h"

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
test_lists(void **state)
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
test_bad_lists(void **state)
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

static int
no_sign(void *ctx, const char *alg, struct bytes hash, struct buf *sig)
{
	return ERR_BADSTATE;
}

static int
no_host_key(void *ctx, const char *alg, struct bytes hash, struct bytes blob, struct bytes sig)
{
	return ERR_BADSTATE;
}

static void
no_packet(void *ctx, struct leg *leg, uint8_t *payload, size_t len)
{
}

/* A client that is to speak this and nothing else. */
static int
leg_takes(enum algorithms kind, const char *name)
{
	static const struct leg_ops ops = { no_sign, no_host_key, no_packet };
	struct leg_config config = { 0 };
	struct leg *leg;
	const char *why;
	int fds[2], taken;

	switch (kind) {
	case ALGORITHMS_KEX:
		config.kex_algorithms = name;
		break;
	case ALGORITHMS_HOST_KEY:
		config.host_key_algorithms = name;
		break;
	case ALGORITHMS_CIPHER:
		config.ciphers = name;
		break;
	case ALGORITHMS_MAC:
		config.macs = name;
		break;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	leg = leg_new_client(fds[0], &config, &ops, NULL, &why);
	taken = leg != NULL;
	leg_free(&leg);
	close(fds[1]);
	return taken;
}

static void
test_libssh_has_them(void **state)
{
	char name[64];
	const char *list;
	size_t n;
	int i;

	(void)state;
	assert_false(leg_takes(ALGORITHMS_CIPHER, "rot13"));
	for (i = 0; i < 8; i++) {
		list = i < 4 ? algorithms_default(i) : algorithms_weak(i - 4);
		for (; *list != '\0'; list += n + (list[n] == ',')) {
			n = strcspn(list, ",");
			snprintf(name, sizeof(name), "%.*s", (int)n, list);
			/* libssh 0.11, the floor, has no post-quantum key exchange */
			if (strncmp(name, "mlkem", 5) != 0 && strncmp(name, "sntrup", 6) != 0)
				assert_true(leg_takes(i % 4, name));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_bad_lists),
		cmocka_unit_test(test_libssh_has_them),
	};

	if (leg_global_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
