/*
 * The lists of keys in a route's files.  Long ones are indexed when they have changed, so that a
 * key that is shown costs the same whatever their length.
 */
#ifndef ACCESS_KEY_LIST_CACHE_H
#define ACCESS_KEY_LIST_CACHE_H

#include "base/reason.h"
#include "formats/authorized_keys.h"
#include "formats/key_list.h"
#include "keystore/keystore.h"
#include "lookup/route.h"

/*
 * How many indexes are kept, and how much memory they may take: 44 bytes for each key, so all of
 * them have 5,000 keys, or one has a million lines.  The one that was used longest ago goes first.
 */
#define KEY_LIST_CACHE_MAX 256
#define KEY_LIST_CACHE_BYTES_MAX (64 * 1024 * 1024)

/* authorized_keys_find() in AuthorizedKeysFile: 1 or 0; or an ERR_* with unread, if the file
 * cannot be read. */
int key_list_cache_find(const struct route *r, const struct authorized_request *request,
    struct authorized_options *options, struct reason *why, struct reason *unread) MUST_CHECK;

/* 1 if TrustedUserCAKeys has the key, or 0; or an ERR_* with unread. */
int key_list_cache_trust(const struct route *r, struct bytes key, struct reason *unread) MUST_CHECK;

/* krl_check() by RevokedKeys: 1 or 0; or an ERR_*, with unread if the file cannot be read, and
 * with unread empty if it is not understood. */
int key_list_cache_revoke(const struct route *r, struct bytes blob, const struct cert *cert,
    struct reason *unread) MUST_CHECK;

/* How many indexes have been made; forget all of them.  For tests. */
unsigned long key_list_cache_made(void);
void key_list_cache_forget(void);

#endif
