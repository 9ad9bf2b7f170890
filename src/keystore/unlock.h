/*
 * The store key under lock: what is in keys/.store, and where the key that
 * opens it comes from.  A spec is what [keystore] Unlock says:
 *
 *	file:PATH	a file's contents
 *	credential:NAME	the same, in $CREDENTIALS_DIRECTORY
 *	passphrase	from the terminal, or a line of standard input
 *
 * store is the key store's directory, whose owner may own the file as well.
 */
#ifndef KEYSTORE_UNLOCK_H
#define KEYSTORE_UNLOCK_H

#include "base/reason.h"
#include "base/buf.h"
#include "base/secret.h"
#include "keystore/keystore.h"
#include "keystore/secret_file.h"

#define UNLOCK_KEY_SIZE 32	/* the store key */
#define UNLOCK_FILE_MAX 65536	/* of .store, and of what unlocks it */
#define UNLOCK_SECRET_MIN 16	/* bytes in a file that unlocks */
#define UNLOCK_PASSPHRASE_MIN 8 /* characters, when one is chosen */

/* Make the file of file:PATH, with fresh random text, unless there is one or the spec
 * is another.  *made says whether one was made. */
int unlock_make_file(const char *spec, const struct secret_dir *store, int *made,
    struct reason *why) MUST_CHECK;

/* Take back what unlock_make_file() made. */
void unlock_remove_file(const char *spec);

/* Append the contents of a .store that holds the key, wrapped, to out. */
int unlock_wrap(const char *spec, const struct secret_dir *store, struct secret *key,
    struct buf *out, struct reason *why) MUST_CHECK;

/* 1 if nobody has to be asked and nothing is missing that systemd alone hands out. */
int unlock_at_hand(const char *spec);

/* Does the .store say that it is locked with such a thing?  0, ERR_FORMAT or ERR_TOOBIG if it
 * is damaged, or ERR_AUTH. */
int unlock_look(const char *spec, const struct buf *in, const char *shown,
    struct reason *why) MUST_CHECK;

/* The key from the contents of a .store; shown is that file's name for messages.
 * ERR_AUTH: this spec does not open it. */
int unlock_unwrap(const char *spec, const struct secret_dir *store, const struct buf *in,
    const char *shown, struct secret **key, struct reason *why) MUST_CHECK;

#endif
