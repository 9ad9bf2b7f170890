#include <string.h>

#include <sodium.h>

#include "base/secret.h"
#include "transport/key_file.h"
#include "wire/wire.h"

#define MAGIC "openssh-key-v1" /* and its NUL */
#define BLOB_MAX 16384

/* The head of OpenSSH's format (its PROTOCOL.key). */
static int
openssh_parse(struct wire *w, struct key_file *f)
{
	struct bytes magic, cipher, pub, priv;
	struct wire inner;

	magic = wire_bytes(w, sizeof(MAGIC));
	cipher = wire_string(w);
	(void)wire_string(w); /* KDF */
	(void)wire_string(w); /* its options */
	(void)wire_u32(w);    /* how many keys: libssh looks */
	pub = wire_string(w);
	priv = wire_string(w);
	wire_init(&inner, pub.p, pub.len);
	wire_text(&inner, f->type, sizeof(f->type));
	if (wire_err(w) != 0 || wire_err(&inner) != 0 || memcmp(magic.p, MAGIC, magic.len) != 0)
		return ERR_FORMAT;
	f->encrypted = !bytes_is(cipher, "none");
	if (!f->encrypted) {
		wire_init(&inner, priv.p, priv.len);
		(void)wire_u64(&inner); /* two equal numbers: they tell a right passphrase */
		if (!bytes_is(wire_string(&inner), f->type))
			return ERR_FORMAT;
	}
	buf_put(&f->pub, pub.p, pub.len);
	return buf_err(&f->pub);
}

static int
openssh_look(const char *base64, size_t len, struct key_file *f)
{
	struct secret *raw = secret_new(len); /* more than it needs */
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
		r = openssh_parse(&w, f);
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
	buf_init(&f->pub, BLOB_MAX);
	if (from != NULL) {
		from += sizeof(begin) - 1;
		to = strstr(from, end);
		return to == NULL ? ERR_FORMAT : openssh_look(from, (size_t)(to - from), f);
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
}
