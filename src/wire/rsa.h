/*
 * How large an RSA key may be, whoever it belongs to.
 */
#ifndef WIRE_RSA_H
#define WIRE_RSA_H

#include <stddef.h>

#include "wire/wire.h"

/* Smaller moduli are no protection (sshd's RequiredRSASize), larger ones let a stranger buy
 * much of our time with little of his; OpenSSL verifies with no more. */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384

/* The length in bits of a positive mpint (RFC 4251 section 5), 0 if it is none. */
size_t mpint_bits(struct bytes s);

/* An RSA key's modulus.  0, ERR_WEAK if it is too short, ERR_FORMAT if it is none, or too
 * large. */
int rsa_modulus_check(struct bytes n) MUST_CHECK;

#endif
