/*
 * RevokedKeys of sshd_config(5): public keys as text, or a KRL as `ssh-keygen -k` makes it
 * (PROTOCOL.krl).
 */
#ifndef FORMATS_KRL_H
#define FORMATS_KRL_H

#include "formats/cert.h"
#include "formats/key_index.h"

/*
 * Does the list revoke this key?  1 or 0; ERR_FORMAT if it cannot be understood to its end,
 * ERR_NOMEM: what is not known to be good is to be refused.
 *
 * A text revokes the keys in it, all certificates for them, and all certificates that one of
 * them has signed.  A KRL revokes by key and by fingerprint, the CA's included, and
 * certificates of a CA, or of any, by serial number or ID.  Serial number 0 is that of
 * certificates that have none, and as in sshd is never revoked by number.  A KRL that is
 * signed, or has a part that is marked critical and that we do not know, is not understood.
 *
 * blob is a key or a certificate; cert is the latter taken apart, or NULL.
 */
int krl_check(struct bytes list, struct bytes blob, const struct cert *cert) MUST_CHECK;

/* The same for a text with an index (KEY_INDEX_REVOKED). */
int revoked_check_indexed(const struct key_index *index, struct bytes blob,
    const struct cert *cert) MUST_CHECK;

/* 1 if the list is a KRL by its first bytes: it has no lines. */
int revoked_is_krl(struct bytes list);

#endif
