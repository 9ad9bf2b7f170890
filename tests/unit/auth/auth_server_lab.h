/*
 * An auth_server and a client for its tests: requests by keys that are made here, and the replies.
 */
#ifndef TESTS_AUTH_SERVER_LAB_H
#define TESTS_AUTH_SERVER_LAB_H

#include <sodium.h>

#include "auth/auth_server.h"

#define ED25519 "ssh-ed25519"
#define PUBLICKEY "publickey"
#define HOSTBOUND "publickey-hostbound-v00@openssh.com"
#define KBDINT "keyboard-interactive"

/* The exchange hash of the connection. */
extern const uint8_t session_id[32];

struct lab_key {
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	struct buf blob;
};

struct auth_server_lab {
	struct auth_server *as;
	struct buf message; /* made by make_...(), sent by send_request() */
	struct buf out;
	struct lab_key alice, mallory; /* alice may log in, mallory may not */
	int asked, verified, failures; /* calls of auth_server_ops */
	int refusals;		       /* of keys that were only shown */
};

/* Of each test: *state is a struct auth_server_lab, whose server allows 6 tries and has no banner. */
int auth_server_lab_setup(void **state);
int auth_server_lab_teardown(void **state);

/* Start the server of the lab; start it again, in place of the one it has. */
void start_server(struct auth_server_lab *f, int max_tries, const char *banner, const char *hint);
void restart_server(struct auth_server_lab *f, int max_tries, const char *banner);

/* Make the next request: up to the name of the method; one that shows a key; one that proves it. */
void make_request(struct auth_server_lab *f, const char *user, const char *service,
    const char *method);
void make_query(struct auth_server_lab *f, const char *user, const struct lab_key *k);
void make_unsigned_proof(struct auth_server_lab *f, const char *user, const struct lab_key *k);
void make_proof(struct auth_server_lab *f, const char *user, const struct lab_key *k);
void make_hostbound_proof(struct auth_server_lab *f, const struct lab_key *k, const char *bound_to);

/* Append the signature by this key over id and the request. */
void sign_request(struct auth_server_lab *f, const struct lab_key *k, const void *id,
    size_t id_len);

/* A request of "none" for a name of any bytes. */
void make_request_as(struct auth_server_lab *f, const char *name, size_t len);

enum auth_server_verdict send_request(struct auth_server_lab *f);

/* Pass the first request: "none", whose reply is dropped. */
void begin_login(struct auth_server_lab *f);

/* Take the next reply off f->out, and check it. */
void expect_reply(struct auth_server_lab *f, const struct buf *want);
void expect_failure(struct auth_server_lab *f);
void expect_pk_ok(struct auth_server_lab *f, const struct lab_key *k);
void expect_success(struct auth_server_lab *f);
void expect_banner(struct auth_server_lab *f, const char *text);

/* There is no reply. */
void expect_nothing(struct auth_server_lab *f);

/* The server has denied with this reason, and denies whatever comes next. */
void expect_denied(struct auth_server_lab *f, const char *reason);

/* Send the request: it fails, as the try of this number. */
void expect_counted_failure(struct auth_server_lab *f, int tries);

#define T(name) \
	cmocka_unit_test_setup_teardown(name, auth_server_lab_setup, auth_server_lab_teardown)

#endif
