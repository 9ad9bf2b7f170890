/*
 * The lists of keys in a route's files.  Long ones are indexed when they have changed, so that a
 * key that is shown costs the same whatever their length.
 */
#ifndef KEEPER_KEY_LISTS_H
#define KEEPER_KEY_LISTS_H

#include "auth/authorized_keys.h"
#include "auth/key_list.h"
#include "keeper/keystore.h"
#include "lookup/route.h"

/*
 * How many indexes are kept, and how much memory they may take: 44 bytes for each key, so all of
 * them have 5,000 keys, or one has a million lines.  The one that was used longest ago goes first.
 */
#define KEY_LISTS_MAX 256
#define KEY_LISTS_BYTES_MAX (64 * 1024 * 1024)

/* authorized_keys_find() in AuthorizedKeysFile: 1 or 0; or an ERR_* with unread, if the file
 * cannot be read. */
int key_lists_find(const struct route *r, const struct authorized_request *request,
    struct authorized_options *options, char why[256], struct keystore_why *unread) MUST_CHECK;

/* 1 if TrustedUserCAKeys has the key, or 0; or an ERR_* with unread. */
int key_lists_trust(const struct route *r, struct bytes key,
    struct keystore_why *unread) MUST_CHECK;

/* revoked_check() by RevokedKeys: 1 or 0; or an ERR_*, with unread if the file cannot be read, and
 * with unread empty if it is not understood. */
int key_lists_revoke(const struct route *r, struct bytes blob, const struct cert *cert,
    struct keystore_why *unread) MUST_CHECK;

/* How many indexes have been made; forget all of them.  For tests. */
unsigned long key_lists_made(void);
void key_lists_forget(void);

#endif
