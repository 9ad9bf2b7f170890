/*
 * What the parts of the key store share: keystore.c has the directory and its lock
 * (.store, see unlock.c), keystore_key.c the sealed keys in it.
 */
#ifndef KEEPER_KEYSTORE_PRIVATE_H
#define KEEPER_KEYSTORE_PRIVATE_H

#include "keeper/keystore.h"
#include "keeper/safefile.h"

/* What a sealed key begins with. */
#define KEYSTORE_MAGIC "SALLYPORT-KEY-1\n"
#define KEYSTORE_MAGIC_LEN (sizeof(KEYSTORE_MAGIC) - 1)
#define KEYSTORE_NAME_MAX 64

struct keystore {
	unsigned int refs;
	char *path;
	char *unlock; /* the spec it was opened with */
	struct safedir dir;
	struct secret *key; /* the store key */
};

/* keystore_name_ok(), with the reason.  0 or ERR_FORMAT. */
int keystore_name_check(const char *name, struct keystore_why *why) MUST_CHECK;

#endif
