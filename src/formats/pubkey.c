/*
 * Public key blobs: checking, parsing, printing.  Called wherever a key is read or logged.
 */
#include <sodium.h>
#include <string.h>

#include "formats/cert.h"
#include "formats/pubkey.h"
#include "formats/text.h"
#include "wire/rsa.h"

#define PUBKEY_BLOB_MAX 65536

/* The fields of each type after its name, one letter each: s any string, k 32 bytes, m a positive
 * mpint, e and n the exponent and modulus of an RSA key, c a curve's name, p an uncompressed
 * point.  n and p are checked together with the field before them. */
static const struct pubkey_kind {
	const char *type;
	const char *word; /* in sshd's log */
	const char *fields;
	int usable; /* the type's name is also an accepted signature algorithm */
} kinds[] = {
	{ "ssh-ed25519", "ED25519", "k", 1 },
	{ "ecdsa-sha2-nistp256", "ECDSA", "cp", 1 },
	{ "ecdsa-sha2-nistp384", "ECDSA", "cp", 1 },
	{ "ecdsa-sha2-nistp521", "ECDSA", "cp", 1 },
	{ "ssh-rsa", "RSA", "en", 0 },
	{ "sk-ssh-ed25519@openssh.com", "ED25519-SK", "ks", 1 },
	{ "sk-ecdsa-sha2-nistp256@openssh.com", "ECDSA-SK", "cps", 1 },
	{ "ssh-dss", "DSA", "mmmm", 0 },
	{ "ssh-ed25519-cert-v01@openssh.com", "ED25519-CERT", NULL, 0 },
	{ "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ECDSA-CERT", NULL, 0 },
	{ "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ECDSA-CERT", NULL, 0 },
	{ "ecdsa-sha2-nistp521-cert-v01@openssh.com", "ECDSA-CERT", NULL, 0 },
	{ "ssh-rsa-cert-v01@openssh.com", "RSA-CERT", NULL, 0 },
	{ "sk-ssh-ed25519-cert-v01@openssh.com", "ED25519-SK-CERT", NULL, 0 },
	{ "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "ECDSA-SK-CERT", NULL, 0 },
	{ "ssh-dss-cert-v01@openssh.com", "DSA-CERT", NULL, 0 },
};

static const struct pubkey_kind *
pubkey_kind_find(const char *type)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].type, type) == 0)
			return &kinds[i];
	return NULL;
}

void
pubkey_fingerprint(struct bytes blob, char out[PUBKEY_FINGERPRINT_SIZE])
{
	uint8_t hash[crypto_hash_sha256_BYTES], len[4] = { 0 };
	crypto_hash_sha256_state state;
	struct bytes numbers = blob;
	const char *type;

	crypto_hash_sha256_init(&state);
	if (cert_key(blob, &type, &numbers) == 0) {
		len[3] = (uint8_t)strlen(type);
		crypto_hash_sha256_update(&state, len, sizeof(len));
		crypto_hash_sha256_update(&state, (const uint8_t *)type, len[3]);
	} else {
		numbers = blob;
	}
	crypto_hash_sha256_update(&state, numbers.p, numbers.len);
	crypto_hash_sha256_final(&state, hash);
	memcpy(out, "SHA256:", 7);
	sodium_bin2base64(out + 7, PUBKEY_FINGERPRINT_SIZE - 7, hash, sizeof(hash),
	    sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}

int
pubkey_type(struct bytes blob, char type[64])
{
	struct wire w;
	struct bytes name;
	size_t i;

	type[0] = '\0';
	wire_init(&w, blob.p, blob.len);
	name = wire_string(&w);
	if (wire_err(&w) != 0 || name.len == 0 || name.len >= 64)
		return ERR_FORMAT;
	/* RFC 4251 section 6: printable US-ASCII without blanks and commas */
	for (i = 0; i < name.len; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f || name.p[i] == ',')
			return ERR_FORMAT;
	memcpy(type, name.p, name.len);
	type[name.len] = '\0';
	return 0;
}

const char *
pubkey_type_short(const char *type)
{
	const struct pubkey_kind *kind = pubkey_kind_find(type);

	return kind == NULL ? "unknown" : kind->word;
}

/* Check an uncompressed point (SEC 1 section 2.3.3) of the named curve. */
static int
pubkey_point_ok(struct bytes curve, struct bytes point)
{
	size_t size;

	if (bytes_is(curve, "nistp256"))
		size = 32;
	else if (bytes_is(curve, "nistp384"))
		size = 48;
	else if (bytes_is(curve, "nistp521"))
		size = 66;
	else
		return 0;
	return point.len == 1 + 2 * size && point.p[0] == 4;
}

/* 0, ERR_FORMAT, ERR_WEAK or ERR_COSTLY. */
static int
pubkey_field_check(char field, const char *type, struct bytes before, struct bytes s)
{
	const char *want;

	switch (field) {
	case 'k':
		return s.len == 32 ? 0 : ERR_FORMAT;
	case 'm':
		return mpint_bits(s) > 0 ? 0 : ERR_FORMAT;
	case 'n':
		return rsa_check(before, s);
	case 'c':
		want = strstr(type, "nistp");
		return want != NULL && s.len == 8 && memcmp(want, s.p, 8) == 0 ? 0 : ERR_FORMAT;
	case 'p':
		return pubkey_point_ok(before, s) ? 0 : ERR_FORMAT;
	}
	return 0;
}

int
pubkey_check(struct bytes blob)
{
	const struct pubkey_kind *kind;
	struct bytes field, before = { (const uint8_t *)"", 0 };
	struct wire w;
	const char *f;
	char type[64];
	int r = 0;

	if (pubkey_type(blob, type) != 0)
		return ERR_FORMAT;
	kind = pubkey_kind_find(type);
	if (kind == NULL)
		return ERR_ALGORITHM;
	if (kind->fields == NULL)
		return 0;
	wire_init(&w, blob.p, blob.len);
	(void)wire_string(&w);
	for (f = kind->fields; *f != '\0' && r == 0; f++) {
		field = wire_string(&w);
		r = wire_err(&w) != 0 ? ERR_FORMAT : pubkey_field_check(*f, type, before, field);
		before = field;
	}
	/* the modulus is the last one */
	return pubkey_is_whole(r) && wire_end(&w) != 0 ? ERR_FORMAT : r;
}

int
pubkey_is_whole(int err)
{
	return err == 0 || err == ERR_WEAK || err == ERR_COSTLY;
}

int
pubkey_parse(const char *line, size_t len, struct buf *blob)
{
	struct bytes rest = { (const uint8_t *)line, len };
	struct bytes name, text, key;
	size_t start = blob->len, n;
	uint8_t *to;
	char type[64];
	int ret;

	while (rest.len > 0 && (line[rest.len - 1] == '\n' || line[rest.len - 1] == '\r'))
		rest.len--;
	name = text_word(&rest);
	text = text_word(&rest);
	if (name.len == 0 || text.len == 0)
		return ERR_FORMAT;
	if (text.len > PUBKEY_BLOB_MAX)
		return ERR_TOOBIG;
	to = buf_reserve(blob, text.len / 4 * 3 + 3);
	if (to == NULL)
		return buf_err(blob);
	if (sodium_base642bin(to, text.len / 4 * 3 + 3, (const char *)text.p, text.len, NULL, &n,
		NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		return ERR_FORMAT;
	key = (struct bytes){ to, n };
	ret = pubkey_type(key, type);
	if (ret == 0 && !bytes_is(name, type))
		ret = ERR_FORMAT;
	if (ret == 0)
		ret = pubkey_check(key);
	/* a key that is not accepted for use can still be listed and revoked */
	if (pubkey_is_whole(ret))
		ret = 0;
	if (ret == 0)
		blob->len = start + n;
	return ret;
}

int
pubkey_is_private(const void *text, size_t len)
{
	static const char pem[] = "-----BEGIN ", putty[] = "PuTTY-User-Key-File-";
	const char *end = memchr(text, '\n', len);

	if (end != NULL)
		len = (size_t)(end - (const char *)text);
	if (len >= sizeof(putty) - 1 && memcmp(text, putty, sizeof(putty) - 1) == 0)
		return 1;
	return len >= sizeof(pem) - 1 && memcmp(text, pem, sizeof(pem) - 1) == 0 &&
	    memmem(text, len, "PRIVATE KEY", 11) != NULL;
}

void
pubkey_format(struct bytes blob, struct buf *out)
{
	size_t size = sodium_base64_encoded_len(blob.len, sodium_base64_VARIANT_ORIGINAL);
	uint8_t *to;
	char type[64];

	if (pubkey_type(blob, type) != 0)
		return;
	buf_putf(out, "%s ", type);
	to = buf_reserve(out, size);
	if (to == NULL)
		return;
	sodium_bin2base64((char *)to, size, blob.p, blob.len, sodium_base64_VARIANT_ORIGINAL);
	out->len += size - 1; /* without its NUL */
}

int
pubkey_algorithm_ok(const char *type, const char *alg)
{
	const struct pubkey_kind *kind = pubkey_kind_find(type);

	if (strcmp(type, "ssh-rsa") == 0)
		return strcmp(alg, "rsa-sha2-512") == 0 || strcmp(alg, "rsa-sha2-256") == 0;
	return kind != NULL && kind->usable && strcmp(type, alg) == 0;
}
