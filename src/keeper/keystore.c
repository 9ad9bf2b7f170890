#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "auth/pubkey.h"
#include "base/fd.h"
#include "base/log.h"
#include "keeper/keystore.h"
#include "keeper/safefile.h"
#include "keeper/unlock.h"
#include "transport/keys.h"
#include "wire/wire.h"

/*
 * A sealed key, keys/NAME:
 *
 *	byte[16]	"SALLYPORT-KEY-1\n"
 *	byte[24]	nonce
 *	byte[]		XChaCha20-Poly1305-IETF under the store key, NAME being the
 *			associated data, of
 *		string	type ("ssh-ed25519")
 *		string	public key blob
 *		string	private key (transport/keys.h)
 *
 * For .store see unlock.c.
 */
#define KEY_MAGIC "SALLYPORT-KEY-1\n"
#define KEY_MAGIC_LEN (sizeof(KEY_MAGIC) - 1)
#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE crypto_aead_xchacha20poly1305_ietf_ABYTES
#define KEY_FILE_MAX KEYSTORE_FILE_MAX
#define NAME_MAX_LEN 64
#define STORE_NAME ".store"

struct keystore {
	unsigned int refs;
	char *path;
	char *unlock; /* the spec it was opened with */
	struct safedir dir;
	struct secret *key; /* the store key */
};

/* A key, unsealed.  The bytes are in plain, which is open meanwhile. */
struct key {
	struct secret *plain;
	char type[64];
	struct bytes pub;
	struct bytes priv;
};

void
keystore_why_set(struct keystore_why *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
}

int
keystore_name_ok(const char *name)
{
	size_t len = strspn(name,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	    "._@+-");

	if (len == 0 || len > NAME_MAX_LEN || name[len] != '\0')
		return 0;
	if (name[0] == '.' || name[0] == '-')
		return 0;
	return len < 4 || strcmp(name + len - 4, ".pub") != 0;
}

static int
name_check(const char *name, struct keystore_why *why)
{
	char shown[80];

	if (keystore_name_ok(name))
		return 0;
	keystore_why_set(why,
	    "\"%s\" cannot be the name of a key: 1 to %d of A-Z a-z 0-9 . _ @ + -, not starting "
	    "with . or -, not ending in .pub",
	    log_vis(shown, sizeof(shown), name, strlen(name)), NAME_MAX_LEN);
	return ERR_FORMAT;
}

/* --- the store ------------------------------------------------------------- */

/* Read .store and unlock it. */
static int
store_unlock(struct keystore *ks, struct keystore_why *why)
{
	char shown[512];
	struct buf store;
	int r;

	buf_init(&store, UNLOCK_FILE_MAX);
	snprintf(shown, sizeof(shown), "%s/" STORE_NAME, ks->path);
	r = safefile_read(&ks->dir, STORE_NAME, 077, &store, why);
	if (r == 0)
		r = unlock_unwrap(ks->unlock, &ks->dir, &store, shown, &ks->key, why);
	buf_free(&store);
	return r;
}

/* Wrap key under spec and write .store. */
static int
store_write(struct keystore *ks, const char *spec, struct secret *key, int replace,
    struct keystore_why *why)
{
	struct buf store;
	int made, r;

	if ((r = unlock_make_file(spec, &ks->dir, &made, why)) != 0)
		return r;
	buf_init(&store, UNLOCK_FILE_MAX);
	r = unlock_wrap(spec, &ks->dir, key, &store, why);
	if (r == 0)
		r = safefile_write(&ks->dir, STORE_NAME, store.data, store.len, 0600, replace, why);
	buf_free(&store);
	/* A file that locks nothing is no use; but if somebody else made a store
	 * in this moment, it may be what locks theirs. */
	if (r != 0 && r != ERR_EXISTS && made)
		unlock_remove_file(spec);
	return r;
}

/* A store key for a directory that has none.  Sealed keys without one are a
 * store that has lost it: another would not open them. */
static int
store_create(struct keystore *ks, struct keystore_why *why)
{
	struct strlist names = { 0 };
	struct secret *key;
	int r;

	if ((r = keystore_list(ks, &names, why)) != 0)
		return r;
	if (names.n > 0) {
		keystore_why_set(why,
		    "%s/" STORE_NAME ": is missing, and the keys (%s%s) cannot be "
		    "opened without it; restore it, or move the keys away",
		    ks->path, names.v[0], names.n > 1 ? ", ..." : "");
		strlist_free(&names);
		return ERR_BADSTATE;
	}
	key = secret_new(UNLOCK_KEY_SIZE);
	if (key == NULL) {
		keystore_why_set(why, "out of memory");
		return ERR_NOMEM;
	}
	randombytes_buf(secret_open(key), UNLOCK_KEY_SIZE);
	secret_close(key);
	r = store_write(ks, ks->unlock, key, 0, why);
	if (r != 0) {
		secret_free(&key);
		/* Made by another process since we looked: that is the one. */
		return r == ERR_EXISTS ? store_unlock(ks, why) : r;
	}
	ks->key = key;
	return 0;
}

static int
store_open(struct keystore *ks, int create, struct keystore_why *why)
{
	int r;

	if (create && mkdir(ks->path, 0700) == -1 && errno != EEXIST) {
		keystore_why_set(why, "%s: cannot be made: %s", ks->path, strerror(errno));
		return ERR_SYS;
	}
	r = safedir_open(ks->path, &ks->dir, why);
	if (r == 0)
		r = store_unlock(ks, why);
	if (r != ERR_NOTFOUND)
		return r;
	if (create)
		return store_create(ks, why);
	keystore_why_set(why,
	    "%s: there is no key store yet; make one with: sallyport key generate", ks->path);
	return ERR_NOTFOUND;
}

int
keystore_open(const char *path, const char *unlock, int create, struct keystore **out,
    struct keystore_why *why)
{
	struct keystore *ks;
	int r;

	*out = NULL;
	why->text[0] = '\0';
	if (sodium_init() == -1) {
		keystore_why_set(why, "libsodium cannot start");
		return ERR_BADSTATE;
	}
	ks = calloc(1, sizeof(*ks));
	if (ks != NULL) {
		ks->refs = 1;
		ks->dir.fd = -1;
		ks->path = strdup(path);
		ks->unlock = strdup(unlock);
	}
	if (ks == NULL || ks->path == NULL || ks->unlock == NULL) {
		keystore_why_set(why, "out of memory");
		r = ERR_NOMEM;
	} else {
		r = store_open(ks, create, why);
	}
	if (r != 0)
		keystore_free(&ks);
	*out = ks;
	return r;
}

struct keystore *
keystore_ref(struct keystore *ks)
{
	ks->refs++;
	return ks;
}

void
keystore_free(struct keystore **ks)
{
	if (*ks == NULL)
		return;
	if (--(*ks)->refs > 0) {
		*ks = NULL;
		return;
	}
	secret_free(&(*ks)->key);
	safedir_close(&(*ks)->dir);
	free((*ks)->unlock);
	free((*ks)->path);
	free(*ks);
	*ks = NULL;
}

int
keystore_rewrap(struct keystore *ks, const char *unlock, struct keystore_why *why)
{
	char *copy = strdup(unlock);
	int r;

	if (copy == NULL) {
		keystore_why_set(why, "out of memory");
		return ERR_NOMEM;
	}
	if ((r = store_write(ks, unlock, ks->key, 1, why)) != 0) {
		free(copy);
		return r;
	}
	free(ks->unlock);
	ks->unlock = copy;
	return 0;
}

/* --- keys ------------------------------------------------------------------ */

static void
key_close(struct key *k)
{
	if (k->plain != NULL)
		secret_close(k->plain);
	secret_free(&k->plain);
}

/* Take the plaintext apart. */
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

static int
key_unseal(struct keystore *ks, const char *name, const struct buf *file, struct key *k,
    struct keystore_why *why)
{
	size_t head = KEY_MAGIC_LEN + NONCE_SIZE;
	const uint8_t *nonce = file->data + KEY_MAGIC_LEN;
	int bad;

	if (file->len < KEY_MAGIC_LEN || memcmp(file->data, KEY_MAGIC, KEY_MAGIC_LEN) != 0) {
		keystore_why_set(why,
		    "%s/%s: is not a sealed key; bring a key in with: sallyport "
		    "key add",
		    ks->path, name);
		return ERR_FORMAT;
	}
	if (file->len < head + TAG_SIZE) {
		keystore_why_set(why, "%s/%s: is cut short; restore it from a copy", ks->path,
		    name);
		return ERR_FORMAT;
	}
	k->plain = secret_new(file->len - head - TAG_SIZE);
	if (k->plain == NULL) {
		keystore_why_set(why, "out of memory");
		return ERR_NOMEM;
	}
	bad = crypto_aead_xchacha20poly1305_ietf_decrypt(secret_open(k->plain), NULL, NULL,
	    file->data + head, file->len - head, (const uint8_t *)name, strlen(name), nonce,
	    secret_open(ks->key));
	secret_close(ks->key);
	secret_close(k->plain);
	if (bad) {
		secret_free(&k->plain);
		keystore_why_set(why,
		    "%s/%s: is damaged, renamed or from another store; restore it from a copy",
		    ks->path, name);
		return ERR_AUTH;
	}
	return 0;
}

/* The sealed bytes of a key, to the end of file. */
static int
key_read(struct keystore *ks, const char *name, struct buf *file, struct keystore_why *why)
{
	int r;

	if ((r = name_check(name, why)) != 0)
		return r;
	r = safefile_read(&ks->dir, name, 077, file, why);
	if (r == ERR_NOTFOUND)
		keystore_why_set(why,
		    "%s/%s: there is no such key; make it with: sallyport key generate %s",
		    ks->path, name, name);
	return r;
}

/* Unseal and parse: key_close() it in any case. */
static int
key_open_file(struct keystore *ks, const char *name, const struct buf *file, struct key *k,
    struct keystore_why *why)
{
	int r;

	*k = (struct key){ 0 };
	if ((r = key_unseal(ks, name, file, k, why)) != 0)
		return r;
	if ((r = key_parse(k)) != 0)
		keystore_why_set(why, "%s/%s: holds no key that this version knows", ks->path,
		    name);
	return r;
}

/* Read and unseal a key; the caller closes it, also after a failure. */
static int
key_open(struct keystore *ks, const char *name, struct key *k, struct keystore_why *why)
{
	struct buf file;
	int r;

	*k = (struct key){ 0 };
	buf_init(&file, KEY_FILE_MAX);
	r = key_read(ks, name, &file, why);
	if (r == 0)
		r = key_open_file(ks, name, &file, k, why);
	buf_free(&file);
	return r;
}

/* The sealed file of a key, put together in a secret and encrypted into out. */
static int
key_seal(struct keystore *ks, const char *name, const char *type, struct secret *priv,
    const struct buf *pub, struct buf *out)
{
	uint8_t nonce[NONCE_SIZE], *to;
	struct secret *plain;
	struct buf head;
	size_t len;
	int r;

	/* All but the private key's bytes, which are put into the secret alone. */
	buf_init(&head, KEY_FILE_MAX);
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
	memcpy(secret_open(plain), head.data, head.len);
	memcpy(secret_open(plain) + head.len, secret_open(priv), secret_len(priv));
	secret_close(priv);
	randombytes_buf(nonce, sizeof(nonce));
	buf_put(out, KEY_MAGIC, KEY_MAGIC_LEN);
	buf_put(out, nonce, sizeof(nonce));
	to = buf_reserve(out, len + TAG_SIZE);
	if (to != NULL) {
		crypto_aead_xchacha20poly1305_ietf_encrypt(to, NULL, secret_open(plain), len,
		    (const uint8_t *)name, strlen(name), NULL, nonce, secret_open(ks->key));
		secret_close(ks->key);
		out->len += len + TAG_SIZE;
	}
	secret_free(&plain);
	r = buf_err(out);
out:
	buf_free(&head);
	return r;
}

/* Put the key and its public half in place: both, or neither. */
static int
key_place(struct keystore *ks, const char *name, const struct buf *sealed, const struct buf *line,
    struct keystore_why *why)
{
	char temp[SAFEFILE_TEMP_SIZE], temp_pub[SAFEFILE_TEMP_SIZE], name_pub[NAME_MAX_LEN + 5];
	int r;

	snprintf(name_pub, sizeof(name_pub), "%s.pub", name);
	if ((r = safefile_stage(&ks->dir, line->data, line->len, 0644, temp_pub, why)) != 0)
		return r;
	r = safefile_stage(&ks->dir, sealed->data, sealed->len, 0600, temp, why);
	if (r == 0)
		r = safefile_place(&ks->dir, temp, name, 0, why);
	if (r != 0) {
		unlinkat(ks->dir.fd, temp_pub, 0);
		if (r == ERR_EXISTS)
			keystore_why_set(why,
			    "%s/%s: exists already; choose another name, or: sallyport key remove %s",
			    ks->path, name, name);
		return r;
	}
	r = safefile_place(&ks->dir, temp_pub, name_pub, 1, why);
	if (r != 0)
		unlinkat(ks->dir.fd, name, 0);
	return r;
}

int
keystore_add(struct keystore *ks, const char *name, const char *type, struct secret *priv,
    const struct buf *pub, struct keystore_why *why)
{
	struct buf sealed, line;
	int r;

	if ((r = name_check(name, why)) != 0)
		return r;
	buf_init(&sealed, KEY_FILE_MAX);
	buf_init(&line, KEY_FILE_MAX);
	pubkey_format((struct bytes){ pub->data, pub->len }, &line);
	buf_putf(&line, " %s\n", name);
	r = key_seal(ks, name, type, priv, pub, &sealed);
	if (r == 0)
		r = buf_err(&line);
	if (r != 0)
		keystore_why_set(why, "%s/%s: %s", ks->path, name, err_str(r));
	else
		r = key_place(ks, name, &sealed, &line, why);
	buf_free(&line);
	buf_free(&sealed);
	return r;
}

/* Is it a key of ours, sound or not?  By its first bytes, or by the public half
 * beside it: then it has been one. */
static int
key_is_ours(struct keystore *ks, const char *name)
{
	char head[KEY_MAGIC_LEN], name_pub[NAME_MAX_LEN + 5];
	struct stat st;
	int fd, ours;

	snprintf(name_pub, sizeof(name_pub), "%s.pub", name);
	if (fstatat(ks->dir.fd, name_pub, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	fd = openat(ks->dir.fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	ours = read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
	    memcmp(head, KEY_MAGIC, sizeof(head)) == 0;
	fd_close(&fd);
	return ours;
}

int
keystore_remove(struct keystore *ks, const char *name, struct keystore_why *why)
{
	char name_pub[NAME_MAX_LEN + 5];
	int r;

	if ((r = name_check(name, why)) != 0)
		return r;
	if (faccessat(ks->dir.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT) {
		keystore_why_set(why, "%s/%s: there is no such key; see: sallyport key list",
		    ks->path, name);
		return ERR_NOTFOUND;
	}
	if (!key_is_ours(ks, name)) {
		keystore_why_set(why, "%s/%s: is not a sealed key and stays", ks->path, name);
		return ERR_FORMAT;
	}
	/* The public half last: while it is there, the key counts as one. */
	snprintf(name_pub, sizeof(name_pub), "%s.pub", name);
	if (unlinkat(ks->dir.fd, name, 0) == -1 ||
	    (unlinkat(ks->dir.fd, name_pub, 0) == -1 && errno != ENOENT)) {
		keystore_why_set(why, "%s/%s: cannot be removed: %s", ks->path, name,
		    strerror(errno));
		return ERR_SYS;
	}
	(void)fsync(ks->dir.fd);
	return 0;
}

static int
name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
keystore_list(struct keystore *ks, struct strlist *names, struct keystore_why *why)
{
	int fd = openat(ks->dir.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		keystore_why_set(why, "%s: %s", ks->path, strerror(errno));
		fd_close(&fd);
		return ERR_SYS;
	}
	while (r == 0 && (e = readdir(d)) != NULL) {
		if (keystore_name_ok(e->d_name) && key_is_ours(ks, e->d_name))
			r = strlist_add(names, e->d_name, strlen(e->d_name));
	}
	closedir(d);
	if (r != 0)
		keystore_why_set(why, "%s: %s", ks->path, err_str(r));
	else if (names->n > 1)
		qsort(names->v, names->n, sizeof(*names->v), name_compare);
	return r;
}

int
keystore_public(struct keystore *ks, const char *name, struct buf *pub, char type[64],
    struct keystore_why *why)
{
	struct key k;
	int r;

	type[0] = '\0';
	r = key_open(ks, name, &k, why);
	if (r == 0) {
		buf_put(pub, k.pub.p, k.pub.len);
		memcpy(type, k.type, sizeof(k.type));
		if ((r = buf_err(pub)) != 0)
			keystore_why_set(why, "%s/%s: %s", ks->path, name, err_str(r));
	}
	key_close(&k);
	return r;
}

/* Sign with what is open, or say why it is not. */
static int
sign_open(struct keystore *ks, const char *name, struct key *k, const char *alg, const void *data,
    size_t len, struct buf *sig, struct keystore_why *why)
{
	struct secret *priv;
	int r;

	if (alg == NULL)
		alg = strcmp(k->type, "ssh-rsa") == 0 ? "rsa-sha2-512" : k->type;
	priv = secret_from(k->priv.p, k->priv.len);
	r = priv == NULL ? ERR_NOMEM : key_sign(priv, k->type, alg, data, len, sig);
	if (r != 0)
		keystore_why_set(why, "%s/%s: cannot sign with %s: %s", ks->path, name, alg,
		    err_str(r));
	secret_free(&priv);
	return r;
}

int
keystore_sign(struct keystore *ks, const char *name, const char *alg, const void *data, size_t len,
    struct buf *sig, struct keystore_why *why)
{
	struct key k;
	int r;

	r = key_open(ks, name, &k, why);
	if (r == 0)
		r = sign_open(ks, name, &k, alg, data, len, sig, why);
	key_close(&k);
	return r;
}

int
keystore_take(struct keystore *ks, const char *name, struct buf *sealed, struct keystore_why *why)
{
	return key_read(ks, name, sealed, why);
}

int
keystore_sign_with(struct keystore *ks, const char *name, const struct buf *sealed, const char *alg,
    const void *data, size_t len, struct buf *sig, struct keystore_why *why)
{
	struct key k;
	int r;

	r = key_open_file(ks, name, sealed, &k, why);
	if (r == 0)
		r = sign_open(ks, name, &k, alg, data, len, sig, why);
	key_close(&k);
	return r;
}
