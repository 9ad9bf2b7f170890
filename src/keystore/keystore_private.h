/*
 * What the files of the key store share: keystore.c has the directory and .store,
 * keystore_seal.c a sealed file, keystore_key.c, keystore_password.c and keystore_totp.c what is in one.
 */
#ifndef KEYSTORE_KEYSTORE_PRIVATE_H
#define KEYSTORE_KEYSTORE_PRIVATE_H

#include "base/names.h"
#include "base/reason.h"
#include "keystore/keystore.h"
#include "base/secret_file.h"

struct keystore {
	unsigned int refs;
	char *path;
	char *unlock; /* [keystore] Unlock, as the store was opened with it */
	struct secret_dir dir;
	struct secret *key; /* the store key */
};

/* Write the reason for ERR_EXISTS. */
void keystore_why_exists(const struct keystore *ks, const char *name, struct reason *why);

/* Append the bytes of the sealed file NAME. Whether it is of that kind is not checked: it is
 * for the reason of a failure. */
int keystore_read(struct keystore *ks, enum keystore_kind kind, const char *name, struct buf *file,
    struct reason *why) MUST_CHECK;

/* Is this a whole sealed file of this kind, by all that can be seen without the store key?  0,
 * ERR_FORMAT, or ERR_ALGORITHM if it is of another kind. */
int keystore_sealed_check(const char *path, enum keystore_kind kind, const char *name,
    const struct buf *file, struct reason *why) MUST_CHECK;

/* Append the sealed file to out.  0 or an ERR_* of buf_err(). */
int keystore_seal(struct keystore *ks, enum keystore_kind kind, const char *name,
    struct secret *plain, struct buf *out) MUST_CHECK;

/* Open a sealed file: *plain is the caller's.  ERR_ALGORITHM: it is of another kind;
 * ERR_FORMAT: of none; ERR_AUTH: not what was sealed under this name and kind. */
int keystore_unseal(struct keystore *ks, enum keystore_kind kind, const char *name,
    const struct buf *file, struct secret **plain, struct reason *why) MUST_CHECK;

#endif
