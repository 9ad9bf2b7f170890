/*
 * What the parts of the key store share: keystore.c has the directory and its lock
 * (.store, see unlock.c), keystore_seal.c a sealed file in it, keystore_key.c and
 * keystore_password.c what is in such a file.
 */
#ifndef KEYSTORE_KEYSTORE_PRIVATE_H
#define KEYSTORE_KEYSTORE_PRIVATE_H

#include "base/key_name.h"
#include "base/reason.h"
#include "keystore/keystore.h"
#include "keystore/secret_file.h"

struct keystore {
	unsigned int refs;
	char *path;
	char *unlock; /* the spec it was opened with */
	struct secret_dir dir;
	struct secret *key; /* the store key */
};

/* The reason for ERR_EXISTS. */
void keystore_why_exists(const struct keystore *ks, const char *name, struct reason *why);

/* Append the bytes of a sealed file, of whatever kind; kind is for the reason. */
int keystore_read(struct keystore *ks, enum keystore_kind kind, const char *name, struct buf *file,
    struct reason *why) MUST_CHECK;

/* Is it the whole of a sealed file of this kind, by what can be told without the store key?
 * 0, ERR_FORMAT, or ERR_ALGORITHM if it is of the other kind. */
int keystore_sealed_check(const char *path, enum keystore_kind kind, const char *name,
    const struct buf *file, struct reason *why) MUST_CHECK;

/* Append the sealed file to out.  0 or an ERR_* of buf_err(). */
int keystore_seal(struct keystore *ks, enum keystore_kind kind, const char *name,
    struct secret *plain, struct buf *out) MUST_CHECK;

/* Open one: *plain is the caller's.  ERR_ALGORITHM if it is of the other kind, ERR_FORMAT
 * if of none, ERR_AUTH if it is not what was sealed under this name as this. */
int keystore_unseal(struct keystore *ks, enum keystore_kind kind, const char *name,
    const struct buf *file, struct secret **plain, struct reason *why) MUST_CHECK;

#endif
