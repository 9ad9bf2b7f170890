/*
 * Keys: importing, making, signing, verifying.  Ed25519 is libsodium's work; key_private.c signs
 * with RSA and ECDSA, and libssh verifies those.  Called by the keeper (host keys and mapped keys
 * to sign, signatures of clients, upstreams and authorities to verify) and by the subcommand key.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <libssh/libssh.h>
#include <libssh/buffer.h>
#include <libssh/pki.h>
#include <libssh/pki_priv.h>
#include <libssh/string.h>

#include <sodium.h>

#include "transport/key_file.h"
#include "transport/key_private.h"
#include "transport/keys.h"
#include "wire/rsa.h"

#define RSA_BITS_NEW 3072

#define KEY_TEXT_MAX 65536 /* bytes of a private key file */
#define KEY_BLOB_MAX 16384 /* bytes of a public key or a signature */

enum family {
	FAMILY_ED25519,
	FAMILY_RSA,
	FAMILY_ECDSA,
};

/* All signature algorithms.  Left out: DSA; those of certificates, for a certificate's signatures
 * are made with the plain key; ssh-rsa (SHA-1), which only key_verify_sha1() accepts. */
static const struct algorithm {
	const char *name;
	const char *type; /* of the keys that it is for */
	enum family family;
	const char *curve; /* ECDSA: its name inside the blob */
	const char *plain; /* sk-: the algorithm that the token itself signs with */
} algorithms[] = {
	{ "ssh-ed25519", "ssh-ed25519", FAMILY_ED25519, NULL, NULL },
	{ "rsa-sha2-512", "ssh-rsa", FAMILY_RSA, NULL, NULL },
	{ "rsa-sha2-256", "ssh-rsa", FAMILY_RSA, NULL, NULL },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", FAMILY_ECDSA, "nistp256", NULL },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", FAMILY_ECDSA, "nistp384", NULL },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", FAMILY_ECDSA, "nistp521", NULL },
	{ "sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519@openssh.com", FAMILY_ED25519, NULL,
	    "ssh-ed25519" },
	{ "sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", FAMILY_ECDSA,
	    "nistp256", "ecdsa-sha2-nistp256" },
};

#define NALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

static const struct algorithm *
key_algorithm(const char *name)
{
	size_t i;

	for (i = 0; i < NALGORITHMS; i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}

/* The preferred algorithm for keys of this type; NULL for unknown types and sk- keys. */
static const struct algorithm *
key_algorithm_for_type(const char *type)
{
	size_t i;

	for (i = 0; i < NALGORITHMS; i++)
		if (strcmp(algorithms[i].type, type) == 0 && algorithms[i].plain == NULL)
			return &algorithms[i];
	return NULL;
}

/* A copy of the bytes as libssh's counted string. */
static ssh_string
key_ssh_string(const void *p, size_t len)
{
	ssh_string s = ssh_string_new(len);

	if (s != NULL && ssh_string_fill(s, p, len) < 0)
		SSH_STRING_FREE(s);
	return s;
}

/* Append the message that a token signs in place of the data (OpenSSH's PROTOCOL.u2f). */
static void
key_sk_message(struct bytes application, uint8_t flags, uint32_t counter, const void *data,
    size_t len, struct buf *out)
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, application.p, application.len);
	buf_put(out, hash, sizeof(hash));
	buf_put_u8(out, flags);
	wire_put_u32(out, counter);
	crypto_hash_sha256(hash, data, len);
	buf_put(out, hash, sizeof(hash));
}

/* Verify RSA and ECDSA by libssh, from plain blobs.  Its ssh_pki_signature_verify() cannot be used,
 * for it takes the limits of a key's size from a session; rsa_check() has checked them already. */
static int
key_verify_libssh(const struct buf *blob, const struct buf *sig, const void *data, size_t len)
{
	ssh_string blob_s = NULL, sig_s = NULL;
	ssh_signature signature = NULL;
	ssh_key key = NULL;
	int r;

	if ((r = buf_err(blob)) != 0 || (r = buf_err(sig)) != 0)
		return r;
	blob_s = key_ssh_string(blob->data, blob->len);
	sig_s = key_ssh_string(sig->data, sig->len);
	if (blob_s == NULL || sig_s == NULL) {
		r = ERR_NOMEM;
		goto out;
	}
	if (ssh_pki_import_pubkey_blob(blob_s, &key) != SSH_OK) {
		r = ERR_FORMAT;
		goto out;
	}
	r = ERR_AUTH;
	if (ssh_pki_import_signature_blob(sig_s, key, &signature) != SSH_OK)
		goto out;
	if (pki_verify_data_signature(signature, key, data, len) == SSH_OK)
		r = 0;
out:
	ssh_signature_free(signature);
	ssh_key_free(key);
	SSH_STRING_FREE(sig_s);
	SSH_STRING_FREE(blob_s);
	return r;
}

static int
key_verify_ed25519(struct bytes pub, struct bytes raw, const void *data, size_t len)
{
	if (pub.len != crypto_sign_PUBLICKEYBYTES)
		return ERR_FORMAT;
	if (raw.len != crypto_sign_BYTES ||
	    crypto_sign_verify_detached(raw.p, data, len, pub.p) != 0)
		return ERR_AUTH;
	return 0;
}

/* A public key blob and a signature blob, parsed and checked. */
struct parts {
	struct bytes type;
	struct bytes first;	  /* Ed25519: the key; RSA: e; ECDSA: the curve */
	struct bytes second;	  /* RSA: n; ECDSA: Q */
	struct bytes application; /* sk-: what the key was made for, "ssh:" as a rule */
	struct bytes raw;	  /* the signature proper */
	uint8_t flags;		  /* sk-: KEY_SK_* */
	uint32_t counter;	  /* sk-: of the token's signatures */
};

static int
key_parts_get(const struct algorithm *a, struct bytes blob, struct bytes sig, struct parts *p)
{
	struct bytes name;
	struct wire w;

	*p = (struct parts){ 0 };
	if (blob.len > KEY_BLOB_MAX || sig.len > KEY_BLOB_MAX)
		return ERR_FORMAT;
	wire_init(&w, sig.p, sig.len);
	name = wire_string(&w);
	if (wire_err(&w) == 0 && !bytes_is(name, a->name))
		return ERR_ALGORITHM;
	p->raw = wire_string(&w);
	if (a->plain != NULL) {
		p->flags = wire_u8(&w);
		p->counter = wire_u32(&w);
	}
	if (wire_end(&w) != 0)
		return ERR_FORMAT;

	wire_init(&w, blob.p, blob.len);
	p->type = wire_string(&w);
	if (wire_err(&w) == 0 && !bytes_is(p->type, a->type))
		return ERR_ALGORITHM;
	p->first = wire_string(&w);
	if (a->family != FAMILY_ED25519)
		p->second = wire_string(&w);
	if (a->plain != NULL)
		p->application = wire_string(&w);
	if (wire_end(&w) != 0)
		return ERR_FORMAT;
	if (a->family == FAMILY_ECDSA && !bytes_is(p->first, a->curve))
		return ERR_FORMAT;
	return a->family == FAMILY_RSA ? rsa_check(p->first, p->second) : 0;
}

static int
key_verify_parts(const struct algorithm *a, struct bytes blob, struct bytes sig, const void *data,
    size_t len, uint8_t *sk_flags)
{
	const char *plain;
	struct buf key, signature, message;
	struct parts p;
	int r;

	*sk_flags = 0;
	if ((r = key_parts_get(a, blob, sig, &p)) != 0)
		return r;
	buf_init(&key, KEY_BLOB_MAX);
	buf_init(&signature, KEY_BLOB_MAX);
	buf_init(&message, KEY_BLOB_MAX);
	if (a->plain != NULL) {
		key_sk_message(p.application, p.flags, p.counter, data, len, &message);
		if ((r = buf_err(&message)) != 0)
			goto out;
		data = message.data;
		len = message.len;
	}
	if (a->family == FAMILY_ED25519) {
		r = key_verify_ed25519(p.first, p.raw, data, len);
	} else {
		plain = a->plain != NULL ? a->plain : a->name;
		wire_put_text(&key, a->plain != NULL ? a->plain : a->type);
		wire_put_bytes(&key, p.first);
		wire_put_bytes(&key, p.second);
		wire_put_text(&signature, plain);
		wire_put_bytes(&signature, p.raw);
		r = key_verify_libssh(&key, &signature, data, len);
	}
	if (r == 0)
		*sk_flags = p.flags;
out:
	buf_free(&message);
	buf_free(&signature);
	buf_free(&key);
	return r;
}

int
key_verify(struct bytes blob, const char *alg, struct bytes sig, const void *data, size_t len,
    uint8_t *sk_flags)
{
	const struct algorithm *a = key_algorithm(alg);

	*sk_flags = 0;
	return a == NULL ? ERR_ALGORITHM : key_verify_parts(a, blob, sig, data, len, sk_flags);
}

int
key_verify_sha1(struct bytes blob, struct bytes sig, const void *data, size_t len)
{
	static const struct algorithm rsa_sha1 = { "ssh-rsa", "ssh-rsa", FAMILY_RSA, NULL, NULL };
	uint8_t flags;

	return key_verify_parts(&rsa_sha1, blob, sig, data, len, &flags);
}

/* Sign with RSA or ECDSA. */
static int
key_sign_openssl(struct secret *priv, const struct algorithm *a, const void *data, size_t len,
    struct buf *sig)
{
	struct key_private key;
	struct buf raw;
	int r;

	if ((r = key_private_load(priv, a->type, &key)) != 0)
		return r;
	buf_init(&raw, KEY_BLOB_MAX);
	r = key_private_sign(&key, a->name, data, len, &raw);
	key_private_free(&key);
	if (r == 0) {
		wire_put_text(sig, a->name);
		wire_put_string(sig, raw.data, raw.len);
		r = buf_err(sig);
	}
	buf_free(&raw);
	return r;
}

int
key_sign(struct secret *priv, const char *type, const char *alg, const void *data, size_t len,
    struct buf *sig)
{
	static const struct algorithm pss = { KEY_RSA_PSS, "ssh-rsa", FAMILY_RSA, NULL, NULL };
	const struct algorithm *a = strcmp(alg, KEY_RSA_PSS) == 0 ? &pss : key_algorithm(alg);
	uint8_t raw[crypto_sign_BYTES];

	if (a == NULL || a->plain != NULL || strcmp(a->type, type) != 0)
		return ERR_ALGORITHM;
	if (a->family != FAMILY_ED25519)
		return key_sign_openssl(priv, a, data, len, sig);
	if (secret_len(priv) != crypto_sign_SECRETKEYBYTES)
		return ERR_FORMAT;
	crypto_sign_detached(raw, NULL, data, len, secret_open(priv));
	secret_close(priv);
	wire_put_text(sig, a->name);
	wire_put_string(sig, raw, sizeof(raw));
	return buf_err(sig);
}

static int
key_public_from_libssh(ssh_key key, struct buf *pub)
{
	ssh_string blob = NULL;

	if (ssh_pki_export_pubkey_blob(key, &blob) != SSH_OK)
		return ERR_FORMAT;
	buf_put(pub, ssh_string_data(blob), ssh_string_len(blob));
	SSH_STRING_FREE(blob);
	return buf_err(pub);
}

/* Make a libsodium secret key from the numbers of an Ed25519 key.  The public half is computed from
 * the seed and must be the one stated: a signature made with another public half gives the private
 * key away. */
static int
key_secret_from_ed25519(const uint8_t *p, size_t len, struct secret **priv)
{
	uint8_t pub[crypto_sign_PUBLICKEYBYTES];
	struct bytes stated, both;
	struct wire w;
	int r = 0;

	wire_init(&w, p, len);
	(void)wire_string(&w); /* type */
	stated = wire_string(&w);
	both = wire_string(&w);
	if (wire_end(&w) != 0 || stated.len != sizeof(pub) ||
	    both.len != crypto_sign_SECRETKEYBYTES)
		return ERR_FORMAT;
	*priv = secret_new(crypto_sign_SECRETKEYBYTES);
	if (*priv == NULL)
		return ERR_NOMEM;
	crypto_sign_seed_keypair(pub, secret_open(*priv), both.p);
	secret_close(*priv);
	if (memcmp(pub, stated.p, sizeof(pub)) != 0)
		r = ERR_FORMAT;
	if (r != 0)
		secret_free(priv);
	return r;
}

static int
key_secret_from_libssh(ssh_key key, const struct algorithm *a, struct secret **priv)
{
	ssh_string blob = NULL;
	int r = 0;

	if (ssh_pki_export_privkey_blob(key, &blob) != SSH_OK)
		return ERR_FORMAT;
	if (a->family == FAMILY_ED25519) {
		r = key_secret_from_ed25519(ssh_string_data(blob), ssh_string_len(blob), priv);
	} else {
		*priv = secret_from(ssh_string_data(blob), ssh_string_len(blob));
		if (*priv == NULL)
			r = ERR_NOMEM;
	}
	ssh_string_burn(blob);
	SSH_STRING_FREE(blob);
	return r;
}

/* Sign and verify, to check that the halves of a key belong together: otherwise no login with it
 * would succeed, and this is the time to say so. */
static int
key_try(struct secret *priv, const struct algorithm *a, const struct buf *pub)
{
	static const char probe[] = "is this a key?";
	struct buf sig;
	uint8_t flags;
	int r;

	buf_init(&sig, KEY_BLOB_MAX);
	r = key_sign(priv, a->type, a->name, probe, sizeof(probe), &sig);
	if (r == 0)
		r = key_verify(buf_bytes(pub), a->name, buf_bytes(&sig), probe, sizeof(probe),
		    &flags);
	buf_free(&sig);
	return r == ERR_AUTH || r == ERR_ALGORITHM ? ERR_FORMAT : r;
}

/* Take both halves of a key out of libssh. */
static int
key_take(ssh_key key, struct secret **priv, struct buf *pub, char type[64])
{
	const struct algorithm *a = key_algorithm_for_type(ssh_key_type_to_char(ssh_key_type(key)));
	struct buf blob;
	int r;

	if (a == NULL)
		return ERR_ALGORITHM;
	buf_init(&blob, KEY_BLOB_MAX);
	if ((r = key_public_from_libssh(key, &blob)) != 0 ||
	    (r = key_secret_from_libssh(key, a, priv)) != 0 || (r = key_try(*priv, a, &blob)) != 0)
		goto out;
	buf_put(pub, blob.data, blob.len);
	if ((r = buf_err(pub)) == 0)
		memcpy(type, a->type, strlen(a->type) + 1);
out:
	if (r != 0)
		secret_free(priv);
	buf_free(&blob);
	return r;
}

/* Take the key of a file in OpenSSH's format without a passphrase.  libssh would leave
 * copies of it in memory, and the keeper reads such files for the backend "directory". */
static int
key_take_plain(struct key_file *f, struct secret **priv, struct buf *pub, char type[64])
{
	const struct algorithm *a = key_algorithm_for_type(f->type);
	int r;

	if (a->family == FAMILY_ED25519) {
		r = key_secret_from_ed25519(secret_open(f->numbers), secret_len(f->numbers), priv);
		secret_close(f->numbers);
	} else {
		*priv = f->numbers;
		f->numbers = NULL;
		r = 0;
	}
	if (r == 0)
		r = key_try(*priv, a, &f->pub);
	if (r == 0) {
		buf_put(pub, f->pub.data, f->pub.len);
		r = buf_err(pub);
	}
	if (r == 0)
		memcpy(type, a->type, strlen(a->type) + 1);
	else
		secret_free(priv);
	return r;
}

static int
key_import_text(const char *text, const char *passphrase, struct secret **priv, struct buf *pub,
    char type[64])
{
	size_t before = pub->len;
	struct key_file f;
	ssh_key key = NULL;
	int r;

	if ((r = key_file_look(text, &f)) != 0)
		goto out;
	if (f.type[0] != '\0' && key_algorithm_for_type(f.type) == NULL) {
		memcpy(type, f.type, sizeof(f.type));
		r = ERR_ALGORITHM;
		goto out;
	}
	if (f.numbers != NULL) {
		r = key_take_plain(&f, priv, pub, type);
		goto out;
	}
	if (f.encrypted && passphrase == NULL)
		r = ERR_AUTH;
	/* "", not NULL, without a passphrase: OpenSSL would ask for one on the terminal */
	else if (ssh_pki_import_privkey_base64(text, passphrase == NULL ? "" : passphrase, NULL,
		     NULL, &key) != SSH_OK)
		r = f.encrypted ? ERR_AUTH : ERR_FORMAT;
	if (r != 0 || (r = key_take(key, priv, pub, type)) != 0)
		goto out;
	/* refuse a file whose public half is that of another key */
	if (f.pub.len > 0 &&
	    (f.pub.len != pub->len - before ||
		memcmp(f.pub.data, pub->data + before, f.pub.len) != 0)) {
		pub->len = before;
		type[0] = '\0';
		secret_free(priv);
		r = ERR_FORMAT;
	}
out:
	SSH_KEY_FREE(key);
	key_file_free(&f);
	return r;
}

int
key_import(const char *text, size_t len, const char *passphrase, struct secret **priv,
    struct buf *pub, char type[64])
{
	struct secret *copy;
	char *p;
	int r;

	*priv = NULL;
	type[0] = '\0';
	if (sodium_init() == -1)
		return ERR_BADSTATE;
	if (len > KEY_TEXT_MAX)
		return ERR_TOOBIG;
	if (len == 0 || memchr(text, '\0', len) != NULL)
		return ERR_FORMAT;
	copy = secret_new(len + 1); /* all zero, so that the copy ends with a NUL */
	if (copy == NULL)
		return ERR_NOMEM;
	p = (char *)secret_open(copy);
	memcpy(p, text, len);
	r = key_import_text(p, passphrase, priv, pub, type);
	secret_close(copy);
	secret_free(&copy);
	return r;
}

static int
key_generate_ed25519(struct secret **priv, struct buf *pub, char name[64])
{
	uint8_t raw[crypto_sign_PUBLICKEYBYTES];

	*priv = secret_new(crypto_sign_SECRETKEYBYTES);
	if (*priv == NULL)
		return ERR_NOMEM;
	crypto_sign_keypair(raw, secret_open(*priv));
	secret_close(*priv);
	wire_put_text(pub, "ssh-ed25519");
	wire_put_string(pub, raw, sizeof(raw));
	if (buf_err(pub) != 0) {
		secret_free(priv);
		return buf_err(pub);
	}
	memcpy(name, "ssh-ed25519", sizeof("ssh-ed25519"));
	return 0;
}

int
key_generate(const char *type, struct secret **priv, struct buf *pub, char name[64])
{
	ssh_key key;
	int r, rsa;

	*priv = NULL;
	name[0] = '\0';
	if (sodium_init() == -1)
		return ERR_BADSTATE;
	if (strcmp(type, "ed25519") == 0)
		return key_generate_ed25519(priv, pub, name);
	rsa = strcmp(type, "rsa") == 0;
	if (!rsa && strcmp(type, "ecdsa") != 0)
		return ERR_ALGORITHM;
	key = ssh_key_new();
	if (key == NULL)
		return ERR_NOMEM;
	/* as ssh_pki_generate(), which 0.12 deprecates in favour of a function that 0.11 lacks */
	key->type = rsa ? SSH_KEYTYPE_RSA : SSH_KEYTYPE_ECDSA_P256;
	key->type_c = ssh_key_type_to_char(key->type);
	key->flags = SSH_KEY_FLAG_PRIVATE | SSH_KEY_FLAG_PUBLIC;
	r = rsa ? pki_key_generate_rsa(key, RSA_BITS_NEW) : pki_key_generate_ecdsa(key, 256);
	r = r == SSH_OK ? key_take(key, priv, pub, name) : ERR_NOMEM;
	SSH_KEY_FREE(key);
	return r;
}
