/*
 * sallyport totp enroll: make the secret of a login's one-time codes, and show it once.  Called by totp.c.
 *
 * What is shown is written without stdio and wiped; the process leaves no core (PR_SET_DUMPABLE).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/names.h"
#include "base/readpass.h"
#include "cli/cli.h"
#include "cli/qr.h"
#include "cli/totp.h"

#define RECOVERY_CODES 10
#define CONFIRM_TRIES 3
#define ISSUER_MAX 100
#define GROUPED_LINE 32	       /* characters of a secret in a line, in groups of four */
#define SHOWN_MAX (256 * 1024) /* a QR code of 80 columns is a tenth of it */

/* A secret on its way into the store. */
struct totp_enroll {
	const struct totp_args *a;
	char *name;
	const char *account; /* for the app: the login, or the name */
	struct totp t;
	char recovery[RECOVERY_CODES][TOTP_RECOVERY_TEXT_SIZE];
	struct buf uri; /* otpauth://... */
};

/* --- making it --- */

/* --issuer, --digits and --hash. */
static int
totp_enroll_form(const struct totp_args *a, struct totp *t)
{
	enum totp_hash hash;

	if (a->issuer != NULL && (a->issuer[0] == '\0' || strlen(a->issuer) > ISSUER_MAX)) {
		fprintf(stderr, "sallyport: --issuer has 1 to %d bytes\n", ISSUER_MAX);
		return CLI_USAGE;
	}
	if (a->digits != NULL &&
	    (strlen(a->digits) != 1 || a->digits[0] < '0' + TOTP_DIGITS_MIN ||
		a->digits[0] > '0' + TOTP_DIGITS_MAX)) {
		fprintf(stderr, "sallyport: --digits is 6, 7 or 8\n");
		return CLI_USAGE;
	}
	if (a->digits != NULL)
		t->digits = (unsigned int)(a->digits[0] - '0');
	for (hash = TOTP_SHA1; a->hash != NULL; hash++) {
		if (hash > TOTP_SHA512) {
			fprintf(stderr, "sallyport: --hash is sha1, sha256 or sha512\n");
			return CLI_USAGE;
		}
		if (strcasecmp(a->hash, totp_hash_name(hash)) == 0)
			break;
	}
	if (a->hash != NULL)
		t->hash = hash;
	/* as long as the hash, by RFC 4226 section 4 */
	t->secret_len = t->hash == TOTP_SHA1 ? 20 : t->hash == TOTP_SHA256 ? 32 : 64;
	randombytes_buf(t->secret, t->secret_len);
	return CLI_OK;
}

/* --import: the secret of an app or device that people have. */
static int
totp_enroll_import(struct totp *t)
{
	struct secret *text;
	int r = readpass("Secret in base32: ", &text);

	if (r == 0) {
		r = totp_secret_from_base32(t,
		    (struct bytes){ secret_open(text), secret_len(text) - 1 });
		secret_close(text);
	}
	secret_free(&text);
	if (r == 0)
		return CLI_OK;
	fprintf(stderr,
	    r == ERR_EOF     ? "sallyport: no secret: end of input\n" :
		r == ERR_SYS ? "sallyport: no secret: the terminal cannot be read\n" :
			       "sallyport: that is not a secret in base32 (A-Z and 2-7) of 10 to "
			       "64 bytes\n");
	return CLI_FAILED;
}

/* Append text, percent-encoded (RFC 3986 section 2.3). */
static void
totp_enroll_put_encoded(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		const unsigned char c = (unsigned char)*text;

		if (c < 128 && (isalnum(c) || strchr("-._~", c) != NULL))
			buf_put_u8(out, c);
		else
			buf_putf(out, "%%%02X", c);
	}
}

/* The URI that authenticator apps read.  What is as they assume is left out, for a smaller QR code. */
static int
totp_enroll_uri(struct totp_enroll *e)
{
	char secret[TOTP_BASE32_SIZE], host[256] = "";
	const char *issuer = e->a->issuer;

	if (issuer == NULL) {
		issuer = gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0' ? host :
										       "sallyport";
	}
	totp_secret_to_base32(&e->t, secret);
	buf_putf(&e->uri, "otpauth://totp/");
	totp_enroll_put_encoded(&e->uri, issuer);
	buf_putf(&e->uri, ":");
	totp_enroll_put_encoded(&e->uri, e->account);
	buf_putf(&e->uri, "?secret=%s&issuer=", secret);
	totp_enroll_put_encoded(&e->uri, issuer);
	if (e->t.hash != TOTP_SHA1)
		buf_putf(&e->uri, "&algorithm=%s", totp_hash_name(e->t.hash));
	if (e->t.digits != 6)
		buf_putf(&e->uri, "&digits=%u", e->t.digits);
	sodium_memzero(secret, sizeof(secret));
	return buf_cstr(&e->uri) == NULL ? ERR_NOMEM : 0;
}

static int
totp_enroll_make(struct totp_enroll *e)
{
	int status;
	size_t i;

	totp_new(&e->t);
	status = totp_enroll_form(e->a, &e->t);
	if (status == CLI_OK && e->a->import)
		status = totp_enroll_import(&e->t);
	for (i = 0; status == CLI_OK && i < RECOVERY_CODES; i++) {
		totp_recovery_new(e->recovery[i]);
		if (totp_recovery_add(&e->t, e->recovery[i]) != 0)
			status = CLI_FAILED;
	}
	if (status == CLI_OK && totp_enroll_uri(e) != 0)
		status = key_fail_memory();
	return status;
}

/* --- showing it --- */

/* The secret in groups of four, as people type it. */
static void
totp_enroll_put_secret(const struct totp_enroll *e, struct buf *out)
{
	char secret[TOTP_BASE32_SIZE];
	size_t i, len;

	totp_secret_to_base32(&e->t, secret);
	for (i = 0, len = strlen(secret); i < len; i += 4)
		buf_putf(out, "%s%.4s",
		    i == 0		      ? "Secret: " :
			i % GROUPED_LINE == 0 ? "\n        " :
						" ",
		    secret + i);
	buf_putf(out, "\n        (%s, %u digits, every %u seconds)\n", totp_hash_name(e->t.hash),
	    e->t.digits, e->t.step);
	sodium_memzero(secret, sizeof(secret));
}

static void
totp_enroll_put_qr(const struct totp_enroll *e, struct buf *out)
{
	if (e->a->no_qr)
		return;
	if (qr_put(out, (const char *)e->uri.data, isatty(STDOUT_FILENO)) == ERR_TOOBIG)
		buf_putf(out, "(a QR code of this is wider than %d columns)\n", QR_COLUMNS);
	buf_putf(out, "\n");
}

/* For people; with --uri for programs: the URI, and each recovery code, on a line of its own. */
static int
totp_enroll_show(const struct totp_enroll *e)
{
	char account[1024];
	struct buf out;
	size_t i;
	int r;

	buf_init(&out, SHOWN_MAX);
	log_vis(account, sizeof(account), e->account, strlen(e->account));
	if (e->a->uri) {
		buf_putf(&out, "%s\n", (const char *)e->uri.data);
	} else if (!e->a->import) {
		buf_putf(&out,
		    "For %s: scan this with an authenticator app, or type the secret into it.\n\n",
		    account);
		totp_enroll_put_qr(e, &out);
		buf_putf(&out, "%s\n\n", (const char *)e->uri.data);
		totp_enroll_put_secret(e, &out);
		buf_putf(&out, "\n");
	}
	if (!e->a->uri)
		buf_putf(&out,
		    "Recovery codes: each lets %s in once in place of a code, without the device.\n"
		    "Keep them apart from it. None of this is shown again.\n\n",
		    account);
	for (i = 0; i < RECOVERY_CODES; i++)
		buf_putf(&out,
		    e->a->uri	   ? "%s\n" :
			i % 2 == 0 ? "    %s" :
				     "    %s\n",
		    e->recovery[i]);
	if (!e->a->uri)
		buf_putf(&out, "\n");
	r = buf_err(&out);
	if (r == 0)
		r = fd_write_all(STDOUT_FILENO, out.data, out.len);
	buf_wipe(&out);
	if (r == 0)
		return CLI_OK;
	fprintf(stderr, "sallyport: cannot be shown, and is not stored: %s\n", err_str(r));
	return CLI_FAILED;
}

/* Ask for a code until it is right.  1; 0: it was not, or there was none. */
static int
totp_enroll_confirmed(const struct totp_enroll *e)
{
	struct secret *code;
	int64_t step;
	int tries, r;

	for (tries = 0; tries < CONFIRM_TRIES; tries++) {
		if (readpass("A code from the app, to confirm (not shown): ", &code) != 0)
			return 0;
		r = totp_find_code(&e->t, (const char *)secret_open(code), time(NULL), 1, &step);
		if (r != 0 &&
		    totp_find_code(&e->t, (const char *)secret_open(code), time(NULL),
			TOTP_SKEW_MAX, &step) == 0)
			fprintf(stderr,
			    "That code is of another time: the clock of the app's device or of "
			    "this machine is wrong.\n");
		else if (r != 0)
			fprintf(stderr, "That is not a code of this secret.\n");
		secret_close(code);
		secret_free(&code);
		if (r == 0)
			return 1;
	}
	return 0;
}

/* --- storing it --- */

/* May the name be taken?  Asked before anything is shown. */
static int
totp_enroll_name_ok(const struct totp_enroll *e, struct keystore *ks)
{
	struct reason why;

	if (key_name_check(e->name, &why) != 0) {
		fprintf(stderr, "sallyport: %s\n", why.text);
		return CLI_USAGE;
	}
	switch (keystore_kind(ks, e->name)) {
	case KEYSTORE_OTHER:
		return CLI_OK;
	case KEYSTORE_TOTP:
		if (e->a->replace)
			return CLI_OK;
		fprintf(stderr,
		    "sallyport: %s is enrolled already; a new secret in its place ends the old one, "
		    "its recovery codes and what is remembered: add --replace\n",
		    e->name);
		return CLI_FAILED;
	default:
		fprintf(stderr,
		    "sallyport: %s is the name of a key or password in the key store; TOTP takes "
		    "another name\n",
		    e->name);
		return CLI_FAILED;
	}
}

static int
totp_enroll_store(struct totp_enroll *e, struct keystore *ks)
{
	struct reason why = { "" };
	int status, r;

	status = totp_enroll_name_ok(e, ks);
	if (status == CLI_OK)
		status = totp_enroll_make(e);
	if (status == CLI_OK)
		status = totp_enroll_show(e);
	if (status == CLI_OK && isatty(STDIN_FILENO) && !e->a->uri && !totp_enroll_confirmed(e)) {
		fprintf(stderr, "sallyport: not confirmed: nothing has changed in the key store\n");
		status = CLI_FAILED;
	}
	if (status != CLI_OK)
		return status;
	r = keystore_add_totp(ks, e->name, &e->t, e->a->replace, &why);
	if (r != 0)
		return key_fail(&why, r);
	if (e->a->name != NULL)
		fprintf(stderr, "Stored. Logins of a route with TOTP = %s are asked for a code.\n",
		    e->name);
	else
		fprintf(stderr, "Stored as %s, which the route of %s asks for.\n", e->name,
		    e->account);
	return CLI_OK;
}

int
totp_enroll_cmd(const struct totp_args *a)
{
	struct totp_enroll e = { .a = a };
	struct keystore *ks = NULL;
	int status;

	buf_init(&e.uri, 4096);
	e.account = a->login != NULL ? a->login : a->name;
	if (a->name != NULL) {
		e.name = strdup(a->name);
		status = e.name == NULL ? key_fail_memory() : CLI_OK;
	} else {
		status = totp_name_of_login(a->key.conf_dir, a->login, &e.name);
	}
	if (status == CLI_OK)
		status = key_store_open(&a->key, 1, &ks);
	if (status == CLI_OK)
		status = totp_enroll_store(&e, ks);
	keystore_free(&ks);
	buf_wipe(&e.uri);
	free(e.name);
	sodium_memzero(&e, sizeof(e));
	return status;
}
