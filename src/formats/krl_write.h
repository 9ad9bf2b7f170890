/*
 * Writing a KRL (OpenSSH's PROTOCOL.krl), which sshd, ssh-keygen -Q and krl.h read.
 */
#ifndef FORMATS_KRL_WRITE_H
#define FORMATS_KRL_WRITE_H

#include "formats/revoked.h"

/* Append a KRL of all that the n lists have, one for each CA.  version is to grow from one KRL to the next;
 * when is in seconds since 1970.  Errors are left to buf_err(). */
void krl_write(struct buf *out, const struct revoked *lists, size_t n, uint64_t version,
    uint64_t when);

#endif
