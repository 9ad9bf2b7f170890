/*
 * Reading RevokedKeys, as text or as a KRL.  Called by access/key_list_cache.c.
 */
#include <string.h>

#include <openssl/evp.h>

#include "formats/key_list.h"
#include "formats/krl.h"
#include "formats/krl_format.h"

struct subject {
	struct bytes keys[2]; /* the plain key, and the CA's */
	size_t n;
	uint8_t sha1[2][KRL_SHA1_SIZE], sha256[2][KRL_SHA256_SIZE];
	const struct cert *cert; /* or NULL */
};

static int
krl_serial_in(const struct subject *s, uint64_t low, uint64_t high)
{
	return s->cert->serial >= low && s->cert->serial <= high;
}

/* 1 if a bitmap has the serial number: bit N of the big-endian number stands for low + N. */
static int
krl_bitmap_has(const struct subject *s, uint64_t low, struct bytes bitmap)
{
	uint64_t n;

	if (s->cert->serial < low)
		return 0;
	n = s->cert->serial - low;
	if (n / 8 >= bitmap.len)
		return 0;
	return bitmap.p[bitmap.len - 1 - n / 8] >> n % 8 & 1;
}

/* --- sections; each function reads one to its end.  1 if it revokes the key, 0 if not, or
 * ERR_FORMAT --- */

static int
krl_read_serial_list(struct wire *w, const struct subject *s)
{
	uint64_t serial;
	int found = 0;

	while (w->left > 0 && wire_err(w) == 0) {
		serial = wire_u64(w);
		if (serial == 0)
			return ERR_FORMAT;
		found |= krl_serial_in(s, serial, serial);
	}
	return found;
}

static int
krl_read_serial_range(struct wire *w, const struct subject *s)
{
	uint64_t low = wire_u64(w), high = wire_u64(w);

	return low == 0 || low > high ? ERR_FORMAT : krl_serial_in(s, low, high);
}

static int
krl_read_serial_bitmap(struct wire *w, const struct subject *s)
{
	uint64_t low = wire_u64(w);
	struct bytes bitmap = wire_string(w);

	/* not negative, and no bit beyond the largest serial number */
	if (bitmap.len > 0 && (bitmap.p[0] & 0x80) != 0)
		return ERR_FORMAT;
	if (bitmap.len > 0 && (uint64_t)bitmap.len * 8 - 1 > UINT64_MAX - low)
		return ERR_FORMAT;
	return krl_bitmap_has(s, low, bitmap);
}

static int
krl_read_key_ids(struct wire *w, const struct subject *s)
{
	int found = 0;

	while (w->left > 0 && wire_err(w) == 0)
		found |= bytes_equal(wire_string(w), s->cert->key_id);
	return found;
}

static int
krl_read_extension(struct wire *w)
{
	int critical;

	(void)wire_string(w); /* name */
	critical = wire_bool(w);
	(void)wire_string(w);
	return critical ? ERR_FORMAT : 0;
}

static int
read_cert_section(enum krl_section type, struct bytes data, const struct subject *s)
{
	struct wire w;
	int r = ERR_FORMAT, by_number = 1;

	wire_init(&w, data.p, data.len);
	switch (type) {
	case KRL_SERIAL_LIST:
		r = krl_read_serial_list(&w, s);
		break;
	case KRL_SERIAL_RANGE:
		r = krl_read_serial_range(&w, s);
		break;
	case KRL_SERIAL_BITMAP:
		r = krl_read_serial_bitmap(&w, s);
		break;
	case KRL_KEY_ID:
		by_number = 0;
		r = krl_read_key_ids(&w, s);
		break;
	case KRL_CERT_EXTENSION:
		r = krl_read_extension(&w);
		break;
	default:
		break;
	}
	if (r < 0 || wire_end(&w) != 0)
		return ERR_FORMAT;
	return by_number && s->cert->serial == 0 ? 0 : r;
}

/* A section of certificates: of one CA, or of all. */
static int
krl_read_certificates(struct wire *w, const struct subject *s)
{
	static const struct cert nobody;
	struct subject other = { .cert = &nobody };
	struct bytes ca = wire_string(w), data;
	enum krl_section type;
	int r, found = 0;

	(void)wire_string(w); /* reserved */
	/* a section for another CA is read all the same: it must be well-formed */
	if (s->cert == NULL || (ca.len > 0 && !bytes_equal(ca, s->cert->ca)))
		s = &other;
	while (w->left > 0 && wire_err(w) == 0) {
		type = wire_u8(w);
		data = wire_string(w);
		r = wire_err(w) != 0 ? ERR_FORMAT : read_cert_section(type, data, s);
		if (r < 0)
			return r;
		found |= s != &other && r;
	}
	return found;
}

static int
krl_read_keys(struct wire *w, const struct subject *s)
{
	struct bytes key;
	size_t i;
	int found = 0;

	while (w->left > 0 && wire_err(w) == 0) {
		key = wire_string(w);
		for (i = 0; i < s->n; i++)
			found |= bytes_equal(key, s->keys[i]);
	}
	return found;
}

static int
krl_read_hashes(struct wire *w, const struct subject *s, size_t size)
{
	const uint8_t *mine;
	struct bytes hash;
	size_t i;
	int found = 0;

	while (w->left > 0 && wire_err(w) == 0) {
		hash = wire_string(w);
		if (hash.len != size)
			return ERR_FORMAT;
		for (i = 0; i < s->n; i++) {
			mine = size == KRL_SHA1_SIZE ? s->sha1[i] : s->sha256[i];
			found |= memcmp(hash.p, mine, size) == 0;
		}
	}
	return found;
}

static int
krl_read_section(enum krl_section type, struct bytes data, const struct subject *s)
{
	struct wire w;
	int r = ERR_FORMAT;

	wire_init(&w, data.p, data.len);
	switch (type) {
	case KRL_CERTIFICATES:
		r = krl_read_certificates(&w, s);
		break;
	case KRL_EXPLICIT_KEY:
		r = krl_read_keys(&w, s);
		break;
	case KRL_SHA1:
		r = krl_read_hashes(&w, s, KRL_SHA1_SIZE);
		break;
	case KRL_SHA256:
		r = krl_read_hashes(&w, s, KRL_SHA256_SIZE);
		break;
	case KRL_EXTENSION:
		r = krl_read_extension(&w);
		break;
	default: /* also a signature section */
		break;
	}
	return r >= 0 && wire_end(&w) != 0 ? ERR_FORMAT : r;
}

static int
krl_read(struct bytes list, const struct subject *s)
{
	enum krl_section type;
	struct bytes data;
	struct wire w;
	int r, found = 0;

	wire_init(&w, list.p, list.len);
	(void)wire_bytes(&w, KRL_MAGIC_SIZE);
	if (wire_u32(&w) != KRL_VERSION)
		return ERR_FORMAT;
	(void)wire_u64(&w);    /* its own version */
	(void)wire_u64(&w);    /* when it was made */
	(void)wire_u64(&w);    /* flags: there are none */
	(void)wire_string(&w); /* reserved */
	(void)wire_string(&w); /* comment */
	while (w.left > 0 && wire_err(&w) == 0) {
		type = wire_u8(&w);
		data = wire_string(&w);
		r = wire_err(&w) != 0 ? ERR_FORMAT : krl_read_section(type, data, s);
		if (r < 0)
			return r;
		found |= r;
	}
	return wire_end(&w) != 0 ? ERR_FORMAT : found;
}

static int
krl_hash_keys(struct subject *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (EVP_Digest(s->keys[i].p, s->keys[i].len, s->sha1[i], NULL, EVP_sha1(), NULL) !=
			1 ||
		    EVP_Digest(s->keys[i].p, s->keys[i].len, s->sha256[i], NULL, EVP_sha256(),
			NULL) != 1)
			return ERR_NOMEM;
	return 0;
}

int
krl_is_binary(struct bytes list)
{
	return list.len >= KRL_MAGIC_SIZE && memcmp(list.p, KRL_MAGIC, KRL_MAGIC_SIZE) == 0;
}

/* Check a list that is a KRL, a text, or the index of a text. */
static int
krl_check_any(struct bytes list, const struct key_index *index, struct bytes blob,
    const struct cert *cert)
{
	struct subject s = { .n = 1, .cert = cert };
	struct buf key;
	int r;

	buf_init(&key, blob.len + 64);
	cert_put_key(blob, &key);
	r = buf_err(&key);
	s.keys[0] = buf_bytes(&key);
	if (cert != NULL)
		s.keys[s.n++] = cert->ca;
	if (r == 0 && index != NULL) {
		r = key_list_has_indexed(index, s.keys, s.n, KEY_LIST_REVOKED);
	} else if (r == 0 && !krl_is_binary(list)) {
		r = key_list_has(list, s.keys, s.n, KEY_LIST_REVOKED);
	} else if (r == 0) {
		r = krl_hash_keys(&s);
		if (r == 0)
			r = krl_read(list, &s);
	}
	buf_free(&key);
	return r;
}

int
krl_check(struct bytes list, struct bytes blob, const struct cert *cert)
{
	return krl_check_any(list, NULL, blob, cert);
}

int
krl_check_indexed(const struct key_index *index, struct bytes blob, const struct cert *cert)
{
	return krl_check_any((struct bytes){ NULL, 0 }, index, blob, cert);
}
