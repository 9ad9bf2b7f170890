/*
 * The key store: a directory with one sealed file for each private key, password or TOTP secret,
 * NAME, and for a key its public half, NAME.pub.  doc/PROTOCOL.store describes the files.  A sealed file
 * is read and opened for each use, so that a key added or removed counts at once.
 *
 * why, in each call, takes a one-line reason that names the file and the remedy.
 */
#ifndef KEYSTORE_KEYSTORE_H
#define KEYSTORE_KEYSTORE_H

#include "base/reason.h"
#include "base/buf.h"
#include "base/secret.h"
#include "base/strlist.h"
#include "formats/totp.h"

struct keystore;

/*
 * Open the store and unlock it.  With create, a store that does not exist is made, and with
 * file: the file that unlocks it; without, that is ERR_NOTFOUND. The directory stays open, so
 * that it is the same store after a change of user.  Its files must belong to root or to the
 * user of this process; root also takes files of the owner of the directory, and gives that
 * owner the files it adds.
 */
int keystore_open(const char *path, const char *unlock, int create, struct keystore **out,
    struct reason *why) MUST_CHECK;
/* Add a reference: keystore_free() is to be called once more. */
struct keystore *keystore_ref(struct keystore *ks);
void keystore_free(struct keystore **ks);

/* As keystore_open(), if that needs neither a passphrase nor a credential that systemd has
 * not passed to this process.  Else 0 with *out NULL, if .store says that it is locked with
 * such a thing. */
int keystore_probe(const char *path, const char *unlock, struct keystore **out,
    struct reason *why) MUST_CHECK;

/* Seal a private key (see transport/keys.h for its form) under a new name, by base/names.h. */
int keystore_add(struct keystore *ks, const char *name, const char *type, struct secret *priv,
    const struct buf *pub, struct reason *why) MUST_CHECK;
/* The same in place of the key of this name, if there is one: whoever reads it gets the old one or the new
 * one, whole.  ERR_FORMAT if something other than a key has the name. */
int keystore_replace(struct keystore *ks, const char *name, const char *type, struct secret *priv,
    const struct buf *pub, struct reason *why) MUST_CHECK;
int keystore_remove(struct keystore *ks, const char *name, struct reason *why) MUST_CHECK;

enum keystore_kind {
	KEYSTORE_OTHER, /* none of these, or unreadable */
	KEYSTORE_KEY,
	KEYSTORE_PASSWORD,
	KEYSTORE_TOTP,
};

/* Check a sealed file in a store that is not open, by all that can be seen without the
 * store key: may this process read it, and is it a whole sealed file?  0, ERR_NOTFOUND or
 * another ERR_*. */
int keystore_look(const char *path, enum keystore_kind kind, const char *name,
    struct reason *why) MUST_CHECK;

/* What a file is by its first bytes: a NAME in the store, or the path of any file (dir is
 * AT_FDCWD). */
enum keystore_kind keystore_kind(const struct keystore *ks, const char *name);
enum keystore_kind keystore_file_kind(int dir, const char *name);

/* Add the names of all keys, passwords and TOTP secrets to names, sorted: files whose first bytes say that
 * they are one, and files with a NAME.pub.  Other files are left out. */
int keystore_list(struct keystore *ks, struct strlist *names, struct reason *why) MUST_CHECK;

/* Append the public blob of a key, out of its sealed file, and copy its type. */
int keystore_public(struct keystore *ks, const char *name, struct buf *pub, char type[64],
    struct reason *why) MUST_CHECK;

/* Unseal a key: *priv is the caller's (see transport/keys.h), its public blob is appended
 * to pub. */
int keystore_load(struct keystore *ks, const char *name, struct secret **priv, struct buf *pub,
    char type[64], struct reason *why) MUST_CHECK;

/* A password that logs in upstream.  The one to add ends with a NUL, as readpass() gives it. */
#define KEYSTORE_PASSWORD_MAX 1024
int keystore_add_password(struct keystore *ks, const char *name, struct secret *password,
    struct reason *why) MUST_CHECK;
/* *out is the caller's, and has no NUL. */
int keystore_password(struct keystore *ks, const char *name, struct secret **out,
    struct reason *why) MUST_CHECK;

/* The secret of one-time passwords.  With replace, in place of the TOTP secret of this name, if there is one:
 * ERR_FORMAT if something else has the name. */
int keystore_add_totp(struct keystore *ks, const char *name, const struct totp *t, int replace,
    struct reason *why) MUST_CHECK;
/* The caller wipes *out with sodium_memzero(); after a failure it is all zero. */
int keystore_totp(struct keystore *ks, const char *name, struct totp *out,
    struct reason *why) MUST_CHECK;

#define KEYSTORE_FILE_MAX 65536 /* of a sealed file */

/* Append the sealed file of a key; and sign with the key in such a file, which is the same
 * whatever has become of the store meanwhile. */
int keystore_take(struct keystore *ks, const char *name, struct buf *sealed,
    struct reason *why) MUST_CHECK;
int keystore_sign_with(struct keystore *ks, const char *name, const struct buf *sealed,
    const char *alg, const void *data, size_t len, struct buf *sig, struct reason *why) MUST_CHECK;

/* Wrap the store key anew, under another unlock ("file:...", "credential:...", "passphrase").
 * The file of file: is made if it does not exist; the file of the old unlock stays. */
int keystore_rewrap(struct keystore *ks, const char *unlock, struct reason *why) MUST_CHECK;

#endif
