/*
 * Private keys in the key store: adding one, its public half, and signing with it.
 */
#include <stdio.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/pubkey.h"
#include "keystore/keystore.h"
#include "keystore/keystore_private.h"
#include "base/secret_file.h"
#include "transport/keys.h"
#include "wire/wire.h"

/*
 * What is sealed of a key:
 *
 *	string	type ("ssh-ed25519")
 *	string	public key blob
 *	string	private key (transport/keys.h)
 */

/* A key, unsealed.  pub and priv point into plain, which key_close() closes. */
struct key {
	struct secret *plain;
	char type[64];
	struct bytes pub;
	struct bytes priv;
};

static void
key_close(struct key *k)
{
	if (k->plain != NULL)
		secret_close(k->plain);
	secret_free(&k->plain);
}

static int
key_parse(struct key *k)
{
	struct bytes inner;
	struct wire w, blob;

	wire_init(&w, secret_open(k->plain), secret_len(k->plain)); /* until key_close() */
	wire_text(&w, k->type, sizeof(k->type));
	k->pub = wire_string(&w);
	k->priv = wire_string(&w);
	if (wire_end(&w) != 0 || k->priv.len == 0)
		return ERR_FORMAT;
	wire_init(&blob, k->pub.p, k->pub.len);
	inner = wire_string(&blob);
	if (wire_err(&blob) != 0 || !bytes_is(inner, k->type))
		return ERR_FORMAT;
	return 0;
}

/* Unseal and parse.  The caller calls key_close() in any case. */
static int
key_open_file(struct keystore *ks, const char *name, const struct buf *file, struct key *k,
    struct reason *why)
{
	int r;

	*k = (struct key){ 0 };
	if ((r = keystore_unseal(ks, KEYSTORE_KEY, name, file, &k->plain, why)) != 0)
		return r;
	if ((r = key_parse(k)) != 0)
		reason_set(why, "%s/%s: holds no key that this version can read", ks->path, name);
	else if ((r = pubkey_check(k->pub)) != 0)
		reason_set(why, "%s/%s: %s", ks->path, name, err_str(r));
	return r;
}

/* The same for a key in the store. */
static int
key_open(struct keystore *ks, const char *name, struct key *k, struct reason *why)
{
	struct buf file;
	int r;

	*k = (struct key){ 0 };
	buf_init(&file, KEYSTORE_FILE_MAX);
	r = keystore_read(ks, KEYSTORE_KEY, name, &file, why);
	if (r == 0)
		r = key_open_file(ks, name, &file, k, why);
	buf_free(&file);
	return r;
}

/* Append the sealed file of a key to out. */
static int
key_seal(struct keystore *ks, const char *name, const char *type, struct secret *priv,
    const struct buf *pub, struct buf *out)
{
	struct secret *plain;
	struct buf head;
	uint8_t *to;
	size_t len;
	int r;

	/* The private key's own bytes go into the secret alone. */
	buf_init(&head, KEYSTORE_FILE_MAX);
	wire_put_text(&head, type);
	wire_put_string(&head, pub->data, pub->len);
	wire_put_u32(&head, (uint32_t)secret_len(priv));
	if ((r = buf_err(&head)) != 0)
		goto out;
	len = head.len + secret_len(priv);
	plain = secret_new(len);
	if (plain == NULL) {
		r = ERR_NOMEM;
		goto out;
	}
	to = secret_open(plain);
	memcpy(to, head.data, head.len);
	memcpy(to + head.len, secret_open(priv), secret_len(priv));
	secret_close(priv);
	secret_close(plain);
	r = keystore_seal(ks, KEYSTORE_KEY, name, plain, out);
	secret_free(&plain);
out:
	buf_free(&head);
	return r;
}

/* Give the key and its public half their names: both, or neither.  With replace, another key may have them,
 * and the private one changes first: it is what is used. */
static int
key_place(struct keystore *ks, const char *name, const struct buf *sealed, const struct buf *line,
    int replace, struct reason *why)
{
	char temp[SECRET_FILE_TEMP_SIZE], temp_pub[SECRET_FILE_TEMP_SIZE],
	    name_pub[KEY_NAME_MAX + 5];
	int r;

	snprintf(name_pub, sizeof(name_pub), "%s.pub", name);
	if ((r = secret_file_stage(&ks->dir, line->data, line->len, 0644, temp_pub, why)) != 0)
		return r;
	r = secret_file_stage(&ks->dir, sealed->data, sealed->len, 0600, temp, why);
	if (r == 0)
		r = secret_file_place(&ks->dir, temp, name, replace, why);
	if (r != 0) {
		unlinkat(ks->dir.fd, temp_pub, 0);
		if (r == ERR_EXISTS)
			keystore_why_exists(ks, name, why);
		return r;
	}
	r = secret_file_place(&ks->dir, temp_pub, name_pub, 1, why);
	if (r != 0 && !replace)
		unlinkat(ks->dir.fd, name, 0);
	return r;
}

static int
key_put(struct keystore *ks, const char *name, const char *type, struct secret *priv,
    const struct buf *pub, int replace, struct reason *why)
{
	struct buf sealed, line;
	int r;

	if ((r = key_name_check(name, why)) != 0)
		return r;
	buf_init(&sealed, KEYSTORE_FILE_MAX);
	buf_init(&line, KEYSTORE_FILE_MAX);
	pubkey_format(buf_bytes(pub), &line);
	buf_putf(&line, " %s\n", name);
	r = key_seal(ks, name, type, priv, pub, &sealed);
	if (r == 0)
		r = buf_err(&line);
	if (r != 0)
		reason_set(why, "%s/%s: %s", ks->path, name, err_str(r));
	else
		r = key_place(ks, name, &sealed, &line, replace, why);
	buf_free(&line);
	buf_free(&sealed);
	return r;
}

int
keystore_add(struct keystore *ks, const char *name, const char *type, struct secret *priv,
    const struct buf *pub, struct reason *why)
{
	return key_put(ks, name, type, priv, pub, 0, why);
}

int
keystore_replace(struct keystore *ks, const char *name, const char *type, struct secret *priv,
    const struct buf *pub, struct reason *why)
{
	struct stat st;

	if (key_name_ok(name) && fstatat(ks->dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    keystore_kind(ks, name) != KEYSTORE_KEY) {
		reason_set(why, "%s/%s: is not a key, and stays", ks->path, name);
		return ERR_FORMAT;
	}
	return key_put(ks, name, type, priv, pub, 1, why);
}

int
keystore_public(struct keystore *ks, const char *name, struct buf *pub, char type[64],
    struct reason *why)
{
	struct key k;
	int r;

	type[0] = '\0';
	r = key_open(ks, name, &k, why);
	if (r == 0) {
		buf_put(pub, k.pub.p, k.pub.len);
		memcpy(type, k.type, sizeof(k.type));
		if ((r = buf_err(pub)) != 0)
			reason_set(why, "%s/%s: %s", ks->path, name, err_str(r));
	}
	key_close(&k);
	return r;
}

static int
key_sign_open(struct keystore *ks, const char *name, struct key *k, const char *alg,
    const void *data, size_t len, struct buf *sig, struct reason *why)
{
	struct secret *priv;
	int r;

	if (alg == NULL)
		alg = strcmp(k->type, "ssh-rsa") == 0 ? "rsa-sha2-512" : k->type;
	priv = secret_from(k->priv.p, k->priv.len);
	r = priv == NULL ? ERR_NOMEM : key_sign(priv, k->type, alg, data, len, sig);
	if (r != 0)
		reason_set(why, "%s/%s: cannot sign with %s: %s", ks->path, name, alg, err_str(r));
	secret_free(&priv);
	return r;
}

int
keystore_load(struct keystore *ks, const char *name, struct secret **priv, struct buf *pub,
    char type[64], struct reason *why)
{
	struct key k;
	int r;

	*priv = NULL;
	r = key_open(ks, name, &k, why);
	if (r == 0) {
		memcpy(type, k.type, sizeof(k.type));
		buf_put(pub, k.pub.p, k.pub.len);
		*priv = secret_from(k.priv.p, k.priv.len);
		r = *priv == NULL ? ERR_NOMEM : buf_err(pub);
		if (r != 0) {
			secret_free(priv);
			reason_set(why, "%s/%s: %s", ks->path, name, err_str(r));
		}
	}
	key_close(&k);
	return r;
}

int
keystore_take(struct keystore *ks, const char *name, struct buf *sealed, struct reason *why)
{
	return keystore_read(ks, KEYSTORE_KEY, name, sealed, why);
}

int
keystore_sign_with(struct keystore *ks, const char *name, const struct buf *sealed, const char *alg,
    const void *data, size_t len, struct buf *sig, struct reason *why)
{
	struct key k;
	int r;

	r = key_open_file(ks, name, sealed, &k, why);
	if (r == 0)
		r = key_sign_open(ks, name, &k, alg, data, len, sig, why);
	key_close(&k);
	return r;
}
