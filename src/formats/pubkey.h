/*
 * Public key blobs (RFC 4253 section 6.6): as text, their types, fingerprints, and which ones are
 * accepted.
 */
#ifndef FORMATS_PUBKEY_H
#define FORMATS_PUBKEY_H

#include "base/buf.h"
#include "wire/wire.h"

#define PUBKEY_FINGERPRINT_SIZE 64

/* "SHA256:" and unpadded base64, as ssh-keygen -l prints; of a certificate, that of the certified
 * key. */
void pubkey_fingerprint(struct bytes blob, char out[PUBKEY_FINGERPRINT_SIZE]);

/* The type name inside a blob ("ssh-ed25519"), terminated; ERR_FORMAT. */
int pubkey_type(struct bytes blob, char type[64]) MUST_CHECK;

/* sshd's word for a type in its log: "ED25519", "RSA", "ECDSA", "ED25519-SK",
 * "ED25519-CERT"...  Static; "unknown" for other types. */
const char *pubkey_type_short(const char *type);

/* 0 if the blob is a complete key of a known type, which certificates are not; ERR_ALGORITHM if
 * the type is unknown; ERR_WEAK or ERR_COSTLY for a complete RSA key that is too short or too
 * large (wire/rsa.h); or ERR_FORMAT. */
int pubkey_check(struct bytes blob) MUST_CHECK;

/* 1 if err, a result of pubkey_check(), says that the key is complete.  A complete key may be too weak or
 * too costly for a login; it can still be shown, listed and revoked. */
int pubkey_is_whole(int err);

/* Decode "TYPE BASE64 [comment]": the blob is appended, unless it fails.  Its inner type must be
 * TYPE and it must be a complete key (pubkey_is_whole()), though it may be too short or too large
 * for use. */
int pubkey_parse(const char *line, size_t len, struct buf *blob) MUST_CHECK;

/* 1 if the text begins like a private key in PEM, OpenSSH's or PuTTY's format. */
int pubkey_is_private(const void *text, size_t len);

/* Append "TYPE BASE64" for a blob. */
void pubkey_format(struct bytes blob, struct buf *out);

/* 1 if a signature algorithm is accepted for a key of this type: the type itself, or rsa-sha2-256
 * and rsa-sha2-512 for ssh-rsa; never a certificate's, never SHA-1. */
int pubkey_algorithm_ok(const char *type, const char *alg);

#endif
