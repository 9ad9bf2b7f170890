/*
 * The files that a route names: lists of keys and hosts, certificates, and its mapped key.
 */
#ifndef ACCESS_ROUTE_FILES_H
#define ACCESS_ROUTE_FILES_H

#include <time.h>

#include "base/reason.h"
#include "base/buf.h"
#include "keystore/keystore.h"
#include "lookup/route.h"
#include "wire/wire.h"

/* Open a file of the route to read it, by the rule of base/safe_path.h, or of
 * base/login_dir.h for a route of [lookup directory].  0 with *fd the caller's; or as
 * safe_path_open(), with why: one line that names the file. */
int route_file_open(const struct route *r, const char *path, int *fd,
    struct reason *why) MUST_CHECK;

/* Bytes of ConnectViaCA: some dozen certificates, which go with each order to dial. */
#define ROUTE_VIA_CA_MAX (24 * 1024)

/* Open a file and append all of it to out.  ERR_TOOBIG: it does not fit. */
int route_file_read(const struct route *r, const char *path, struct buf *out,
    struct reason *why) MUST_CHECK;

/* Bytes of the file that a Banner names, of [gateway] or of a route. */
#define ROUTE_BANNER_MAX (16 * 1024)

/* The text of Banner, which the route has: the caller frees it.  0, or an ERR_* of route_file_read(),
 * ERR_FORMAT: it holds a NUL, or ERR_NOMEM; with why. */
int route_banner(const struct route *r, char **text, struct reason *why) MUST_CHECK;

/* Open a file to read it and to append to it; it is made if it does not exist.  No symbolic
 * link is followed, except one that stays in the directory of a login. */
int route_file_append(const struct route *r, const char *path, int *fd,
    struct reason *why) MUST_CHECK;

/* Could route_file_append() open it?  The file is not made.  0, or an ERR_* with why;
 * ERR_SYS with errno. */
int route_file_may_append(const struct route *r, const char *path, struct reason *why) MUST_CHECK;

/* The mapped key, unsealed from the key store or read from a file of the route's, for as
 * short a time as it is needed. */
struct route_key {
	struct secret *priv; /* NULL: not open */
	struct buf pub;	     /* blob */
	char type[64];
};

int route_key_open(const struct route *r, struct keystore *ks, struct route_key *key,
    struct reason *why) MUST_CHECK;
/* As key_sign(). */
int route_key_sign(const struct route *r, struct route_key *key, const char *alg, const void *data,
    size_t len, struct buf *sig, struct reason *why) MUST_CHECK;
void route_key_close(struct route_key *key);

/* The secret of the route's TOTP, out of the key store or of sshpiper's file; the caller wipes it.  0; ERR_NOTFOUND:
 * the key store has none; or another ERR_* with why. */
int route_totp_open(const struct route *r, struct keystore *ks, struct totp *secret,
    struct reason *why) MUST_CHECK;

/* Append the certificate in CertificateFile, for a key with this public blob.  ERR_NOTFOUND;
 * ERR_FORMAT: it is no certificate; ERR_AUTH: it is another key's; ERR_TIMEOUT: it has
 * expired or is not valid yet; always with why. */
int route_certificate(const struct route *r, struct bytes key, time_t now, struct buf *out,
    struct reason *why) MUST_CHECK;

/* Append the public key in CertificateAuthority.  0; or an ERR_* of route_file_read(), ERR_FORMAT: there is
 * no key in it, or ERR_ALGORITHM: none that a CA can have; with why. */
int route_authority(const struct route *r, struct buf *out, struct reason *why) MUST_CHECK;

#endif
