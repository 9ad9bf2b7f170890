/*
 * What the keeper will find in the key store, found out by the keeper's own code: the store is
 * opened, and each key that somebody asks about, once.  Of one that opens with a passphrase, or
 * with a credential that is not there, only what can be told without.
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
	int closed;	     /* it can't be used: of a key is told whether it is there, no more */
	void *tried;	     /* tsearch(3) */
};

/* As the keeper, who may be somebody else.  0, or an ERR_* with why. */
int store_probe_open(struct store_probe *p, const struct conf_keystore *k, const struct as_user *b,
    struct reason *why) MUST_CHECK;
void store_probe_close(struct store_probe *p);

/* A key or password: 0 if it can be used, ERR_NOTFOUND, or another ERR_*; *why is valid until
 * the store is closed. */
int store_probe_try(struct store_probe *p, enum keystore_kind kind, const char *name,
    const char **why) MUST_CHECK;

/* All of it for one.  Who is not the keeper, and cannot become it, can't tell, and gets 0. */
int store_probe_one(const struct conf_keystore *k, const struct as_user *b, enum keystore_kind kind,
    const char *name, struct reason *why) MUST_CHECK;

#endif
