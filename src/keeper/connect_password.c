/*
 * Checking a password of ConnectPasswords (connect_password.h).  Called by keeper.c for the master.
 */
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "keeper/connect_password.h"
#include "keystore/keystore.h"

/* A password with zero bytes behind it, so that no comparison depends on its length.  NULL: out of memory. */
static struct secret *
connect_password_pad(const uint8_t *p, size_t len)
{
	struct secret *padded = secret_new(KEYSTORE_PASSWORD_MAX);

	if (padded != NULL) {
		memcpy(secret_open(padded), p, len);
		secret_close(padded);
	}
	return padded;
}

/* 1 if the password of this name is this one. */
static int
connect_password_is(struct keystore *ks, const char *name, const uint8_t *p, size_t len)
{
	struct secret *stored = NULL, *right = NULL, *given = NULL;
	struct reason why;
	int is = 0;

	if (keystore_password(ks, name, &stored, &why) != 0) {
		log_error("ConnectPasswords: %s", why.text);
		return 0;
	}
	right = connect_password_pad(secret_open(stored), secret_len(stored));
	secret_close(stored);
	given = connect_password_pad(p, len);
	if (right != NULL && given != NULL)
		is = secret_equal(given, right);
	secret_free(&given);
	secret_free(&right);
	secret_free(&stored);
	return is;
}

const char *
connect_password_name(const struct snapshot *g, struct bytes credentials)
{
	const struct strlist *names = &g->conf->edge.connect_passwords;
	const uint8_t *colon = memchr(credentials.p, ':', credentials.len);
	const size_t user = colon == NULL ? 0 : (size_t)(colon - credentials.p);
	const char *name = NULL;
	size_t i, len;

	if (colon == NULL || names->n == 0)
		return "";
	len = credentials.len - user - 1;
	for (i = 0; i < names->n; i++)
		if (strlen(names->v[i]) == user && memcmp(names->v[i], credentials.p, user) == 0)
			name = names->v[i];
	/* for a name that is not listed, the work is done with one that is */
	if (len == 0 || len > KEYSTORE_PASSWORD_MAX)
		return "";
	if (!connect_password_is(g->identity->keystore, name != NULL ? name : names->v[0],
		colon + 1, len))
		name = NULL;
	return name != NULL ? name : "";
}
