/*
 * Limits of RSA keys: for every key of users, hosts, authorities and the key store.
 */
#ifndef WIRE_RSA_H
#define WIRE_RSA_H

#include <stddef.h>

#include "wire/wire.h"

/* Moduli of less than 2048 bits protect nothing.  The upper limits bound the time of a
 * verification, which clients can demand before they have logged in, with keys of their own making:
 * it takes 0.7 ms at these limits, 4.3 ms with 16384 bits and an exponent of 8 bytes. */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define RSA_EXPONENT_BYTES_MAX 5

/* The length in bits of a positive mpint (RFC 4251 section 5); 0 if s is empty, zero or
 * negative. */
size_t mpint_bits(struct bytes s);

/* Check the public exponent e and the modulus n, both mpints.  0; ERR_WEAK if the modulus is too
 * short; ERR_COSTLY if the modulus or the exponent is too large; ERR_FORMAT if one of them is not
 * positive, or the exponent is 1. */
int rsa_check(struct bytes e, struct bytes n) MUST_CHECK;

#endif
