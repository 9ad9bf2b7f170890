/*
 * transport/leg_new.c: libssh has each algorithm that wire/algorithms.c names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/leg.h"
#include "wire/algorithms.h"

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

/* Can a leg be limited to this algorithm?  For key exchanges of the client's side, a client stands
 * for the server. */
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
	case ALGORITHMS_SERVER_KEX:
		config.kex_algorithms = name;
		break;
	case ALGORITHMS_HOST_KEY:
	case ALGORITHMS_SERVER_HOST_KEY:
	case ALGORITHMS_USER_KEY:
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
test_libssh_has_every_algorithm_of_ours(void **state)
{
	char name[64];
	const char *list;
	size_t n;
	int i;

	(void)state;
	assert_false(leg_takes(ALGORITHMS_CIPHER, "rot13"));
	for (i = 0; i < 2 * ALGORITHMS_KINDS; i++) {
		/* libssh does not look at the algorithms of users' keys */
		if (i / 2 == ALGORITHMS_USER_KEY)
			continue;
		list = i % 2 == 0 ? algorithms_default(i / 2) : algorithms_optional(i / 2);
		for (; *list != '\0'; list += n + (list[n] == ',')) {
			n = strcspn(list, ",");
			snprintf(name, sizeof(name), "%.*s", (int)n, list);
			/* libssh 0.11, the floor, has no post-quantum key exchange */
			if (strncmp(name, "mlkem", 5) != 0 && strncmp(name, "sntrup", 6) != 0)
				assert_true(leg_takes(i / 2, name));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libssh_has_every_algorithm_of_ours),
	};

	if (leg_global_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
