/*
 * What the keeper will find in the key store, by the keeper's own code (keystore/): the store
 * is opened, and each key that is tried, once.  Where that takes a passphrase, or a credential
 * that is not there, keys are looked at without being opened.
 */
#ifndef CLI_STORE_PROBE_H
#define CLI_STORE_PROBE_H

#include "base/reason.h"
#include "cli/as_user.h"
#include "conf/conf.h"
#include "keystore/keystore.h"

struct store_probe {
	const char *path;
	struct keystore *ks; /* NULL: not opened */
	int closed;	     /* it can't be used: a key is only looked for */
	void *tried;	     /* tsearch(3) */
};

/* Is the directory without keys?  Also 1 if it does not exist. */
int store_probe_is_empty(const char *path);

/* Has a key store been made there, whatever is in it now? */
int store_probe_is_made(const char *path);

/* Open it as the user of the keeper.  0, or an ERR_* with why; store_probe_close() it in any
 * case. */
int store_probe_open(struct store_probe *p, const struct conf_keystore *k, const struct as_user *u,
    struct reason *why) MUST_CHECK;
void store_probe_close(struct store_probe *p);

/* Try a key or password.  0 if it can be used, ERR_NOTFOUND, or another ERR_*; *why is valid
 * until the store is closed. */
int store_probe_try(struct store_probe *p, enum keystore_kind kind, const char *name,
    const char **why) MUST_CHECK;

/* Append the public half of a key: from its sealed file if the store is open, else from the
 * NAME.pub beside it.  0, or an ERR_* with why. */
int store_probe_public(const struct store_probe *p, const char *name, struct buf *blob,
    struct reason *why) MUST_CHECK;

/* Open the store, try one key or password, and close it.  A user who neither is the keeper's
 * nor can become it learns no more than whether it is there. */
int store_probe_one(const struct conf_keystore *k, const struct as_user *u, enum keystore_kind kind,
    const char *name, struct reason *why) MUST_CHECK;

#endif
