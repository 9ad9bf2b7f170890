/*
 * The key store (DESIGN section 7): one sealed file a key, NAME.pub beside it.
 *
 * keys/NAME is a first line that says what is in it, a 24-byte nonce and
 * XChaCha20-Poly1305 over the key or the password, with its name and kind as associated
 * data, under the store key (see keystore_seal.c).  keys/.store holds what the store
 * key comes from (see unlock.c).  A key is read and opened for each use, so that a key
 * added or removed counts at once.
 *
 * why, in each call, takes a one-line reason that names the file and the remedy.
 */
#ifndef KEYSTORE_KEYSTORE_H
#define KEYSTORE_KEYSTORE_H

#include "base/reason.h"
#include "base/buf.h"
#include "base/secret.h"
#include "base/strlist.h"

struct keystore;

/*
 * Open the store and unlock it.  With create, an absent store (and its unlock
 * file, for file:) is made; else that is ERR_NOTFOUND.  The directory stays open,
 * so the store is the same one after a change of user or of root.
 *
 * Files must belong to root or to the user we are; for root, the owner of the
 * store's directory will do, and gets what root adds.
 */
int keystore_open(const char *path, const char *unlock, int create, struct keystore **out,
    struct reason *why) MUST_CHECK;
/* One more who frees it. */
struct keystore *keystore_ref(struct keystore *ks);
void keystore_free(struct keystore **ks);

/*
 * As keystore_open(), if what opens the store is at hand: a passphrase is not asked for, and a
 * credential is there for who was started by systemd.  Without it, 0 and *out is NULL if the
 * store is locked with such a thing, as far as it says so itself.
 */
int keystore_probe(const char *path, const char *unlock, struct keystore **out,
    struct reason *why) MUST_CHECK;

/* Seal a private key (see transport/keys.h for its form) under a new name, by base/key_name.h. */
int keystore_add(struct keystore *ks, const char *name, const char *type, struct secret *priv,
    const struct buf *pub, struct reason *why) MUST_CHECK;
int keystore_remove(struct keystore *ks, const char *name, struct reason *why) MUST_CHECK;

enum keystore_kind {
	KEYSTORE_OTHER, /* neither, or unreadable */
	KEYSTORE_KEY,
	KEYSTORE_PASSWORD,
};

/* All there is to say about a key or password in a store that is not open: may we read it, and
 * does it look like one?  0, ERR_NOTFOUND or another ERR_*. */
int keystore_look(const char *path, enum keystore_kind kind, const char *name,
    struct reason *why) MUST_CHECK;

/* What a file is by its first bytes: one of the store, or by its path (AT_FDCWD). */
enum keystore_kind keystore_kind(const struct keystore *ks, const char *name);
enum keystore_kind keystore_file_kind(int dir, const char *name);

/* Add the names of all keys and passwords to names, sorted: what is one by its first
 * bytes, and what was one by the NAME.pub beside it.  Other files are left out. */
int keystore_list(struct keystore *ks, struct strlist *names, struct reason *why) MUST_CHECK;

/* Append the public blob of a key, from its sealed file; its type to type. */
int keystore_public(struct keystore *ks, const char *name, struct buf *pub, char type[64],
    struct reason *why) MUST_CHECK;

/* Unseal a key: *priv is the caller's (see transport/keys.h), its public blob is appended to pub. */
int keystore_load(struct keystore *ks, const char *name, struct secret **priv, struct buf *pub,
    char type[64], struct reason *why) MUST_CHECK;

/* A password to log in with upstream.  It is added as it was read: its text and a NUL. */
#define KEYSTORE_PASSWORD_MAX 1024
int keystore_add_password(struct keystore *ks, const char *name, struct secret *password,
    struct reason *why) MUST_CHECK;
/* The password, without a NUL, is the caller's. */
int keystore_password(struct keystore *ks, const char *name, struct secret **out,
    struct reason *why) MUST_CHECK;

#define KEYSTORE_FILE_MAX 65536 /* of a sealed file */

/* Append a key as it stands in the store, sealed, and sign with one taken so: the same
 * key whatever has become of its file meanwhile. */
int keystore_take(struct keystore *ks, const char *name, struct buf *sealed,
    struct reason *why) MUST_CHECK;
int keystore_sign_with(struct keystore *ks, const char *name, const struct buf *sealed,
    const char *alg, const void *data, size_t len, struct buf *sig, struct reason *why) MUST_CHECK;

/* Wrap the store key anew under another unlock ("file:...", "credential:...", "passphrase").
 * An absent file of file: is made; an old one stays where it is. */
int keystore_rewrap(struct keystore *ks, const char *unlock, struct reason *why) MUST_CHECK;

#endif
