/*
 * Opening the files that a route names, and its mapped key, which lies in the key store or in
 * a file.  Called by the rest of access/, by the keeper at each login, and by check.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "formats/cert_write.h"
#include "formats/pubkey.h"
#include "formats/text.h"
#include "base/login_dir.h"
#include "base/fd.h"
#include "base/landlock.h"
#include "base/names.h"
#include "base/secret.h"
#include "access/route_files.h"
#include "transport/keys.h"

/* An RSA key of 16384 bits takes 13 KiB. */
#define ROUTE_KEY_PUB_MAX 16384
#define KEY_FILE_MAX 32768
#define TOTP_FILE_MAX \
	4096 /* google-authenticator's has options and recovery codes behind the secret */
/* A certificate is sent in one USERAUTH message. */
#define CERTIFICATE_MAX 65536

static int
route_file_open_as(const struct route *r, const char *path, int flags, int *fd, struct reason *why)
{
	const char *name = route_in_tree(r, path);
	struct login_dir dir;
	int err;

	*fd = -1;
	if (name == NULL) {
		err = safe_path_open(&r->file_rule, path, flags, SAFE_PATH_TRUSTED, fd, why);
	} else {
		err = login_dir_open(&r->file_rule, r->tree, r->tree_dir, &dir, why);
		if (err == 0) {
			err = login_dir_file_open(&dir, name, flags, SAFE_PATH_TRUSTED, fd, why);
			login_dir_close(&dir);
		}
	}
	return err;
}

int
route_file_open(const struct route *r, const char *path, int *fd, struct reason *why)
{
	return route_file_open_as(r, path, O_RDONLY, fd, why);
}

int
route_file_append(const struct route *r, const char *path, int *fd, struct reason *why)
{
	/* a link in the directory of a login may lead to another file of that directory */
	const int follow = route_in_tree(r, path) != NULL ? 0 : O_NOFOLLOW;
	int err;

	errno = 0;
	err = route_file_open_as(r, path, O_RDWR | O_CREAT | O_APPEND | follow, fd, why);
	if (err != 0 && errno == EACCES && landlock_denies_write(path))
		reason_set(why,
		    "%s: is in a directory that the configuration did not name when the gateway "
		    "was started; see KnownHostsDirectory in sallyport.conf(5)",
		    path);
	return err;
}

int
route_file_may_append(const struct route *r, const char *path, struct reason *why)
{
	const int follow = route_in_tree(r, path) != NULL ? 0 : O_NOFOLLOW;
	char *dir;
	int fd, err;

	err = route_file_open_as(r, path, O_RDWR | O_APPEND | follow, &fd, why);
	fd_close(&fd);
	if (err != ERR_NOTFOUND)
		return err;
	dir = path_dir(path);
	if (dir == NULL)
		return ERR_NOMEM;
	err = faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == -1 ? ERR_SYS : 0;
	if (err != 0)
		reason_set(why, "%s: %s", path, strerror(errno));
	free(dir);
	return err;
}

int
route_file_read(const struct route *r, const char *path, struct buf *out, struct reason *why)
{
	int fd, err;

	err = route_file_open_as(r, path, O_RDONLY, &fd, why);
	if (err != 0)
		return err;
	err = fd_read_all(fd, out);
	if (err != 0)
		reason_set(why, "%.400s: %s", path,
		    err == ERR_TOOBIG ? "is too large" : err_str(err));
	fd_close(&fd);
	return err;
}

int
route_banner(const struct route *r, char **text, struct reason *why)
{
	struct buf b;
	int err;

	*text = NULL;
	buf_init(&b, ROUTE_BANNER_MAX);
	err = route_file_read(r, r->banner, &b, why);
	if (err == 0 && buf_cstr(&b) == NULL) {
		err = ERR_FORMAT;
		reason_set(why, "%.400s: holds a NUL", r->banner);
	} else if (err == 0 && (*text = strdup((const char *)b.data)) == NULL) {
		err = ERR_NOMEM;
		reason_set(why, "%.400s: %s", r->banner, err_str(err));
	}
	buf_free(&b);
	return err;
}

/* Read the private key in the route's key file: *priv is the caller's.  0 or an ERR_*. */
static int
route_key_load(const struct route *r, struct secret **priv, struct buf *pub, char type[64],
    struct reason *why)
{
	const char *name = route_in_tree(r, r->key_file);
	struct buf text;
	int err;

	*priv = NULL;
	if (name == NULL) {
		reason_set(why, "%s: is not in the directory of its route", r->key_file);
		return ERR_PERM;
	}
	buf_init(&text, KEY_FILE_MAX);
	err = login_dir_file_read(&r->file_rule, r->tree, r->tree_dir, name, SAFE_PATH_SECRET,
	    &text, why);
	if (err == 0) {
		err = buf_cstr(&text) == NULL ?
		    ERR_FORMAT :
		    key_import((const char *)text.data, text.len, NULL, priv, pub, type);
		if (err != 0)
			reason_set(why, "%s: %s", r->key_file,
			    err == ERR_AUTH ? "has a passphrase, which nobody can enter here" :
					      err_str(err));
	}
	buf_wipe(&text);
	return err;
}

int
route_key_open(const struct route *r, struct keystore *ks, struct route_key *key,
    struct reason *why)
{
	int err;

	*key = (struct route_key){ 0 };
	buf_init(&key->pub, ROUTE_KEY_PUB_MAX);
	if (r->key_file != NULL)
		err = route_key_load(r, &key->priv, &key->pub, key->type, why);
	else
		err = keystore_load(ks, r->key, &key->priv, &key->pub, key->type, why);
	if (err != 0)
		route_key_close(key);
	return err;
}

int
route_key_sign(const struct route *r, struct route_key *key, const char *alg, const void *data,
    size_t len, struct buf *sig, struct reason *why)
{
	int err = key_sign(key->priv, key->type, alg, data, len, sig);

	if (err != 0)
		reason_set(why, "%s: cannot sign with %s: %s",
		    r->key_file != NULL ? r->key_file : r->key, alg, err_str(err));
	return err;
}

void
route_key_close(struct route_key *key)
{
	secret_free(&key->priv);
	buf_free(&key->pub);
}

/* The secret in the first line of a file as sshpiper has it: 6 digits, 30 seconds, SHA-1.  Its id is its hash, so
 * that another secret is another enrolment. */
static int
route_totp_parse(struct bytes text, struct totp *secret)
{
	struct bytes line;
	int err = ERR_FORMAT;

	totp_new(secret);
	if (text_line(&text, &line)) {
		while (line.len > 0 && text_is_blank(line.p[line.len - 1]))
			line.len--;
		text_skip_blanks(&line);
		err = totp_secret_from_base32(secret, line);
	}
	(void)crypto_generichash(secret->id, sizeof(secret->id), secret->secret, secret->secret_len,
	    NULL, 0);
	return err;
}

int
route_totp_open(const struct route *r, struct keystore *ks, struct totp *secret, struct reason *why)
{
	struct buf text;
	char *login;
	int err;

	if (r->totp_file == NULL)
		return keystore_totp(ks, r->totp, secret, why);
	memset(secret, 0, sizeof(*secret));
	/* the login's own directory, also if that of the route is below it */
	login = strndup(r->tree_dir, strcspn(r->tree_dir, "/"));
	if (login == NULL) {
		reason_set(why, "out of memory");
		return ERR_NOMEM;
	}
	buf_init(&text, TOTP_FILE_MAX);
	err = login_dir_file_read(&r->file_rule, r->tree, login, "totp", SAFE_PATH_SECRET, &text,
	    why);
	if (err == 0 && (err = route_totp_parse(buf_bytes(&text), secret)) != 0)
		reason_set(why, "%s: does not begin with a secret in base32 of %d to %d bytes",
		    r->totp_file, TOTP_SECRET_MIN, TOTP_SECRET_MAX);
	if (err != 0)
		sodium_memzero(secret, sizeof(*secret));
	buf_wipe(&text);
	free(login);
	return err == ERR_NOTFOUND ? ERR_SYS : err; /* it was there during the lookup */
}

/* Is this a user's certificate for the key, valid now? */
static int
route_certificate_check(struct bytes blob, struct bytes key, time_t now, struct reason *why)
{
	struct buf certified;
	struct cert cert;
	int err;

	if (cert_parse(&cert, blob) != 0) {
		reason_set(why, "is not an OpenSSH certificate");
		return ERR_FORMAT;
	}
	buf_init(&certified, CERTIFICATE_MAX);
	cert_put_key(blob, &certified);
	err = buf_err(&certified);
	if (err == 0 && !bytes_equal(buf_bytes(&certified), key))
		err = ERR_AUTH;
	buf_free(&certified);
	if (err == ERR_AUTH)
		reason_set(why, "is not for the route's Key");
	else if (err != 0)
		reason_set(why, "%s", err_str(err));
	else if (!cert_valid(&cert, CERT_USER, now, why))
		err = cert.kind == CERT_USER ? ERR_TIMEOUT : ERR_FORMAT;
	return err;
}

int
route_certificate(const struct route *r, struct bytes key, time_t now, struct buf *out,
    struct reason *why)
{
	size_t start = out->len, len;
	struct buf text;
	struct reason reason;
	int err;

	buf_init(&text, CERTIFICATE_MAX);
	err = route_file_read(r, r->certificate_file, &text, why);
	if (err == 0) {
		for (len = 0; len < text.len && text.data[len] != '\n'; len++)
			;
		if (pubkey_parse((const char *)text.data, len, out) != 0) {
			reason_set(&reason, "is not an OpenSSH certificate");
			err = ERR_FORMAT;
		} else {
			err = route_certificate_check((struct bytes){ out->data + start,
							  out->len - start },
			    key, now, &reason);
		}
		if (err != 0) {
			out->len = start;
			reason_set(why, "%s: %s", r->certificate_file, reason.text);
		}
	}
	buf_free(&text);
	return err;
}

int
route_authority(const struct route *r, struct buf *out, struct reason *why)
{
	struct bytes rest, line;
	struct buf text;
	char type[64];
	int err;

	buf_init(&text, KEY_FILE_MAX);
	err = route_file_read(r, r->certificate_authority, &text, why);
	rest = buf_bytes(&text);
	while (err == 0 && out->len == 0) {
		if (!text_line(&rest, &line)) {
			reason_set(why, "%.400s: has no public key", r->certificate_authority);
			err = ERR_FORMAT;
		} else if (pubkey_parse((const char *)line.p, line.len, out) != 0) {
			buf_reset(out);
		}
	}
	if (err == 0 && (err = pubkey_check(buf_bytes(out))) != 0)
		reason_set(why, "%.400s: %s", r->certificate_authority, err_str(err));
	if (err == 0 &&
	    (pubkey_type(buf_bytes(out), type) != 0 || cert_ca_algorithm(type) == NULL)) {
		reason_set(why,
		    "%.400s: a key of this type cannot be the key of a CA: at each login somebody would "
		    "have to touch a security key",
		    r->certificate_authority);
		err = ERR_ALGORITHM;
	}
	buf_free(&text);
	return err;
}
