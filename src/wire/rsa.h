/*
 * How large an RSA key may be, whoever it belongs to.
 */
#ifndef WIRE_RSA_H
#define WIRE_RSA_H

#include <stddef.h>

#include "wire/wire.h"

/* Smaller moduli are no protection (sshd's RequiredRSASize).  Larger ones, and long exponents,
 * let a stranger buy much of our time with little of his: anybody may have a signature by a key
 * of their own making checked.  At these limits that takes 0.7 ms, at 16384 and 8 bytes 4.3 ms. */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define RSA_EXPONENT_BYTES_MAX 5

/* The length in bits of a positive mpint (RFC 4251 section 5), 0 if it is none. */
size_t mpint_bits(struct bytes s);

/* The public numbers of an RSA key, as mpints.  0, ERR_WEAK if the modulus is too short,
 * ERR_COSTLY if it or the exponent is too large, ERR_FORMAT if they are no key's. */
int rsa_check(struct bytes e, struct bytes n) MUST_CHECK;

#endif
