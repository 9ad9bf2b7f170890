/*
 * Limits of RSA keys.  Called by formats for public keys, and by transport for keys that sign or
 * verify.
 */
#include "wire/rsa.h"

/* The texts of err_str() contain the limits. */
_Static_assert(RSA_BITS_MIN == 2048, "err_str() says how short ERR_WEAK is");
_Static_assert(RSA_BITS_MAX == 8192 && RSA_EXPONENT_BYTES_MAX == 5,
    "err_str() says how large ERR_COSTLY is");

size_t
mpint_bits(struct bytes s)
{
	size_t bits;
	uint8_t top;

	if (s.len == 0 || (s.p[0] & 0x80) != 0)
		return 0;
	while (s.len > 0 && s.p[0] == 0) {
		s.p++;
		s.len--;
	}
	if (s.len == 0)
		return 0;
	bits = (s.len - 1) * 8;
	for (top = s.p[0]; top != 0; top >>= 1)
		bits++;
	return bits;
}

int
rsa_check(struct bytes e, struct bytes n)
{
	size_t bits = mpint_bits(n);

	if (bits == 0 || mpint_bits(e) < 2)
		return ERR_FORMAT;
	if (bits > RSA_BITS_MAX || e.len > RSA_EXPONENT_BYTES_MAX)
		return ERR_COSTLY;
	return bits < RSA_BITS_MIN ? ERR_WEAK : 0;
}
