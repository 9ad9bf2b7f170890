#ifndef TRANSPORT_VERSION_H
#define TRANSPORT_VERSION_H

/* The version of the libssh that is linked in, as "0.12.2".  Static. */
const char *transport_libssh_version(void);

/* The version of libipsec-mb, if AES-GCM is its work here; NULL if it is OpenSSL's.
 * After leg_global_init().  Static. */
const char *transport_aes_gcm_version(void);

#endif
