/*
 * The gateway's identity: its key store, the host keys in it that clients see, and its
 * banner.  The keeper loads it with each snapshot of the configuration, and `sallyport check`
 * does to see that it could.
 */
#ifndef ACCESS_IDENTITY_H
#define ACCESS_IDENTITY_H

#include "base/buf.h"
#include "base/reason.h"
#include "conf/conf.h"
#include "keystore/keystore.h"

/* One of each type serves; the others are those that follow or precede it.  Messages hold as many
 * (IPC_HOST_KEYS_MAX). */
#define IDENTITY_KEYS_MAX 16

/* Bytes of the public halves of all of them: sixteen of RSA 4096 have half of it.  An answer to
 * RELOAD has room for them besides its text. */
#define IDENTITY_BLOBS_MAX (16 * 1024)

struct host_key {
	char *name; /* in the key store */
	char type[64];
	struct buf blob;
	struct buf sealed; /* as loaded: each rekey of a session needs the same key */
};

/* Each session keeps a reference to its end, for the host key that has signed first. */
struct identity {
	unsigned int refs;
	struct keystore *keystore;
	struct host_key host_keys[IDENTITY_KEYS_MAX];
	size_t n_host_keys;
};

/*
 * Open the key store and load the host keys.  old (or NULL) is the identity in force, of the
 * configuration old_conf: a key store that can be unlocked but once is taken over from it. 0
 * with one reference in *out, or ERR_CONFIG with every error added.
 */
int identity_load(const struct conf *conf, const struct conf *old_conf, const struct identity *old,
    struct identity **out, struct conf_errors *errors) MUST_CHECK;

/* The same, without host keys. */
int identity_load_store(const struct conf *conf, struct identity **out,
    struct conf_errors *errors) MUST_CHECK;

/* An identity without host keys for an open store, and the loading of a host key of the
 * store.  0, or an ERR_* with why: ERR_TOOBIG if there is no room for another. */
int identity_new(struct keystore *ks, struct identity **out) MUST_CHECK;
int identity_add_key(struct identity *id, const char *name, struct reason *why) MUST_CHECK;

/* HostKeyAlgorithms must have an algorithm of a host key: else no client could connect.  0, or
 * ERR_CONFIG with an error added. */
int identity_check_algorithms(const struct identity *id, const struct conf *conf,
    struct conf_errors *errors) MUST_CHECK;

/* Is the way to the key store such that no other user can put another in its place?  0, or
 * an ERR_* of safe_path_open() with why. */
int identity_check_way(const struct conf *conf, struct reason *why) MUST_CHECK;

struct identity *identity_ref(struct identity *id);
void identity_unref(struct identity **id); /* takes NULL */

/* The host key for a signature algorithm, the first of its type, or NULL. */
const struct host_key *identity_host_key(const struct identity *id, const char *alg);

/* The text of Banner, which the configuration has: the caller frees it.  Or an ERR_* with
 * why, a line that begins with the path. */
int identity_banner(const struct conf *conf, char **text, struct reason *why) MUST_CHECK;

#endif
