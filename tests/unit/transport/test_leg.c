/*
 * transport/leg*.c: two legs over a socket pair: handshake, login, messages of every size both ways, refusals,
 * garbage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "transport/leg_private.h"
#include "wire/ssh.h"

#define ROUNDS 500

struct end {
	struct leg *leg;
	struct buf got; /* payloads received, as strings */
};

struct fixture {
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	struct buf blob;
	struct bytes key;
	struct end server, client;
	struct leg *relay_to; /* what its legs receive, or NULL: they keep it */
	int refuse_host_key;
	int signed_hashes, checked_keys;
	uint8_t hash[64];
	size_t hash_len;
};

static int
sign(void *ctx, const char *alg, struct bytes hash, struct buf *sig)
{
	struct fixture *f = ctx;
	uint8_t raw[crypto_sign_BYTES];

	assert_string_equal(alg, "ssh-ed25519");
	f->signed_hashes++;
	memcpy(f->hash, hash.p, hash.len);
	f->hash_len = hash.len;
	crypto_sign_detached(raw, NULL, hash.p, hash.len, f->secret);
	wire_put_text(sig, "ssh-ed25519");
	wire_put_string(sig, raw, sizeof(raw));
	return 0;
}

static int
host_key(void *ctx, const char *alg, struct bytes hash, struct bytes blob, struct bytes sig)
{
	struct fixture *f = ctx;

	f->checked_keys++;
	assert_true(bytes_equal(blob, f->key));
	assert_true(bytes_equal(hash, (struct bytes){ f->hash, f->hash_len }));
	return f->refuse_host_key ? ERR_AUTH : 0;
}

static void
packet(void *ctx, struct leg *leg, uint8_t *payload, size_t len)
{
	struct fixture *f = ctx;
	struct end *end = leg == f->server.leg ? &f->server : &f->client;

	if (f->relay_to != NULL)
		assert_int_equal(leg_relay(f->relay_to, leg, payload, len), 0);
	else
		wire_put_string(&end->got, payload, len);
}

static const struct leg_ops ops = { sign, host_key, packet };

static int
setup_cipher(void **state, const char *cipher)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct leg_config config = { .software = "test", .ciphers = cipher };
	const char *why;
	int pair[2];

	crypto_sign_keypair(f->public, f->secret);
	buf_init(&f->blob, 256);
	wire_put_text(&f->blob, "ssh-ed25519");
	wire_put_string(&f->blob, f->public, sizeof(f->public));
	f->key = buf_bytes(&f->blob);
	buf_init(&f->server.got, 64 << 20);
	buf_init(&f->client.got, 64 << 20);
	config.host_keys = &f->key;
	config.n_host_keys = 1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	f->server.leg = leg_new_server(pair[0], &config, &ops, f, &why);
	f->client.leg = leg_new_client(pair[1], &config, &ops, f, &why);
	*state = f;
	return f->server.leg == NULL || f->client.leg == NULL ? -1 : 0;
}

static int
setup(void **state)
{
	return setup_cipher(state, NULL);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	leg_free(&f->server.leg);
	leg_free(&f->client.leg);
	leg_free(&f->client.leg);
	buf_free(&f->server.got);
	buf_free(&f->client.got);
	buf_free(&f->blob);
	free(f);
	return 0;
}

/* Let bytes flow until nothing moves.  The first error of a leg, or 0. */
static int
pump(struct fixture *f)
{
	struct leg *legs[2] = { f->server.leg, f->client.leg };
	int i, j, r, quiet = 0;

	for (i = 0; i < ROUNDS && quiet < 2; i++) {
		quiet++;
		for (j = 0; j < 2; j++) {
			if (leg_writable(legs[j]) > 0)
				quiet = 0;
			r = leg_flush(legs[j]);
			if (r != 0)
				return r;
		}
		for (j = 0; j < 2; j++) {
			r = leg_paused(legs[j]) ? ERR_AGAIN : leg_input(legs[j]);
			if (r == 0)
				quiet = 0;
			else if (r != ERR_AGAIN)
				return r;
		}
	}
	return 0;
}

static void
handshake(struct fixture *f)
{
	assert_int_equal(pump(f), 0);
	assert_true(leg_ready(f->server.leg));
	assert_true(leg_ready(f->client.leg));
	assert_false(leg_in_kex(f->client.leg));
}

/* The login itself is others' work: any request, and success. */
static void
login(struct fixture *f)
{
	const uint8_t request[] = { SSH_MSG_USERAUTH_REQUEST, 1, 2, 3 };
	struct wire w;
	struct bytes got;

	handshake(f);
	assert_int_equal(leg_request_auth(f->client.leg), 0);
	assert_int_equal(leg_send(f->client.leg, request, sizeof(request)), 0);
	assert_int_equal(pump(f), 0);
	wire_init(&w, f->server.got.data, f->server.got.len);
	got = wire_string(&w);
	assert_int_equal(got.len, sizeof(request));
	assert_memory_equal(got.p, request, sizeof(request));
	buf_reset(&f->server.got);
	assert_int_equal(leg_send_success(f->server.leg), 0);
	assert_int_equal(pump(f), 0);
	wire_init(&w, f->client.got.data, f->client.got.len);
	got = wire_string(&w);
	assert_int_equal(got.len, 1);
	assert_int_equal(got.p[0], SSH_MSG_USERAUTH_SUCCESS);
	buf_reset(&f->client.got);
}

static void
test_both_know_the_session_id_the_key_signed(void **state)
{
	struct fixture *f = *state;
	struct bytes id = { f->hash, 0 };

	handshake(f);
	id.len = f->hash_len;
	assert_true(id.len >= 32);
	assert_true(bytes_equal(leg_session_id(f->server.leg), id));
	assert_true(bytes_equal(leg_session_id(f->client.leg), id));
	assert_int_equal(f->signed_hashes, 1);
	assert_int_equal(f->checked_keys, 1);
	assert_non_null(strstr(leg_server_sig_algs(f->client.leg), "sk-ssh-ed25519@openssh.com"));
}

static void
test_post_quantum_by_default(void **state)
{
	struct fixture *f = *state;
	struct ssh_crypto_struct *crypto;

	if (strncmp(transport_libssh_version(), "0.11", 4) == 0)
		skip(); /* it has none */
	handshake(f);
	crypto = f->client.leg->ssh->current_crypto;
	assert_string_equal(crypto->kex_methods[SSH_KEX], "mlkem768x25519-sha256");
	assert_string_equal(crypto->kex_methods[SSH_CRYPT_S_C], "aes128-gcm@openssh.com");
}

static void
test_refused_host_key_ends_the_leg(void **state)
{
	struct fixture *f = *state;

	f->refuse_host_key = 1;
	assert_int_equal(pump(f), ERR_SSH);
	assert_false(leg_ready(f->client.leg));
	assert_string_equal(leg_error(f->client.leg), "host key refused");
}

static void
test_messages_of_every_size(void **state)
{
	static const size_t sizes[] = { 1, 2, 15, 16, 17, 255, 32768, 65536, 200000 };
	struct fixture *f = *state;
	struct end *ends[2] = { &f->server, &f->client };
	static uint8_t payload[200000];
	struct bytes got;
	struct wire w;
	size_t i;
	int j;

	login(f);
	randombytes_buf(payload, sizeof(payload));
	payload[0] = SSH_MSG_CHANNEL_DATA;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (j = 0; j < 2; j++)
			assert_int_equal(leg_send(ends[j]->leg, payload, sizes[i]), 0);
	assert_int_equal(pump(f), 0);
	for (j = 0; j < 2; j++) {
		wire_init(&w, ends[j]->got.data, ends[j]->got.len);
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			got = wire_string(&w);
			assert_int_equal(got.len, sizes[i]);
			assert_memory_equal(got.p, payload, got.len);
		}
		assert_int_equal(wire_end(&w), 0);
	}
}

/* Whatever bit of a packet is turned: nothing of it is delivered, and the leg ends. */
static void
turn_bit(const char *cipher, size_t n)
{
	const uint8_t payload[64] = { SSH_MSG_CHANNEL_DATA };
	uint8_t packet[1024];
	struct fixture *f;
	void *state;
	ssize_t len;

	assert_int_equal(setup_cipher(&state, cipher), 0);
	f = state;
	login(f);
	assert_int_equal(leg_send(f->client.leg, payload, sizeof(payload)), 0);
	assert_int_equal(leg_flush(f->client.leg), 0);
	/* what this descriptor reads, the other one can write again */
	len = read(leg_fd(f->server.leg), packet, sizeof(packet));
	assert_true(len > (ssize_t)sizeof(payload));
	/* not in the length: a larger one would wait for what never comes */
	packet[4 + n % (size_t)(len - 4)] ^= 1;
	assert_int_equal(write(leg_fd(f->client.leg), packet, (size_t)len), len);
	assert_int_not_equal(pump(f), 0);
	assert_int_equal(f->server.got.len, 0);
	teardown(&state);
}

static void
test_turned_bit_ends_it(void **unused)
{
	static const char *const ciphers[] = { "aes128-gcm@openssh.com", "aes256-gcm@openssh.com",
		"chacha20-poly1305@openssh.com", "aes128-ctr" };
	size_t i, n;

	for (i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		for (n = 0; n < 100; n += 7)
			turn_bit(ciphers[i], n);
}

static void
test_ciphers(void **unused)
{
	static const char *const ciphers[] = { "aes128-gcm@openssh.com", "aes256-gcm@openssh.com" };
	void *state;
	size_t i;

	for (i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		assert_int_equal(setup_cipher(&state, ciphers[i]), 0);
		test_messages_of_every_size(&state);
		teardown(&state);
	}
}

/* From a client by way of two legs to a server, also while those exchange keys. */
static void
relay(const char *cipher_from, const char *cipher_to)
{
	static const size_t sizes[] = { 1, 2, 15, 100, 32768, 200000, 3, 40000, 1 };
	const size_t n = sizeof(sizes) / sizeof(sizes[0]);
	static uint8_t payload[200000];
	struct ssh_crypto_struct *crypto;
	struct fixture *from, *to;
	void *states[2];
	struct bytes got;
	struct wire w;
	size_t i;

	assert_int_equal(setup_cipher(&states[0], cipher_from), 0);
	assert_int_equal(setup_cipher(&states[1], cipher_to), 0);
	from = states[0];
	to = states[1];
	login(from);
	login(to);
	from->relay_to = to->client.leg;
	randombytes_buf(payload, sizeof(payload));
	payload[0] = SSH_MSG_CHANNEL_DATA;
	for (i = 0; i < 2 * n; i++) {
		assert_int_equal(leg_send(from->client.leg, payload, sizes[i % n]), 0);
		if (i != n)
			continue;
		assert_int_equal(pump(from), 0);
		assert_int_equal(pump(to), 0);
		/* the next message finds that the keys have been used for long enough */
		crypto = to->client.leg->ssh->current_crypto;
		crypto->out_cipher->max_blocks = crypto->out_cipher->blocks;
	}
	assert_int_equal(pump(from), 0);
	assert_true(leg_in_kex(to->client.leg));
	assert_int_equal(pump(to), 0);
	assert_false(leg_in_kex(to->client.leg));
	assert_int_equal(to->signed_hashes, 2);
	wire_init(&w, to->server.got.data, to->server.got.len);
	for (i = 0; i < 2 * n; i++) {
		got = wire_string(&w);
		assert_int_equal(got.len, sizes[i % n]);
		assert_memory_equal(got.p, payload, got.len);
	}
	assert_int_equal(wire_end(&w), 0);
	teardown(&states[0]);
	teardown(&states[1]);
}

static void
test_relayed_messages(void **unused)
{
	static const char *const ciphers[] = { "aes128-gcm@openssh.com",
		"chacha20-poly1305@openssh.com", "aes128-ctr" };
	size_t i, j;

	for (i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		for (j = 0; j < sizeof(ciphers) / sizeof(ciphers[0]); j++)
			relay(ciphers[i], ciphers[j]);
}

static void
test_paused_leg_delivers_nothing(void **state)
{
	const uint8_t payload[] = { SSH_MSG_CHANNEL_DATA, 7 };
	struct fixture *f = *state;

	login(f);
	assert_int_equal(leg_send(f->server.leg, payload, 2), 0);
	assert_int_equal(leg_send(f->server.leg, payload, 2), 0);
	assert_int_equal(leg_flush(f->server.leg), 0);
	leg_pause(f->client.leg);
	assert_int_equal(leg_input(f->client.leg), 0); /* taken, but not looked at */
	assert_int_equal(f->client.got.len, 0);
	assert_int_equal(leg_resume(f->client.leg), 0);
	assert_int_equal(f->client.got.len, 2 * (4 + 2));
}

/* A client says this in place of a login request: that is its end. */
static void
says_before_login(struct fixture *f, const uint8_t *payload, size_t len)
{
	handshake(f);
	assert_int_equal(leg_request_auth(f->client.leg), 0);
	assert_int_equal(leg_send(f->client.leg, payload, len), 0);
	assert_int_equal(pump(f), ERR_SSH);
	assert_int_equal(f->server.got.len, 0);
}

static void
test_connection_message_before_login_ends_it(void **state)
{
	const uint8_t payload[] = { SSH_MSG_CHANNEL_OPEN, 0, 0, 0, 0 };

	says_before_login(*state, payload, sizeof(payload));
}

static void
test_success_from_a_client_is_refused(void **state)
{
	const uint8_t payload[] = { SSH_MSG_USERAUTH_SUCCESS };

	says_before_login(*state, payload, sizeof(payload));
}

static void
test_disconnect_is_heard(void **state)
{
	struct fixture *f = *state;
	const char *text;

	login(f);
	leg_disconnect(f->client.leg, SSH_DISCONNECT_BY_APPLICATION, "goodbye");
	assert_int_equal(pump(f), ERR_EOF);
	assert_int_equal(leg_peer_disconnect(f->server.leg, &text), SSH_DISCONNECT_BY_APPLICATION);
	assert_string_equal(text, "goodbye");
}

static void
test_peer_that_does_not_read_is_bounded(void **state)
{
	struct fixture *f = *state;
	static uint8_t payload[32768] = { SSH_MSG_CHANNEL_DATA };
	int i, r = 0;

	login(f);
	for (i = 0; i < 4096 && r == 0; i++)
		r = leg_send(f->server.leg, payload, sizeof(payload));
	assert_int_equal(r, ERR_SSH);
	assert_in_range(leg_queued(f->server.leg), 8 << 20, 17 << 20);
}

/* Whatever comes instead of SSH: an end with a reason, no crash. */
static void
test_garbage(void **state)
{
	static const char *const heads[] = { "", "GET / HTTP/1.1\r\n\r\n", "SSH-1.5-old\r\n",
		"SSH-2.0-x\r\n", "\x16\x03\x01\x02\x00\x01", "SSH-2.0-\r\n\0\0\0\x0c" };
	struct fixture *f = *state;
	struct leg_config config = { .software = "test", .host_keys = &f->key, .n_host_keys = 1 };
	uint8_t noise[3000];
	struct leg *leg;
	const char *why;
	int i, pair[2], r;

	for (i = 0; i < 600; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		leg = i % 2 == 0 ? leg_new_server(pair[0], &config, &ops, f, &why) :
				   leg_new_client(pair[0], &config, &ops, f, &why);
		assert_non_null(leg);
		randombytes_buf(noise, sizeof(noise));
		assert_true(write(pair[1], heads[i % 6], strlen(heads[i % 6])) != -1);
		assert_int_equal(write(pair[1], noise, sizeof(noise)), sizeof(noise));
		close(pair[1]);
		for (r = 0; r == 0;)
			r = leg_input(leg);
		assert_int_not_equal(r, ERR_AGAIN);
		assert_false(leg_ready(leg));
		leg_free(&leg);
	}
}

/* What has been read from who then closes is why it ended, in sshd's words. */
static void
test_why_it_ended(void **state)
{
#define SAYS(text) text, sizeof(text) - 1
	static const struct {
		const char *said;
		size_t len;
		enum leg_failure failure;
		const char *error;
	} cases[] = {
		{ SAYS(""), LEG_CLOSED, "connection closed" },
		{ SAYS("SSH-2.0-x\r\n"), LEG_CLOSED, "connection closed" },
		{ SAYS("GET / HTTP/1.1\r\n\r\n"), LEG_NOT_SSH, "invalid format" },
		{ SAYS("SSH-\r\n"), LEG_NOT_SSH, "invalid format" },
		{ SAYS("SSH-1.5-old\r\n"), LEG_NOT_SSH, "could not read protocol version" },
		{ SAYS("SSH-2.0-x\r\n\xff\xff\xff\xff\0\0\0\0"), LEG_BROKEN,
		    "message authentication code incorrect" },
		{ SAYS("SSH-2.0-x\r\n\0\0\0\x0c\xff\0\0\0\0\0\0\0\0\0\0\0"), LEG_BROKEN,
		    "incomplete message" },
		{ SAYS("SSH-2.0-x\r\n\0\0\0\x0c\x0a\x5a\0\0\0\0\0\0\0\0\0\0"), LEG_OTHER,
		    "unexpected message type 90" },
		{ SAYS("SSH-2.0-x\r\n\0\0\0\x14\x07\x01\0\0\0\x0b\0\0\0\x03"
		       "bye\0\0\0\0\0\0\0"),
		    LEG_DISCONNECTED, "" },
	};
	struct fixture *f = *state;
	struct leg_config config = { .software = "test", .host_keys = &f->key, .n_host_keys = 1 };
	struct leg *leg;
	const char *why;
	size_t i;
	int pair[2], r;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		leg = leg_new_server(pair[0], &config, &ops, f, &why);
		assert_non_null(leg);
		assert_int_equal(leg_failure(leg), LEG_OTHER);
		assert_int_equal(write(pair[1], cases[i].said, cases[i].len), cases[i].len);
		close(pair[1]);
		for (r = 0; r == 0;)
			r = leg_input(leg);
		assert_int_equal(leg_failure(leg), cases[i].failure);
		assert_string_equal(leg_error(leg), cases[i].error);
		leg_free(&leg);
	}
}

/* The list that was offered, as far as there is room for it. */
static void
test_nothing_in_common(void **state)
{
	struct fixture *f = *state;
	struct leg_config config = { .ciphers = "aes256-ctr" };
	struct leg *client = f->client.leg;
	const char *why;
	int pair[2];

	leg_free(&client);
	leg_free(&f->server.leg);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->client.leg = leg_new_client(pair[1], &config, &ops, f, &why);
	config = (struct leg_config){ .software = "test", .ciphers = "aes128-ctr" };
	config.host_keys = &f->key;
	config.n_host_keys = 1;
	f->server.leg = leg_new_server(pair[0], &config, &ops, f, &why);
	assert_int_equal(pump(f), ERR_SSH);
	while (leg_failure(f->server.leg) == LEG_OTHER)
		if (leg_input(f->server.leg) == ERR_AGAIN)
			break;
	assert_int_equal(leg_failure(f->server.leg), LEG_NO_MATCH);
	assert_string_equal(leg_error(f->server.leg),
	    "no matching cipher found. Their offer: aes256-ctr");
}

/* Each key is tried, also one that does not serve. */
static void
test_host_keys_are_tried(void **state)
{
	const uint8_t cut[] = "\0\0\0\x0bssh-ed25519\0\0\0\x20";
	struct fixture *f = *state;
	const struct bytes twice[2] = { f->key, f->key },
			   garbled = { (const uint8_t *)"no key", 6 },
			   second[2] = { f->key, { cut, sizeof(cut) - 1 } };
	const char *why;

	assert_int_equal(leg_try_host_keys(&f->key, 1, &why), 0);
	assert_int_equal(leg_try_host_keys(NULL, 0, &why), 0);
	assert_int_equal(leg_try_host_keys(twice, 2, &why), 0);
	assert_int_not_equal(leg_try_host_keys(&garbled, 1, &why), 0);
	assert_int_not_equal(leg_try_host_keys(second, 2, &why), 0);
}

int
main(void)
{
#define IT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		IT(test_both_know_the_session_id_the_key_signed),
		IT(test_post_quantum_by_default),
		IT(test_refused_host_key_ends_the_leg),
		IT(test_messages_of_every_size),
		IT(test_host_keys_are_tried),
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_turned_bit_ends_it),
		cmocka_unit_test(test_relayed_messages),
		IT(test_paused_leg_delivers_nothing),
		IT(test_connection_message_before_login_ends_it),
		IT(test_success_from_a_client_is_refused),
		IT(test_disconnect_is_heard),
		IT(test_peer_that_does_not_read_is_bounded),
		IT(test_garbage),
		IT(test_why_it_ended),
		IT(test_nothing_in_common),
	};

	if (sodium_init() == -1 || leg_global_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("leg", tests, NULL, NULL);
}
