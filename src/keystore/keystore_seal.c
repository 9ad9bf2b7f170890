/*
 * Sealed files of the key store: telling their kind, sealing and unsealing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/fd.h"
#include "keystore/keystore_private.h"

/*
 * A sealed file, NAME (doc/PROTOCOL.store, section 3):
 *
 *	byte[16]	magic and version: "SALLYPORT-KEY-1\n", "SALLYPORT-PWD-1\n" or "SALLYPORT-OTP-1\n"
 *	byte[24]	nonce, random
 *	byte[]		the key, password or TOTP secret, by XChaCha20-Poly1305-IETF under the store key
 *
 * The associated data of a key is NAME; that of a password is "password\n" and NAME, of a TOTP secret
 * "totp\n" and NAME.  No name has a newline in it, so none of them opens as another, whatever the
 * first bytes are changed to.
 */
#define MAGIC_LEN 16
#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD_SIZE (MAGIC_LEN + NONCE_SIZE)
#define AD_SIZE (sizeof("password\n") + KEY_NAME_MAX)

static const struct kind {
	const char *magic;
	const char *ad; /* the associated data, in front of the name */
	/* for messages: what it is, and before and after its name how it is made */
	const char *what;
	const char *make[2];
} kinds[] = {
	[KEYSTORE_KEY] = { "SALLYPORT-KEY-1\n", "", "key", { "key generate", "" } },
	[KEYSTORE_PASSWORD] = { "SALLYPORT-PWD-1\n", "password\n", "password",
	    { "key add", " --password" } },
	[KEYSTORE_TOTP] = { "SALLYPORT-OTP-1\n", "totp\n", "TOTP secret",
	    { "totp enroll --name", "" } },
};

static enum keystore_kind
seal_kind(const void *p, size_t len)
{
	enum keystore_kind k;

	for (k = KEYSTORE_KEY; k <= KEYSTORE_TOTP; k++)
		if (len >= MAGIC_LEN && memcmp(p, kinds[k].magic, MAGIC_LEN) == 0)
			return k;
	return KEYSTORE_OTHER;
}

enum keystore_kind
keystore_file_kind(int dir, const char *name)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(dir, name, flags);
	char head[MAGIC_LEN];
	ssize_t n;

	if (fd == -1)
		return KEYSTORE_OTHER;
	n = read(fd, head, sizeof(head));
	fd_close(&fd);
	return n == -1 ? KEYSTORE_OTHER : seal_kind(head, (size_t)n);
}

void
keystore_why_exists(const struct keystore *ks, const char *name, struct reason *why)
{
	reason_set(why, "%s/%s: already exists; choose another name", ks->path, name);
}

int
keystore_read(struct keystore *ks, enum keystore_kind kind, const char *name, struct buf *file,
    struct reason *why)
{
	const struct kind *k = &kinds[kind];
	int r;

	if ((r = key_name_check(name, why)) != 0)
		return r;
	r = secret_file_read(&ks->dir, name, 077, file, why);
	if (r != ERR_NOTFOUND)
		return r;
	reason_set(why, "%s/%s: there is no such %s; make it with: sallyport %s %s%s", ks->path,
	    name, k->what, k->make[0], name, k->make[1]);
	return r;
}

static size_t
seal_associated_data(enum keystore_kind kind, const char *name, char ad[AD_SIZE])
{
	return (size_t)snprintf(ad, AD_SIZE, "%s%s", kinds[kind].ad, name);
}

int
keystore_seal(struct keystore *ks, enum keystore_kind kind, const char *name, struct secret *plain,
    struct buf *out)
{
	size_t len = secret_len(plain), ad_len;
	uint8_t nonce[NONCE_SIZE], *to;
	char ad[AD_SIZE];

	randombytes_buf(nonce, sizeof(nonce));
	buf_put(out, kinds[kind].magic, MAGIC_LEN);
	buf_put(out, nonce, sizeof(nonce));
	to = buf_reserve(out, len + TAG_SIZE);
	if (to == NULL)
		return buf_err(out);
	ad_len = seal_associated_data(kind, name, ad);
	crypto_aead_xchacha20poly1305_ietf_encrypt(to, NULL, secret_open(plain), len,
	    (const uint8_t *)ad, ad_len, NULL, nonce, secret_open(ks->key));
	secret_close(ks->key);
	secret_close(plain);
	out->len += len + TAG_SIZE;
	return buf_err(out);
}

/* The file is not of the kind that is wanted: write why.  ERR_FORMAT or ERR_ALGORITHM. */
static int
seal_other_kind(const char *path, enum keystore_kind kind, enum keystore_kind is, const char *name,
    struct reason *why)
{
	if (is == KEYSTORE_OTHER && kind == KEYSTORE_KEY)
		reason_set(why, "%s/%s: is not a sealed key; add a key with: sallyport key add",
		    path, name);
	else if (is == KEYSTORE_OTHER)
		reason_set(why, "%s/%s: is not a sealed %s; add a %s with: sallyport %s NAME%s",
		    path, name, kinds[kind].what, kinds[kind].what, kinds[kind].make[0],
		    kinds[kind].make[1]);
	else
		reason_set(why, "%s/%s: is a %s, not a %s", path, name, kinds[is].what,
		    kinds[kind].what);
	return is == KEYSTORE_OTHER ? ERR_FORMAT : ERR_ALGORITHM;
}

int
keystore_sealed_check(const char *path, enum keystore_kind kind, const char *name,
    const struct buf *file, struct reason *why)
{
	enum keystore_kind is = seal_kind(file->data, file->len);

	if (is != kind)
		return seal_other_kind(path, kind, is, name, why);
	if (file->len >= HEAD_SIZE + TAG_SIZE)
		return 0;
	reason_set(why, "%s/%s: is cut short; restore it from a copy", path, name);
	return ERR_FORMAT;
}

int
keystore_unseal(struct keystore *ks, enum keystore_kind kind, const char *name,
    const struct buf *file, struct secret **plain, struct reason *why)
{
	size_t ad_len;
	char ad[AD_SIZE];
	int bad, r;

	*plain = NULL;
	if ((r = keystore_sealed_check(ks->path, kind, name, file, why)) != 0)
		return r;
	*plain = secret_new(file->len - HEAD_SIZE - TAG_SIZE);
	if (*plain == NULL) {
		reason_set(why, "out of memory");
		return ERR_NOMEM;
	}
	ad_len = seal_associated_data(kind, name, ad);
	bad = crypto_aead_xchacha20poly1305_ietf_decrypt(secret_open(*plain), NULL, NULL,
	    file->data + HEAD_SIZE, file->len - HEAD_SIZE, (const uint8_t *)ad, ad_len,
	    file->data + MAGIC_LEN, secret_open(ks->key));
	secret_close(ks->key);
	secret_close(*plain);
	if (bad) {
		secret_free(plain);
		reason_set(why,
		    "%s/%s: is damaged, renamed or from another store; restore it from a copy",
		    ks->path, name);
		return ERR_AUTH;
	}
	return 0;
}
