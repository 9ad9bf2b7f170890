/*
 * The lock of a key store: .store, which holds the wrapped store key, and the file, credential
 * or passphrase that unwraps it.  keystore.c calls this.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/log.h"
#include "base/names.h"
#include "base/readpass.h"
#include "base/secret_file.h"
#include "keystore/unlock.h"
#include "wire/wire.h"

/*
 * .store (doc/PROTOCOL.store, section 1), integers and strings as in RFC 4251:
 *
 *	byte[18]	magic and version: "SALLYPORT-STORE-1\n"
 *	string		key derivation: "blake2b" (file, credential) or "argon2id" (passphrase)
 *	string		salt, 16 bytes
 *	uint64		argon2id: operations; else 0
 *	uint64		argon2id: bytes of memory; else 0
 *	string		nonce, 24 bytes
 *	string		the 32-byte store key, by XChaCha20-Poly1305-IETF
 *
 * The associated data is everything before the nonce.  The wrapping key is BLAKE2b-256, keyed with
 * the salt, of the file without the newline at its end; or Argon2id 1.3 of the passphrase.
 */
#define STORE_MAGIC "SALLYPORT-STORE-1\n"
#define STORE_MAGIC_LEN (sizeof(STORE_MAGIC) - 1)
#define SALT_SIZE crypto_pwhash_SALTBYTES
#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE crypto_aead_xchacha20poly1305_ietf_ABYTES

/* New stores take half a second and 128 MiB, which a small machine has.  A .store that asks
 * for more than the limits is refused: starting would look like hanging. */
#define OPS_NEW 4
#define MEM_NEW (128ULL << 20)
#define OPS_MAX 20
#define MEM_MAX (1ULL << 30)

enum source {
	SOURCE_FILE,
	SOURCE_CREDENTIAL,
	SOURCE_PASSPHRASE,
};

struct spec {
	enum source source;
	const char *kdf;
	char *dir;	  /* directory of the file or credential */
	const char *name; /* in that directory; points into the text of the spec */
	const struct secret_dir *store;
};

struct lock {
	uint8_t salt[SALT_SIZE];
	uint64_t ops;
	uint64_t mem;
};

static void
unlock_spec_free(struct spec *s)
{
	free(s->dir);
	s->dir = NULL;
}

static int
unlock_spec_file(struct spec *s, const char *path)
{
	s->source = SOURCE_FILE;
	s->name = path_name(path);
	s->dir = path_dir(path);
	return s->dir == NULL ? ERR_NOMEM : 0;
}

static int
unlock_spec_credential(struct spec *s, const char *name, struct reason *why)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	s->source = SOURCE_CREDENTIAL;
	s->name = name;
	if (dir == NULL || dir[0] != '/') {
		reason_set(why,
		    "Unlock = credential:%s: no credentials were passed ($CREDENTIALS_DIRECTORY is "
		    "not set); add LoadCredential=%s:PATH to the systemd unit",
		    name, name);
		return ERR_NOTFOUND;
	}
	s->dir = strdup(dir);
	return s->dir == NULL ? ERR_NOMEM : 0;
}

static int
unlock_spec_parse(const char *text, const struct secret_dir *store, struct spec *s,
    struct reason *why)
{
	char shown[128];
	int r = ERR_CONFIG;

	*s = (struct spec){ .kdf = "blake2b", .store = store };
	if (strcmp(text, "passphrase") == 0) {
		s->source = SOURCE_PASSPHRASE;
		s->kdf = "argon2id";
		return 0;
	}
	if (strncmp(text, "file:", 5) == 0 && text[5] != '\0' && text[strlen(text) - 1] != '/')
		r = unlock_spec_file(s, text + 5);
	else if (strncmp(text, "credential:", 11) == 0 && text[11] != '\0' && text[11] != '.' &&
	    strchr(text, '/') == NULL)
		r = unlock_spec_credential(s, text + 11, why);
	if (r == ERR_CONFIG)
		reason_set(why, "Unlock: \"%s\" is not file:PATH, credential:NAME or passphrase",
		    log_vis(shown, sizeof(shown), text, strlen(text)));
	else if (r == ERR_NOMEM)
		reason_set(why, "out of memory");
	return r;
}

/* Open the directory of the file.  Its files may belong to the owner of the store. */
static int
unlock_spec_open_dir(const struct spec *s, struct secret_dir *dir, struct reason *why)
{
	int r;

	if ((r = secret_dir_open(s->dir, dir, why)) != 0)
		return r;
	dir->uid = s->store->uid;
	dir->gid = s->store->gid;
	return 0;
}

/* Append the file without its last newline.  The caller wipes out. */
static int
unlock_read_file(const struct spec *s, struct buf *out, struct reason *why)
{
	/* systemd lets the user of the service read a credential by an ACL, which shows as a
	 * group bit. */
	mode_t refused = s->source == SOURCE_CREDENTIAL ? 07 : 077;
	struct secret_dir dir;
	int r;

	if ((r = unlock_spec_open_dir(s, &dir, why)) != 0)
		return r;
	r = secret_file_read(&dir, s->name, refused, out, why);
	secret_dir_close(&dir);
	if (r != 0)
		return r;
	if (out->len > 0 && out->data[out->len - 1] == '\n')
		out->len--;
	if (out->len > 0 && out->data[out->len - 1] == '\r')
		out->len--;
	if (out->len < UNLOCK_SECRET_MIN) {
		reason_set(why,
		    "%s/%s: holds %zu bytes, which can be guessed; %d are needed, such as those "
		    "of: openssl rand -hex 32",
		    s->dir, s->name, out->len, UNLOCK_SECRET_MIN);
		return ERR_FORMAT;
	}
	return 0;
}

int
unlock_at_hand(const char *spec)
{
	const struct secret_dir none = { .fd = -1 };
	struct reason why;
	char *path = NULL;
	struct spec s;
	int there;

	if (strncmp(spec, "credential:", 11) != 0)
		return strcmp(spec, "passphrase") != 0;
	there = unlock_spec_parse(spec, &none, &s, &why) == 0 &&
	    asprintf(&path, "%s/%s", s.dir, s.name) != -1 && access(path, F_OK) == 0;
	free(path);
	unlock_spec_free(&s);
	return there;
}

static int
unlock_derive_file(const struct spec *s, const struct lock *lock, struct secret *key,
    struct reason *why)
{
	struct buf contents;
	int r;

	buf_init(&contents, UNLOCK_FILE_MAX);
	r = unlock_read_file(s, &contents, why);
	if (r == 0) {
		if (crypto_generichash(secret_open(key), UNLOCK_KEY_SIZE, contents.data,
			contents.len, lock->salt, SALT_SIZE) != 0)
			r = ERR_BADSTATE;
		secret_close(key);
	}
	buf_wipe(&contents);
	return r;
}

static int
unlock_passphrase(int choose, struct secret **text, struct reason *why)
{
	int r;

	if (choose)
		r = readpass_new("New passphrase of the key store: ", text);
	else
		r = readpass("Passphrase of the key store: ", text);
	if (r != 0) {
		reason_set(why, "the key store's passphrase could not be read: %s",
		    r == ERR_EOF ? "end of input" : err_str(r));
	} else if (choose && secret_len(*text) - 1 < UNLOCK_PASSPHRASE_MIN) {
		reason_set(why, "a passphrase for the key store needs %d characters or more",
		    UNLOCK_PASSPHRASE_MIN);
		secret_free(text);
		r = ERR_FORMAT;
	}
	return r;
}

static int
unlock_derive_passphrase(const struct lock *lock, int choose, struct secret *key,
    struct reason *why)
{
	struct secret *text;
	int r;

	if ((r = unlock_passphrase(choose, &text, why)) != 0)
		return r;
	r = crypto_pwhash(secret_open(key), UNLOCK_KEY_SIZE, (const char *)secret_open(text),
	    secret_len(text) - 1, lock->salt, lock->ops, (size_t)lock->mem,
	    crypto_pwhash_ALG_ARGON2ID13);
	secret_close(text);
	secret_close(key);
	secret_free(&text);
	if (r != 0) {
		reason_set(why, "not enough memory to try the passphrase (%llu MiB)",
		    (unsigned long long)lock->mem >> 20);
		return ERR_NOMEM;
	}
	return 0;
}

/* Derive the wrapping key.  choose: ask for a new passphrase, twice. */
static int
unlock_derive(const struct spec *s, const struct lock *lock, int choose, struct secret **out,
    struct reason *why)
{
	int r;

	*out = secret_new(UNLOCK_KEY_SIZE);
	if (*out == NULL) {
		reason_set(why, "out of memory");
		return ERR_NOMEM;
	}
	if (s->source == SOURCE_PASSPHRASE)
		r = unlock_derive_passphrase(lock, choose, *out, why);
	else
		r = unlock_derive_file(s, lock, *out, why);
	if (r != 0)
		secret_free(out);
	return r;
}

int
unlock_make_file(const char *spec, const struct secret_dir *store, int *made, struct reason *why)
{
	uint8_t raw[32];
	char text[sizeof(raw) * 2 + 1];
	struct secret_dir dir;
	struct spec s;
	int r;

	*made = 0;
	if ((r = unlock_spec_parse(spec, store, &s, why)) != 0)
		return r;
	if (s.source == SOURCE_FILE) {
		if ((r = unlock_spec_open_dir(&s, &dir, why)) == 0) {
			if (faccessat(dir.fd, s.name, F_OK, AT_SYMLINK_NOFOLLOW) == -1 &&
			    errno == ENOENT) {
				randombytes_buf(raw, sizeof(raw));
				sodium_bin2hex(text, sizeof(text), raw, sizeof(raw));
				text[sizeof(text) - 1] = '\n';
				r = secret_file_write(&dir, s.name, text, sizeof(text), 0600, 0,
				    why);
				explicit_bzero(raw, sizeof(raw));
				explicit_bzero(text, sizeof(text));
				*made = r == 0;
				if (r == ERR_EXISTS) /* another process has made one */
					r = 0;
			}
			secret_dir_close(&dir);
		}
	}
	unlock_spec_free(&s);
	return r;
}

void
unlock_remove_file(const char *spec)
{
	if (strncmp(spec, "file:", 5) == 0)
		(void)unlink(spec + 5);
}

int
unlock_wrap(const char *spec, const struct secret_dir *store, struct secret *key, struct buf *out,
    struct reason *why)
{
	uint8_t nonce[NONCE_SIZE], wrapped[UNLOCK_KEY_SIZE + TAG_SIZE];
	struct secret *under = NULL;
	struct lock lock = { .ops = 0 };
	struct spec s;
	int r;

	if ((r = unlock_spec_parse(spec, store, &s, why)) != 0)
		return r;
	randombytes_buf(lock.salt, sizeof(lock.salt));
	randombytes_buf(nonce, sizeof(nonce));
	if (s.source == SOURCE_PASSPHRASE) {
		lock.ops = OPS_NEW;
		lock.mem = MEM_NEW;
	}
	if ((r = unlock_derive(&s, &lock, 1, &under, why)) != 0)
		goto out;
	buf_put(out, STORE_MAGIC, STORE_MAGIC_LEN);
	wire_put_text(out, s.kdf);
	wire_put_string(out, lock.salt, sizeof(lock.salt));
	wire_put_u64(out, lock.ops);
	wire_put_u64(out, lock.mem);
	if ((r = buf_err(out)) == 0) {
		crypto_aead_xchacha20poly1305_ietf_encrypt(wrapped, NULL, secret_open(key),
		    UNLOCK_KEY_SIZE, out->data, out->len, NULL, nonce, secret_open(under));
		secret_close(under);
		secret_close(key);
		wire_put_string(out, nonce, sizeof(nonce));
		wire_put_string(out, wrapped, sizeof(wrapped));
		r = buf_err(out);
	}
	if (r != 0)
		reason_set(why, "out of memory");
out:
	secret_free(&under);
	unlock_spec_free(&s);
	return r;
}

/* The parts of a .store; they point into it. */
struct wrapped {
	struct bytes head; /* the associated data */
	struct bytes kdf;
	struct lock lock;
	struct bytes nonce;
	struct bytes box;
};

static int
unlock_parse(const struct buf *store, const char *shown, struct wrapped *x, struct reason *why)
{
	struct bytes salt;
	struct wire w;

	wire_init(&w, store->data, store->len);
	if (!bytes_is(wire_bytes(&w, STORE_MAGIC_LEN), STORE_MAGIC)) {
		reason_set(why,
		    "%s: does not belong to a sallyport key store; restore it from a copy", shown);
		return ERR_FORMAT;
	}
	x->kdf = wire_string(&w);
	salt = wire_string(&w);
	x->lock.ops = wire_u64(&w);
	x->lock.mem = wire_u64(&w);
	x->head = (struct bytes){ store->data, store->len - w.left };
	x->nonce = wire_string(&w);
	x->box = wire_string(&w);
	if (wire_end(&w) != 0 || salt.len != SALT_SIZE || x->nonce.len != NONCE_SIZE ||
	    x->box.len != UNLOCK_KEY_SIZE + TAG_SIZE ||
	    (!bytes_is(x->kdf, "blake2b") && !bytes_is(x->kdf, "argon2id"))) {
		reason_set(why, "%s: is damaged; restore it from a copy", shown);
		return ERR_FORMAT;
	}
	memcpy(x->lock.salt, salt.p, SALT_SIZE);
	if (bytes_is(x->kdf, "argon2id") &&
	    (x->lock.ops < crypto_pwhash_OPSLIMIT_MIN || x->lock.ops > OPS_MAX ||
		x->lock.mem < crypto_pwhash_MEMLIMIT_MIN || x->lock.mem > MEM_MAX)) {
		reason_set(why,
		    "%s: its passphrase would take more work than sallyport ever asks for; "
		    "restore it from a copy",
		    shown);
		return ERR_TOOBIG;
	}
	return 0;
}

static void
unlock_mismatch(const struct spec *s, const char *spec, const char *shown, struct reason *why)
{
	if (s->source == SOURCE_PASSPHRASE)
		reason_set(why,
		    "%s: wrong passphrase; if it is right, the file has been changed: restore it",
		    shown);
	else
		reason_set(why,
		    "%s: %s does not unlock it; restore the contents of that file, or set "
		    "Unlock to what `sallyport key rewrap` was last given",
		    shown, spec);
}

static int
unlock_check_kdf(const char *spec, const struct wrapped *x, const char *shown, struct reason *why)
{
	int wanted = strcmp(spec, "passphrase") == 0, is = bytes_is(x->kdf, "argon2id");

	if (wanted == is)
		return 0;
	reason_set(why, "%s: is locked with a %s, not with %s; %s", shown,
	    is ? "passphrase" : "file or credential", wanted ? "a passphrase" : spec,
	    is ? "set Unlock = passphrase" : "set Unlock to that again");
	return ERR_AUTH;
}

int
unlock_look(const char *spec, const struct buf *in, const char *shown, struct reason *why)
{
	struct wrapped x;
	int r;

	r = unlock_parse(in, shown, &x, why);
	return r != 0 ? r : unlock_check_kdf(spec, &x, shown, why);
}

static int
unlock_open(const struct spec *s, const char *spec, const struct wrapped *x, const char *shown,
    struct secret **key, struct reason *why)
{
	struct secret *under;
	int r;

	if ((r = unlock_check_kdf(spec, x, shown, why)) != 0)
		return r;
	r = unlock_derive(s, &x->lock, 0, &under, why);
	if (r == ERR_NOTFOUND) { /* ERR_NOTFOUND would mean that there is no store */
		if (s->source == SOURCE_FILE)
			reason_set(why,
			    "%s: is locked with a file, and %s is not there; restore it", shown,
			    spec);
		r = ERR_AUTH;
	}
	if (r != 0)
		return r;
	*key = secret_new(UNLOCK_KEY_SIZE);
	if (*key == NULL) {
		reason_set(why, "out of memory");
		secret_free(&under);
		return ERR_NOMEM;
	}
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(secret_open(*key), NULL, NULL, x->box.p,
		x->box.len, x->head.p, x->head.len, x->nonce.p, secret_open(under)) != 0) {
		unlock_mismatch(s, spec, shown, why);
		r = ERR_AUTH;
	}
	secret_close(under);
	secret_close(*key);
	secret_free(&under);
	if (r != 0)
		secret_free(key);
	return r;
}

int
unlock_unwrap(const char *spec, const struct secret_dir *store, const struct buf *in,
    const char *shown, struct secret **key, struct reason *why)
{
	struct wrapped x;
	struct spec s;
	int r;

	*key = NULL;
	if ((r = unlock_parse(in, shown, &x, why)) != 0)
		return r;
	if ((r = unlock_spec_parse(spec, store, &s, why)) != 0)
		return r;
	r = unlock_open(&s, spec, &x, shown, key, why);
	unlock_spec_free(&s);
	return r;
}
