#ifndef TRANSPORT_VERSION_H
#define TRANSPORT_VERSION_H

/* The version of the libssh that is linked in, as "0.12.2".  Static. */
const char *transport_libssh_version(void);

/* Where its source is from and when it was built: "Debian's package 0.12.2-1",
 * "2026-08-01" (UTC, or SOURCE_DATE_EPOCH).  Static. */
const char *transport_libssh_origin(void);
const char *transport_libssh_built(void);

/* The version of libipsec-mb, if AES-GCM is its work here; NULL if it is OpenSSL's.
 * After leg_global_init().  Static. */
const char *transport_aes_gcm_version(void);

#endif
