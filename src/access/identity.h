/*
 * The gateway's identity: its key store, the host keys in it that clients see, and its
 * banner.  The keeper loads it with each snapshot of the configuration, and `sallyport check`
 * does to see that it could.
 */
#ifndef ACCESS_IDENTITY_H
#define ACCESS_IDENTITY_H

#include <time.h>

#include "base/buf.h"
#include "base/reason.h"
#include "conf/conf.h"
#include "keystore/keystore.h"

/* One of each type serves; the others are those that follow or precede it.  Messages hold as many
 * (IPC_HOST_KEYS_MAX). */
#define IDENTITY_KEYS_MAX 16

/* Bytes of the public halves of all of them and of their certificates: sixteen keys of RSA 4096
 * have half of it.  An answer to RELOAD has room for them besides its text. */
#define IDENTITY_BLOBS_MAX (16 * 1024)

struct host_key {
	char *name; /* in the key store */
	char type[64];
	struct buf blob;
	struct buf sealed; /* as loaded: each rekey of a session needs the same key */
};

/* Keys, and a certificate for each. */
#define IDENTITY_OFFER_MAX (2 * IDENTITY_KEYS_MAX)

struct host_certificate {
	char *path;
	char type[64];
	struct buf blob;
	size_t key;			    /* its index among the host keys */
	uint64_t valid_after, valid_before; /* of time(2) */
	int told;			    /* it is in the log that it is not valid */
};

/* Each session keeps a reference to its end, for the host key that has signed first. */
struct identity {
	unsigned int refs;
	struct keystore *keystore;
	struct host_key host_keys[IDENTITY_KEYS_MAX];
	size_t n_host_keys;
	struct host_certificate certificates[IDENTITY_KEYS_MAX];
	size_t n_certificates;
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

/* Is the way to the key store, or to the state directory, such that no other user can put another
 * in its place?  0, or an ERR_* of safe_path_open() with why. */
int identity_check_way(const struct conf *conf, const char *path, struct reason *why) MUST_CHECK;

struct identity *identity_ref(struct identity *id);
void identity_unref(struct identity **id); /* takes NULL */

/* The host key for a signature algorithm, the first of its type, or NULL. */
const struct host_key *identity_host_key(const struct identity *id, const char *alg);

/* --- identity_certificate.c --- */

/* Load a certificate of one of the host keys: a file made by ssh-keygen -s CA -h.  It may have
 * expired.  0, or an ERR_* with why, which begins with the path. */
int identity_add_certificate(struct identity *id, const struct conf *conf, const char *path,
    struct reason *why) MUST_CHECK;
void identity_certificates_free(struct identity *id);

/* 1 if clients accept it now; or 0 with why, which begins with the path. */
int identity_certificate_valid(const struct host_certificate *c, time_t now, struct reason *why);

/* What clients are offered, in the order of preference: first the certificates that are valid now,
 * whose number is set, then the public keys.  The number of all. */
size_t identity_offer(const struct identity *id, time_t now, struct bytes out[IDENTITY_OFFER_MAX],
    size_t *certificates);

/* What a host key signs with for an algorithm of the key exchange. */
struct host_key_use {
	const struct host_key *key;
	const char *alg;    /* of the signature: for a certificate's algorithm the plain one */
	struct bytes shown; /* to the client: the public key or its certificate */
};

/* 1 with *use set, or 0 if no host key has this algorithm. */
int identity_use(const struct identity *id, const char *alg, struct host_key_use *use);

/* The text of Banner, which the configuration has: the caller frees it.  Or an ERR_* with
 * why, a line that begins with the path. */
int identity_banner(const struct conf *conf, char **text, struct reason *why) MUST_CHECK;

#endif
