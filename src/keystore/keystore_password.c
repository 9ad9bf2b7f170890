/*
 * Passwords in the key store, for logins upstream.
 */
#include <string.h>

#include "keystore/keystore_private.h"
#include "wire/wire.h"

/* What is sealed of a password: the string, then zero bytes up to this size, so that the size
 * of the file does not tell the length of the password. */
#define SEALED_SIZE (4 + KEYSTORE_PASSWORD_MAX)

int
keystore_add_password(struct keystore *ks, const char *name, struct secret *password,
    struct reason *why)
{
	size_t len = secret_len(password) - 1; /* its NUL */
	struct secret *plain;
	struct buf sealed;
	uint8_t *p;
	int r;

	if ((r = key_name_check(name, why)) != 0)
		return r;
	if (len == 0 || len > KEYSTORE_PASSWORD_MAX) {
		reason_set(why, "a password has 1 to %d bytes", KEYSTORE_PASSWORD_MAX);
		return ERR_TOOBIG;
	}
	plain = secret_new(SEALED_SIZE);
	if (plain == NULL) {
		reason_set(why, "out of memory");
		return ERR_NOMEM;
	}
	p = secret_open(plain);
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
	memcpy(p + 4, secret_open(password), len);
	secret_close(password);
	secret_close(plain);
	buf_init(&sealed, KEYSTORE_FILE_MAX);
	r = keystore_seal(ks, KEYSTORE_PASSWORD, name, plain, &sealed);
	secret_free(&plain);
	if (r != 0)
		reason_set(why, "%s/%s: %s", ks->path, name, err_str(r));
	else
		r = secret_file_write(&ks->dir, name, sealed.data, sealed.len, 0600, 0, why);
	if (r == ERR_EXISTS)
		keystore_why_exists(ks, name, why);
	buf_free(&sealed);
	return r;
}

static int
password_parse(struct secret *plain, struct secret **out)
{
	struct bytes text;
	struct wire w;
	int r = 0;

	wire_init(&w, secret_open(plain), secret_len(plain));
	text = wire_string(&w);
	if (wire_err(&w) != 0 || text.len == 0 || text.len > KEYSTORE_PASSWORD_MAX)
		r = ERR_FORMAT;
	if (r == 0 && (*out = secret_from(text.p, text.len)) == NULL)
		r = ERR_NOMEM;
	secret_close(plain);
	return r;
}

int
keystore_password(struct keystore *ks, const char *name, struct secret **out, struct reason *why)
{
	struct secret *plain = NULL;
	struct buf file;
	int r;

	*out = NULL;
	buf_init(&file, KEYSTORE_FILE_MAX);
	r = keystore_read(ks, KEYSTORE_PASSWORD, name, &file, why);
	if (r == 0)
		r = keystore_unseal(ks, KEYSTORE_PASSWORD, name, &file, &plain, why);
	if (r == 0 && (r = password_parse(plain, out)) != 0)
		reason_set(why, "%s/%s: holds no password that this version can read", ks->path,
		    name);
	secret_free(&plain);
	buf_free(&file);
	return r;
}
