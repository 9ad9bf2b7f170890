/*
 * A look into private key files, for keys.c and the commands that add keys: OpenSSH's format
 * (PROTOCOL.key) and the headers of PEM.
 */
#include <string.h>

#include <sodium.h>

#include "base/secret.h"
#include "transport/key_file.h"
#include "wire/wire.h"

#define KEY_FILE_MAGIC "openssh-key-v1" /* and its NUL */
#define KEY_FILE_BLOB_MAX 16384

/* The number of strings in a private key of this type, its name included.  0: an unknown type. */
static unsigned int
key_file_strings(const char *type)
{
	if (strcmp(type, "ssh-ed25519") == 0)
		return 3; /* type, public, secret */
	if (strcmp(type, "ssh-rsa") == 0)
		return 7; /* type, n, e, d, iqmp, p, q */
	if (strncmp(type, "ecdsa-sha2-nistp", 16) == 0)
		return 4; /* type, curve, Q, d */
	return 0;
}

/* Parse the part that a passphrase would encrypt: one key, a comment, and padding. */
static int
key_file_private(struct bytes priv, struct key_file *f)
{
	unsigned int strings = key_file_strings(f->type), check;
	const uint8_t *start;
	struct wire w;
	uint8_t pad;

	wire_init(&w, priv.p, priv.len);
	check = wire_u32(&w);
	if (wire_u32(&w) != check)
		return ERR_FORMAT;
	start = w.p;
	if (!bytes_is(wire_string(&w), f->type))
		return ERR_FORMAT;
	if (strings == 0)
		return 0; /* the caller refuses the type */
	while (--strings > 0)
		(void)wire_string(&w);
	if (wire_err(&w) != 0)
		return ERR_FORMAT;
	f->numbers = secret_from(start, (size_t)(w.p - start));
	if (f->numbers == NULL)
		return ERR_NOMEM;
	(void)wire_string(&w); /* comment */
	for (pad = 1; w.left > 0 && wire_err(&w) == 0; pad++)
		if (wire_u8(&w) != pad)
			return ERR_FORMAT;
	return wire_end(&w);
}

/* OpenSSH's format, decoded. */
static int
key_file_openssh(struct wire *w, struct key_file *f)
{
	struct bytes magic, cipher, pub, priv;
	struct wire inner;
	int r;

	magic = wire_bytes(w, sizeof(KEY_FILE_MAGIC));
	cipher = wire_string(w);
	(void)wire_string(w); /* KDF */
	(void)wire_string(w); /* its options */
	if (wire_u32(w) != 1) /* key */
		return ERR_FORMAT;
	pub = wire_string(w);
	priv = wire_string(w);
	wire_init(&inner, pub.p, pub.len);
	wire_text(&inner, f->type, sizeof(f->type));
	if (wire_err(w) != 0 || wire_err(&inner) != 0 ||
	    memcmp(magic.p, KEY_FILE_MAGIC, magic.len) != 0)
		return ERR_FORMAT;
	f->encrypted = !bytes_is(cipher, "none");
	if (!f->encrypted && (r = key_file_private(priv, f)) != 0)
		return r;
	buf_put(&f->pub, pub.p, pub.len);
	return buf_err(&f->pub);
}

static int
key_file_look_openssh(const char *base64, size_t len, struct key_file *f)
{
	struct secret *raw = secret_new(len); /* more than the decoded text needs */
	struct wire w;
	size_t rawlen;
	uint8_t *p;
	int r = ERR_FORMAT;

	if (raw == NULL)
		return ERR_NOMEM;
	p = secret_open(raw);
	if (sodium_base642bin(p, len, base64, len, " \t\r\n", &rawlen, NULL,
		sodium_base64_VARIANT_ORIGINAL) == 0) {
		wire_init(&w, p, rawlen);
		r = key_file_openssh(&w, f);
	}
	secret_close(raw);
	secret_free(&raw);
	return r;
}

int
key_file_look(const char *text, struct key_file *f)
{
	static const char begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
	static const char end[] = "-----END OPENSSH PRIVATE KEY-----";
	const char *from = strstr(text, begin), *to;

	*f = (struct key_file){ 0 };
	buf_init(&f->pub, KEY_FILE_BLOB_MAX);
	if (from != NULL) {
		from += sizeof(begin) - 1;
		to = strstr(from, end);
		return to == NULL ? ERR_FORMAT :
				    key_file_look_openssh(from, (size_t)(to - from), f);
	}
	if (strstr(text, "PRIVATE KEY-----") == NULL)
		return ERR_FORMAT;
	f->encrypted = strstr(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----") != NULL ||
	    strstr(text, "Proc-Type: 4,ENCRYPTED") != NULL;
	if (strstr(text, "-----BEGIN DSA PRIVATE KEY-----") != NULL)
		memcpy(f->type, "ssh-dss", sizeof("ssh-dss"));
	return 0;
}

void
key_file_free(struct key_file *f)
{
	buf_free(&f->pub);
	secret_free(&f->numbers);
}
