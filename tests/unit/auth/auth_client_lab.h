/*
 * An auth_client with an Ed25519 key, for the tests of auth/auth_client.c.
 */
#ifndef TESTS_AUTH_CLIENT_LAB_H
#define TESTS_AUTH_CLIENT_LAB_H

#include <sodium.h>

#include "auth/auth_client.h"
#include "wire/wire.h"

#define ALG "ssh-ed25519"
#define T(name) cmocka_unit_test_setup_teardown(name, client_lab_setup, client_lab_teardown)

extern const uint8_t client_session_id[32];
/* Sign with the key of the struct client_lab. */
extern const struct auth_client_ops client_lab_ops;

struct client_lab {
	struct auth_client *ac;
	struct buf out;
	struct buf in;	 /* the upstream's next message */
	struct buf blob; /* the public key */
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	int sign_error; /* what signing returns, if not 0 */
	char signed_with[64];
};

/* Of each test. */
int client_lab_setup(void **state);
int client_lab_teardown(void **state);

/* Make f->ac, for an upstream with these server-sig-algs (NULL: it sent none); and let it begin. */
void new_client(struct client_lab *f, const char *sig_algs);
void start_client(struct client_lab *f);

/* Begin a message of this type in f->in; and give f->in to the client, which sends nothing in reply. */
void new_message(struct client_lab *f, uint8_t type);
enum auth_client_verdict receive(struct client_lab *f);

/* The client has failed for this reason, and a success does not change that. */
void expect_failed(struct client_lab *f, const char *reason);

#endif
