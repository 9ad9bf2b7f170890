/*
 * What a TLS server signs in a handshake, told from everything else: so that a key which signs for a process that may
 * have been taken over signs nothing but handshakes.
 */
#ifndef FORMATS_TLS_SIGNED_H
#define FORMATS_TLS_SIGNED_H

#include "base/buf.h"

/*
 * 1 if this is what a server signs: in TLS 1.3 64 spaces, "TLS 1.3, server CertificateVerify", a zero byte and a hash
 * of 32 or 48 bytes (RFC 8446 section 4.4.3); in TLS 1.2 both random numbers and the ECDHE parameters of a named curve
 * (RFC 8422 section 5.4).  With rsa_pkcs1, the signature is of PKCS #1 v1.5, which TLS 1.3 does not know.
 */
int tls_signed_ok(struct bytes tbs, int rsa_pkcs1);

#endif
