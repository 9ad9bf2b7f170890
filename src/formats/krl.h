/*
 * RevokedKeys of sshd_config(5): public keys as text, or a KRL of `ssh-keygen -k` (PROTOCOL.krl).
 */
#ifndef FORMATS_KRL_H
#define FORMATS_KRL_H

#include "formats/cert.h"
#include "formats/key_index.h"

/*
 * 1 if the list revokes this key, 0 if not; ERR_FORMAT if part of the list is not understood, or
 * ERR_NOMEM: the caller must then refuse the key.
 *
 * A text revokes the keys in it, all certificates for them, and all certificates that they
 * signed.  A KRL revokes by key and by fingerprint, also of the CA, and certificates of one CA,
 * or of all, by serial number or ID.  Serial number 0 means that a certificate has none, and as
 * in sshd it is never revoked by number. A KRL that is signed, or has an unknown section marked
 * critical, is not understood.
 *
 * blob is a key or a certificate; cert is the certificate parsed, or NULL.
 */
int krl_check(struct bytes list, struct bytes blob, const struct cert *cert) MUST_CHECK;

/* The same for a text with an index (KEY_INDEX_REVOKED). */
int krl_check_indexed(const struct key_index *index, struct bytes blob,
    const struct cert *cert) MUST_CHECK;

/* 1 if the list begins as a KRL does, and so has no lines. */
int krl_is_binary(struct bytes list);

#endif
