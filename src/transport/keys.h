/*
 * Keys for the keeper and the commands: reading, signing, verifying.  Private halves are
 * secrets whose bytes have one of two forms:
 *
 *	"ssh-ed25519": the 64 bytes of a libsodium secret key
 *	others: the type's name and the key's numbers, in the order in which
 *	SSH_AGENTC_ADD_IDENTITY has them (draft-ietf-sshm-ssh-agent section 3.2);
 *	unlike the text of a file, this can be read without leaving copies in memory
 *
 * Public keys and signatures are the blobs of RFC 4253 section 6.6.
 */
#ifndef TRANSPORT_KEYS_H
#define TRANSPORT_KEYS_H

#include "base/buf.h"
#include "base/secret.h"
#include "wire/wire.h"

/* Parse the text of an OpenSSH or PEM private key file; passphrase may be NULL.  0: *priv is the
 * caller's, the public blob is appended to pub, and type is the key's type ("ssh-ed25519").
 * ERR_AUTH: the passphrase is missing or wrong; ERR_FORMAT; ERR_WEAK, ERR_COSTLY (wire/rsa.h);
 * ERR_ALGORITHM: DSA, sk-, or another type that is not supported, which is in type if the file has
 * it in the clear; ERR_TOOBIG; ERR_NOMEM; ERR_BADSTATE: libsodium does not work. */
int key_import(const char *text, size_t len, const char *passphrase, struct secret **priv,
    struct buf *pub, char type[64]) MUST_CHECK;

/* Make a new key; type is "ed25519", "rsa" (3072 bits) or "ecdsa" (nistp256).  *priv, pub and name
 * are set as by key_import(). */
int key_generate(const char *type, struct secret **priv, struct buf *pub, char name[64]) MUST_CHECK;

/* Allocate the locked memory that RSA and ECDSA private keys are in while they sign; else the first
 * signature does.  0; ERR_PERM: the memory cannot be locked; ERR_NOMEM: the keys will be in
 * ordinary memory. */
int key_memory_lock(void) MUST_CHECK;

/* RSASSA-PSS with SHA-256 and a salt of its length: for TLS, as SSH has no such algorithm.  key_verify()
 * does not know it. */
#define KEY_RSA_PSS "rsa-pss-sha256"

/* Sign with algorithm alg ("ssh-ed25519", "rsa-sha2-512", KEY_RSA_PSS, ...); the signature
 * blob (algorithm name and signature) is appended to sig.  The private key is
 * open for the time of this call only. */
int key_sign(struct secret *priv, const char *type, const char *alg, const void *data, size_t len,
    struct buf *sig) MUST_CHECK;

/* Flags of an sk- signature. */
#define KEY_SK_USER_PRESENT 0x01  /* the user has touched the token */
#define KEY_SK_USER_VERIFIED 0x04 /* the token has verified the user: PIN, fingerprint */

/*
 * Verify the signature blob sig over data by the public key blob.  alg is the
 * algorithm that was announced: the signature must be of this algorithm, and
 * the algorithm must fit the key's type (SHA-1 never does).  *sk_flags is 0
 * for keys that are not sk-.  0, ERR_AUTH, ERR_ALGORITHM, ERR_WEAK, ERR_COSTLY or
 * ERR_FORMAT.
 */
int key_verify(struct bytes blob, const char *alg, struct bytes sig, const void *data, size_t len,
    uint8_t *sk_flags) MUST_CHECK;

/* As key_verify() for "ssh-rsa", RSA with SHA-1: only for the host key of an upstream that
 * has nothing better, and only if the route permits it. */
int key_verify_sha1(struct bytes blob, struct bytes sig, const void *data, size_t len) MUST_CHECK;

#endif
