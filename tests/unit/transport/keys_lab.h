/*
 * Keys for the tests of transport/keys.c: files that ssh-keygen(1) made, and a signature to check.
 */
#ifndef TESTS_KEYS_LAB_H
#define TESTS_KEYS_LAB_H

#include "base/buf.h"
#include "base/secret.h"

/* What the tests sign. */
#define DATA "what is signed"
#define DATALEN (sizeof(DATA) - 1)

/* Of a group of tests: libsodium is ready, and the working directory is a new one.  tmp_dir_teardown()
 * removes that. */
int keys_lab_setup(void **state);

/* Run a shell command without a word; 0 or its status. */
int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The content of a file, to be freed with buf_free(). */
void slurp(const char *name, struct buf *out);

/* The blob in NAME.pub, as ssh-keygen wrote it; to be freed with buf_free(). */
void slurp_pub(const char *name, struct buf *blob);

/* The private key of this type signs with alg; the public key takes that signature, of that data, and
 * no other. */
void assert_key_signs(struct secret *priv, const char *type, const char *alg, struct buf *pub);

#endif
