/*
 * A snapshot: all that was read from the configuration at one time.  A reload makes
 * a whole new one beside the one in force; who is in the middle of a login keeps the
 * one that login began with.
 */
#ifndef KEEPER_SNAPSHOT_H
#define KEEPER_SNAPSHOT_H

#include "base/reason.h"
#include "base/buf.h"
#include "base/access_hint.h"
#include "conf/conf.h"
#include "keystore/keystore.h"
#include "lookup/lookup.h"

#define KEEPER_HOST_KEYS_MAX 3

struct host_key {
	char *name; /* in the key store */
	char type[64];
	struct buf blob;
	struct buf sealed; /* as it was when it was loaded: a rekey needs the same key */
};

/* "ed25519", "ecdsa" or "rsa" for the type of a public key: a server has at most one key of each.
 * Static. */
const char *host_key_kind(const char *type);

/* Who the gateway is, and what signs for it.  A session keeps its own to its end. */
struct identity {
	unsigned int refs;
	struct keystore *keystore;
	struct host_key host_keys[KEEPER_HOST_KEYS_MAX];
	size_t n_host_keys;
};

struct snapshot {
	unsigned int refs;
	struct conf *conf;
	struct lookup *lookup;
	char *banner; /* text, or NULL */
	struct identity *identity;
};

/*
 * Load everything below dir (NULL: the default place).  old is the snapshot in force, or
 * NULL: a key store that a passphrase opens is taken over from it, as nobody is asked a
 * second time.  0 with one reference in *out, or ERR_CONFIG with every error added.
 */
int snapshot_load(const char *dir, const struct snapshot *old, struct snapshot **out,
    struct conf_errors *errors) MUST_CHECK;

/*
 * Before root is given up: if the key store is opened by a systemd credential, which only root
 * can read, *out is a snapshot with the key store alone, to be given to snapshot_load() as
 * old; else NULL.  0 or ERR_CONFIG with every error added.
 */
int snapshot_unlock(const char *dir, struct snapshot **out, struct conf_errors *errors) MUST_CHECK;

/* Does the key store lie where nobody can put another in its place?  0, or an ERR_* of
 * safe_path_open() with why. */
int snapshot_keystore_way(const struct conf *conf, struct reason *why) MUST_CHECK;

/* The text of Banner, which is set and the caller's to free; or an ERR_*, and why it can't be
 * shown: a line that begins with its path. */
int snapshot_banner(const struct conf *conf, char **text, struct reason *why) MUST_CHECK;

struct snapshot *snapshot_ref(struct snapshot *g);
void snapshot_unref(struct snapshot **g); /* takes NULL */

struct identity *identity_ref(struct identity *id);
void identity_unref(struct identity **id); /* takes NULL */

/* Which host key goes with a signature algorithm, or NULL. */
const struct host_key *identity_host_key(const struct identity *id, const char *alg);

#endif
