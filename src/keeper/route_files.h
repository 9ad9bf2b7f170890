/*
 * The files a route names: its lists of keys and hosts, and its mapped key.
 */
#ifndef KEEPER_ROUTE_FILES_H
#define KEEPER_ROUTE_FILES_H

#include <time.h>

#include "base/buf.h"
#include "keeper/keystore.h"
#include "lookup/route.h"
#include "wire/wire.h"

/* Append one of the route's files.  0 or an ERR_*, with why: one line that names it;
 * ERR_NOTFOUND if it is not there. */
int route_file_read(const struct route *r, const char *path, struct buf *out,
    struct keystore_why *why) MUST_CHECK;

/* A descriptor to read it and add to it; made if it is not there.  Never waits: what is no
 * regular file, or others may write to, is ERR_FORMAT or ERR_PERM. */
int route_file_append(const struct route *r, const char *path, int *fd,
    struct keystore_why *why) MUST_CHECK;

/* The mapped key, from the key store or a file of the route's: as keystore_public()
 * and keystore_sign().  A file is read for each use. */
int route_key_public(const struct route *r, struct keystore *ks, struct buf *pub, char type[64],
    struct keystore_why *why) MUST_CHECK;
int route_key_sign(const struct route *r, struct keystore *ks, const char *alg, const void *data,
    size_t len, struct buf *sig, struct keystore_why *why) MUST_CHECK;

/*
 * The certificate of CertificateFile, for a key with this public blob: append it.
 * ERR_NOTFOUND; ERR_FORMAT: it is none; ERR_AUTH: it is another key's; ERR_TIMEOUT: it has
 * expired, or is not valid yet; always with why.
 */
int route_certificate(const struct route *r, struct bytes key, time_t now, struct buf *out,
    struct keystore_why *why) MUST_CHECK;

#endif
