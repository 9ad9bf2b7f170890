#include "wire/rsa.h"

_Static_assert(RSA_BITS_MIN == 2048, "err_str() says how short ERR_WEAK is");

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
rsa_modulus_check(struct bytes n)
{
	size_t bits = mpint_bits(n);

	if (bits == 0 || bits > RSA_BITS_MAX)
		return ERR_FORMAT;
	return bits < RSA_BITS_MIN ? ERR_WEAK : 0;
}
