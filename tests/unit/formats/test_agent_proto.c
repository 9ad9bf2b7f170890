/*
 * formats/agent_proto.c: requests to an agent, byte for byte, and its answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "formats/agent_proto.h"

static void
put_key(struct buf *b, const char *type, uint8_t fill)
{
	uint8_t key[32];
	struct buf blob;

	memset(key, fill, sizeof(key));
	buf_init(&blob, 1000);
	wire_put_text(&blob, type);
	wire_put_string(&blob, key, sizeof(key));
	wire_put_string(b, blob.data, blob.len);
	wire_put_text(b, "comment");
	buf_free(&blob);
}

/* An answer with three keys that are of use, and two that are not. */
static void
put_answer(struct buf *b)
{
	buf_init(b, 1 << 20);
	buf_put_u8(b, 12);
	wire_put_u32(b, 5);
	put_key(b, "ssh-ed25519", 1);
	put_key(b, "ssh-foo", 2);
	put_key(b, "ssh-ed25519-cert-v01@openssh.com", 3);
	put_key(b, "ssh-rsa", 4);
	put_key(b, "ssh-ed25519", 5);
}

static uint8_t
last_byte(struct bytes s)
{
	return s.p[s.len - 1];
}

static void
test_keys(void **state)
{
	struct bytes none = { NULL, 0 };
	struct agent_keys keys;
	struct buf b;

	(void)state;
	put_answer(&b);
	assert_int_equal(agent_proto_keys(buf_bytes(&b), none, &keys), 0);
	assert_int_equal(keys.n, 3);
	assert_int_equal(last_byte(keys.v[0]), 1);
	assert_int_equal(last_byte(keys.v[1]), 3);
	assert_int_equal(last_byte(keys.v[2]), 5);
	/* the last one first, the others as they were */
	assert_int_equal(agent_proto_keys(buf_bytes(&b), keys.v[2], &keys), 0);
	assert_int_equal(last_byte(keys.v[0]), 5);
	assert_int_equal(last_byte(keys.v[1]), 1);
	assert_int_equal(last_byte(keys.v[2]), 3);
	buf_free(&b);
}

static void
test_no_keys(void **state)
{
	struct bytes none = { NULL, 0 };
	struct agent_keys keys;

	(void)state;
	assert_int_equal(agent_proto_keys((struct bytes){ (const uint8_t *)"\5", 1 }, none, &keys),
	    0);
	assert_int_equal(keys.n, 0);
	assert_int_equal(agent_proto_keys((struct bytes){ (const uint8_t *)"\x0c\0\0\0\0", 5 },
			     none, &keys),
	    0);
	assert_int_equal(keys.n, 0);
	assert_int_equal(agent_proto_keys((struct bytes){ (const uint8_t *)"\6", 1 }, none, &keys),
	    ERR_FORMAT);
	assert_int_equal(agent_proto_keys(none, none, &keys), ERR_FORMAT);
}

static void
test_every_truncation_fails(void **state)
{
	struct bytes none = { NULL, 0 };
	struct agent_keys keys;
	struct buf b;
	uint8_t *cut;
	size_t len;

	(void)state;
	put_answer(&b);
	for (len = 0; len < b.len; len++) {
		cut = malloc(len + 1);
		memcpy(cut, b.data, len);
		assert_int_equal(agent_proto_keys((struct bytes){ cut, len }, none, &keys),
		    ERR_FORMAT);
		free(cut);
	}
	buf_put_u8(&b, 0);
	assert_int_equal(agent_proto_keys(buf_bytes(&b), none, &keys), ERR_FORMAT);
	buf_free(&b);
}

static void
test_many_keys(void **state)
{
	struct bytes none = { NULL, 0 };
	struct agent_keys keys;
	struct buf b;
	int i;

	(void)state;
	buf_init(&b, 1 << 20);
	buf_put_u8(&b, 12);
	wire_put_u32(&b, 200);
	for (i = 0; i < 200; i++)
		put_key(&b, "ssh-ed25519", (uint8_t)i);
	assert_int_equal(agent_proto_keys(buf_bytes(&b), none, &keys), 0);
	assert_int_equal(keys.n, AGENT_PROTO_KEYS_MAX);
	buf_free(&b);
}

static void
expect_sign(const char *alg, uint32_t flags)
{
	struct bytes key = { (const uint8_t *)"key", 3 }, data = { (const uint8_t *)"data", 4 };
	struct buf b;
	struct wire w;

	buf_init(&b, 1000);
	agent_proto_put_sign(&b, key, data, alg);
	wire_init(&w, b.data, b.len);
	assert_int_equal(wire_u8(&w), 13);
	assert_true(bytes_is(wire_string(&w), "key"));
	assert_true(bytes_is(wire_string(&w), "data"));
	assert_int_equal(wire_u32(&w), flags);
	assert_int_equal(wire_end(&w), 0);
	buf_free(&b);
}

static void
test_sign(void **state)
{
	struct bytes sig;

	(void)state;
	expect_sign("ssh-ed25519", 0);
	expect_sign("rsa-sha2-256", 2);
	expect_sign("rsa-sha2-512", 4);
	assert_int_equal(agent_proto_signature((struct bytes){ (const uint8_t *)"\x0e\0\0\0\1s",
						   6 },
			     &sig),
	    0);
	assert_true(bytes_is(sig, "s"));
	assert_int_equal(agent_proto_signature((struct bytes){ (const uint8_t *)"\5", 1 }, &sig),
	    ERR_AUTH);
	assert_int_equal(agent_proto_signature((struct bytes){ (const uint8_t *)"\6", 1 }, &sig),
	    ERR_FORMAT);
	assert_int_equal(agent_proto_signature((struct bytes){ (const uint8_t *)"\x0e\0\0\0\2s",
						   6 },
			     &sig),
	    ERR_FORMAT);
	assert_int_equal(agent_proto_signature((struct bytes){ (const uint8_t *)"\x0e\0\0\0\0s",
						   6 },
			     &sig),
	    ERR_FORMAT);
}

static void
test_bind(void **state)
{
	struct bytes key = { (const uint8_t *)"host key", 8 }, id = { (const uint8_t *)"id", 2 };
	struct bytes sig = { (const uint8_t *)"sig", 3 };
	struct buf b;
	struct wire w;

	(void)state;
	buf_init(&b, 1000);
	agent_proto_put_bind(&b, key, id, sig);
	wire_init(&w, b.data, b.len);
	assert_int_equal(wire_u8(&w), 27);
	assert_true(bytes_is(wire_string(&w), "session-bind@openssh.com"));
	assert_true(bytes_is(wire_string(&w), "host key"));
	assert_true(bytes_is(wire_string(&w), "id"));
	assert_true(bytes_is(wire_string(&w), "sig"));
	assert_int_equal(wire_bool(&w), 0);
	assert_int_equal(wire_end(&w), 0);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_no_keys),
		cmocka_unit_test(test_every_truncation_fails),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_bind),
	};

	return cmocka_run_group_tests_name("agent_proto", tests, NULL, NULL);
}
