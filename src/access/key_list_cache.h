/*
 * The lists of keys in a route's files.  A long list is indexed when it has changed, so that
 * looking for a key takes the same time however long the list is.
 */
#ifndef ACCESS_KEY_LIST_CACHE_H
#define ACCESS_KEY_LIST_CACHE_H

#include "base/reason.h"
#include "formats/authorized_keys.h"
#include "formats/key_list.h"
#include "keystore/keystore.h"
#include "lookup/route.h"

/* How many indexes are kept, and how much memory they may take.  A key takes 44 bytes: room
 * for 256 lists of 5,000 keys each, or for one of a million lines.  The index used longest ago
 * is dropped first. */
#define KEY_LIST_CACHE_MAX 256
#define KEY_LIST_CACHE_BYTES_MAX (64 * 1024 * 1024)

/* authorized_keys_find() in AuthorizedKeysFile: 1 or 0; or an ERR_* with unread: the file
 * cannot be read. */
int key_list_cache_find(const struct route *r, const struct authorized_request *request,
    struct authorized_options *options, struct reason *why, struct reason *unread) MUST_CHECK;

/* 1 if TrustedUserCAKeys has the key, or 0; or an ERR_* with unread. */
int key_list_cache_trust(const struct route *r, struct bytes key, struct reason *unread) MUST_CHECK;

/* krl_check() in RevokedKeys: 1 or 0; or an ERR_*, with unread if the file cannot be read,
 * and with an empty unread if it makes no sense. */
int key_list_cache_revoke(const struct route *r, struct bytes blob, const struct cert *cert,
    struct reason *unread) MUST_CHECK;

/* How many indexes have been made; forget all of them.  For tests. */
unsigned long key_list_cache_made(void);
void key_list_cache_forget(void);

#endif
