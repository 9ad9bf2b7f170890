/*
 * The two shapes of what a TLS server signs: see tls_signed.h.  Called by keeper/tls.c.
 */
#include <string.h>

#include "formats/tls_signed.h"
#include "wire/wire.h"

#define TLS_SIGNED_SPACES 64
#define TLS_SIGNED_RANDOM 32
#define TLS_SIGNED_NAMED_CURVE 3

static int
tls_signed_13(struct bytes tbs)
{
	static const char context[] = "TLS 1.3, server CertificateVerify"; /* with its zero byte */
	const size_t before = TLS_SIGNED_SPACES + sizeof(context);
	size_t i;

	if (tbs.len != before + 32 && tbs.len != before + 48)
		return 0;
	for (i = 0; i < TLS_SIGNED_SPACES; i++)
		if (tbs.p[i] != ' ')
			return 0;
	return memcmp(tbs.p + TLS_SIGNED_SPACES, context, sizeof(context)) == 0;
}

/* The groups that tls/context.c offers, and the sizes of their public values. */
static size_t
tls_signed_point(unsigned int group)
{
	switch (group) {
	case 0x0017: /* secp256r1 */
		return 65;
	case 0x0018: /* secp384r1 */
		return 97;
	case 0x0019: /* secp521r1 */
		return 133;
	case 0x001d: /* x25519 */
		return 32;
	default:
		return 0;
	}
}

static int
tls_signed_12(struct bytes tbs)
{
	struct wire w;
	unsigned int group;
	size_t point;

	wire_init(&w, tbs.p, tbs.len);
	(void)wire_bytes(&w, (size_t)2 * TLS_SIGNED_RANDOM);
	if (wire_u8(&w) != TLS_SIGNED_NAMED_CURVE)
		return 0;
	group = (unsigned int)wire_u8(&w) << 8;
	group |= wire_u8(&w);
	point = tls_signed_point(group);
	if (point == 0 || wire_u8(&w) != point)
		return 0;
	(void)wire_bytes(&w, point);
	return wire_end(&w) == 0;
}

int
tls_signed_ok(struct bytes tbs, int rsa_pkcs1)
{
	return tls_signed_12(tbs) || (!rsa_pkcs1 && tls_signed_13(tbs));
}
