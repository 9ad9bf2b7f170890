/*
 * The lock of the key store.  A spec is the value of [keystore] Unlock:
 *
 *	file:PATH	the content of a file
 *	credential:NAME	the content of $CREDENTIALS_DIRECTORY/NAME
 *	passphrase	from the terminal, or a line of standard input
 *
 * store is the directory of the key store, whose owner may own the file, too.
 */
#ifndef KEYSTORE_UNLOCK_H
#define KEYSTORE_UNLOCK_H

#include "base/reason.h"
#include "base/buf.h"
#include "base/secret.h"
#include "keystore/keystore.h"
#include "base/secret_file.h"

#define UNLOCK_KEY_SIZE 32	/* the store key */
#define UNLOCK_FILE_MAX 65536	/* bytes of .store, and of the file that unlocks it */
#define UNLOCK_SECRET_MIN 16	/* bytes of the file that unlocks it */
#define UNLOCK_PASSPHRASE_MIN 8 /* characters of a new passphrase */

/* Make the file of file:PATH, with fresh random text, if it does not exist.  *made: this call
 * has made it.  Other specs need none. */
int unlock_make_file(const char *spec, const struct secret_dir *store, int *made,
    struct reason *why) MUST_CHECK;

/* Remove the file that unlock_make_file() has made. */
void unlock_remove_file(const char *spec);

/* Append the content of a .store that holds this store key, wrapped. */
int unlock_wrap(const char *spec, const struct secret_dir *store, struct secret *key,
    struct buf *out, struct reason *why) MUST_CHECK;

/* 1 if the spec needs neither a passphrase nor a credential that systemd has not passed to
 * this process. */
int unlock_at_hand(const char *spec);

/* Does the .store say that it is locked in the way of this spec?  0; ERR_AUTH if not;
 * ERR_FORMAT or ERR_TOOBIG if it is damaged. */
int unlock_look(const char *spec, const struct buf *in, const char *shown,
    struct reason *why) MUST_CHECK;

/* Unwrap the store key out of the content of a .store.  shown is the name of that file for
 * messages.  ERR_AUTH: the spec does not open it. */
int unlock_unwrap(const char *spec, const struct secret_dir *store, const struct buf *in,
    const char *shown, struct secret **key, struct reason *why) MUST_CHECK;

#endif
