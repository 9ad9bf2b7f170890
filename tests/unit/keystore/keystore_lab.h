/*
 * A key store in a directory of its own for each test.
 */
#ifndef TESTS_KEYSTORE_LAB_H
#define TESTS_KEYSTORE_LAB_H

#include <sys/stat.h>

#include "keystore/keystore.h"

#define T(name) cmocka_unit_test_setup_teardown(name, keystore_lab_setup, keystore_lab_teardown)

/* Of each test: make a directory, and go there; remove it. */
int keystore_lab_setup(void **state);
int keystore_lab_teardown(void **state);

/* The path of that directory. */
const char *keystore_lab_dir(void);

/* Replace a file; read one; its permissions; how many files in keys/ begin with a prefix. */
void write_file(const char *path, const void *p, size_t len, mode_t mode);
size_t read_file(const char *path, uint8_t *out, size_t size);
mode_t mode_of(const char *path);
int count_files(const char *prefix);

/* Open the store keys/ with file:keys/.unlock: both are made if they are not there. */
struct keystore *open_store(void);

/* Make a key of a type of key_generate(), and add it. */
void add_key(struct keystore *ks, const char *name, const char *type);

/* Sign with a key, and verify that the signature is of want_alg: 0 or the first error, with the reason. */
int use_key(struct keystore *ks, const char *name, const char *alg, const char *want_alg,
    struct reason *why);

/* The Ed25519 key of this name signs. */
void assert_key_works(struct keystore *ks, const char *name);

/* It is refused with this error, and a reason that names its file and has this word; the key "other" works. */
void assert_key_refused(struct keystore *ks, const char *name, int err, const char *word);

#endif
