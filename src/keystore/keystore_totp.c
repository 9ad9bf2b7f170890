/*
 * Secrets of one-time passwords (TOTP) in the key store: formats/totp.c has what is sealed of one.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "keystore/keystore_private.h"

static int
totp_seal(struct keystore *ks, const char *name, const struct totp *t, struct buf *out)
{
	struct secret *plain;
	struct buf content;
	int r;

	buf_init(&content, TOTP_SEALED_MAX);
	totp_put(&content, t);
	r = buf_err(&content);
	plain = r == 0 ? secret_from(content.data, content.len) : NULL;
	if (r == 0)
		r = plain == NULL ? ERR_NOMEM : keystore_seal(ks, KEYSTORE_TOTP, name, plain, out);
	secret_free(&plain);
	buf_wipe(&content);
	return r;
}

int
keystore_add_totp(struct keystore *ks, const char *name, const struct totp *t, int replace,
    struct reason *why)
{
	struct buf sealed;
	struct stat st;
	int r;

	if ((r = key_name_check(name, why)) != 0)
		return r;
	if (replace && fstatat(ks->dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    keystore_kind(ks, name) != KEYSTORE_TOTP) {
		reason_set(why, "%s/%s: is not a TOTP secret, and stays", ks->path, name);
		return ERR_FORMAT;
	}
	buf_init(&sealed, KEYSTORE_FILE_MAX);
	r = totp_seal(ks, name, t, &sealed);
	if (r != 0)
		reason_set(why, "%s/%s: %s", ks->path, name, err_str(r));
	else
		r = secret_file_write(&ks->dir, name, sealed.data, sealed.len, 0600, replace, why);
	if (r == ERR_EXISTS)
		keystore_why_exists(ks, name, why);
	buf_free(&sealed);
	return r;
}

int
keystore_totp(struct keystore *ks, const char *name, struct totp *out, struct reason *why)
{
	struct secret *plain = NULL;
	struct buf file;
	int r;

	memset(out, 0, sizeof(*out));
	buf_init(&file, KEYSTORE_FILE_MAX);
	r = keystore_read(ks, KEYSTORE_TOTP, name, &file, why);
	if (r == 0)
		r = keystore_unseal(ks, KEYSTORE_TOTP, name, &file, &plain, why);
	if (r == 0) {
		r = totp_get(out, (struct bytes){ secret_open(plain), secret_len(plain) });
		secret_close(plain);
		if (r != 0)
			reason_set(why, "%s/%s: holds no TOTP secret that this version can read",
			    ks->path, name);
	}
	secret_free(&plain);
	buf_free(&file);
	return r;
}
