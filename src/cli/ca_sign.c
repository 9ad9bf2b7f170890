/*
 * sallyport ca sign: a certificate for a user's or a host's key, signed by a key of the store.  Called by ca.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "cli/ca_record.h"
#include "cli/cli.h"
#include "conf/conf.h"
#include "formats/address.h"
#include "formats/cert_write.h"
#include "formats/pubkey.h"
#include "transport/keys.h"

/* How long ago the validity begins, for machines whose clock is behind: as ssh-keygen has it. */
#define CA_SIGN_SKEW 60
/* The shortest validity in seconds, as of CertificateLifetime. */
#define CA_SIGN_LIFETIME_MIN 30

struct ca_sign {
	const struct ca_args *args;
	struct cert_order order;
	struct strlist principals;
	struct buf key, comment;
	struct buf cert;
};

static int
ca_sign_wrong(const char *text)
{
	fprintf(stderr, "sallyport: %s\n", text);
	return CLI_USAGE;
}

/* --- the order --- */

static int
ca_sign_text_ok(const char *text)
{
	const char *p;

	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return 0;
	return p > text && (size_t)(p - text) <= CERT_TEXT_MAX;
}

/* Names of users, or of hosts: ssh(1) compares these with a name in lower case. */
static int
ca_sign_principals(struct ca_sign *s)
{
	const char *p = s->args->principals, *end, *c;

	for (;; p = end + 1) {
		end = p + strcspn(p, ",");
		for (c = p; c < end; c++) {
			if ((unsigned char)*c <= ' ' || *c == 0x7f)
				return ca_sign_wrong("--principals takes names without blanks, "
						     "separated by commas");
			if (s->args->host && *c >= 'A' && *c <= 'Z')
				return ca_sign_wrong(
				    "--principals: ssh looks for the name of a host "
				    "in lower case");
		}
		if (end == p)
			return ca_sign_wrong("--principals has an empty name");
		if (s->principals.n == CERT_PRINCIPALS_MAX)
			return ca_sign_wrong("--principals has more than 256 names");
		if (strlist_add(&s->principals, p, (size_t)(end - p)) != 0)
			return key_fail_memory();
		if (*end == '\0')
			return CLI_OK;
	}
}

static int
ca_sign_times(struct ca_sign *s)
{
	const uint64_t now = (uint64_t)time(NULL);
	int64_t lifetime;

	s->order.valid_after = now - CA_SIGN_SKEW;
	s->order.valid_before = UINT64_MAX;
	if (strcmp(s->args->lifetime, "forever") == 0) {
		if (!s->args->host)
			return ca_sign_wrong(
			    "a user's certificate has to end: --lifetime 8h, for example");
		return CLI_OK;
	}
	if (conf_seconds(s->args->lifetime, &lifetime) != 0 || lifetime == 0)
		return ca_sign_wrong(
		    "--lifetime takes a time such as 30m, 8h or 1w2d, of at most 100 years");
	/* what is meant by 8 is hardly eight seconds */
	if (lifetime < CA_SIGN_LIFETIME_MIN)
		return ca_sign_wrong(
		    "--lifetime is at least 30s, and a number without a unit means "
		    "seconds; write 8h, for example");
	s->order.valid_before = now + (uint64_t)lifetime;
	return CLI_OK;
}

/* What the certificate permits.  A host's has nothing of it. */
static int
ca_sign_options(struct ca_sign *s)
{
	const struct ca_args *a = s->args;
	struct cert_order *o = &s->order;

	o->force_command = a->force_command;
	o->source_address = a->source_address;
	o->verify_required = a->verify_required;
	o->no_touch_required = a->no_touch_required;
	if (a->host) {
		if (o->force_command != NULL || o->source_address != NULL || o->verify_required ||
		    o->no_touch_required || a->no_pty || a->no_port || a->no_agent || a->no_x11 ||
		    a->no_rc)
			return ca_sign_wrong("the certificate of a host (--host) has no options");
		return CLI_OK;
	}
	if (o->force_command != NULL && !ca_sign_text_ok(o->force_command))
		return ca_sign_wrong("--force-command takes one line of text");
	/* an address that the list matches, or not: -1 is a list that sshd refuses every login for */
	if (o->source_address != NULL && address_match_blocks("192.0.2.1", o->source_address) == -1)
		return ca_sign_wrong(
		    "--source-address takes addresses and blocks, separated by commas, "
		    "such as 192.0.2.1,2001:db8::/64");
	o->permits = AUTHORIZED_ALL &
	    ~((a->no_pty ? AUTHORIZED_PTY : 0U) | (a->no_port ? AUTHORIZED_PORT_FORWARDING : 0U) |
		(a->no_agent ? AUTHORIZED_AGENT_FORWARDING : 0U) |
		(a->no_x11 ? AUTHORIZED_X11_FORWARDING : 0U) |
		(a->no_rc ? AUTHORIZED_USER_RC : 0U));
	return CLI_OK;
}

static int
ca_sign_order(struct ca_sign *s)
{
	const struct ca_args *a = s->args;
	int status;

	if (a->ca == NULL || a->principals == NULL || a->lifetime == NULL)
		return ca_sign_wrong(
		    "ca sign takes --ca NAME, --principals LIST and --lifetime TIME");
	if (ca_is_file(a->ca)) {
		fprintf(stderr,
		    "sallyport: --ca takes the name of a key in the key store; with a CA in an agent, "
		    "sign with: ssh-keygen -Us %s\n",
		    a->ca);
		return CLI_USAGE;
	}
	s->order.kind = a->host ? CERT_HOST : CERT_USER;
	s->order.principals = &s->principals;
	if ((status = ca_sign_principals(s)) != CLI_OK || (status = ca_sign_times(s)) != CLI_OK ||
	    (status = ca_sign_options(s)) != CLI_OK)
		return status;
	s->order.key_id = a->id != NULL ? a->id : s->principals.v[0];
	return ca_sign_text_ok(s->order.key_id) ? CLI_OK :
						  ca_sign_wrong("--id takes one line of text");
}

/* The key to be certified. */
static int
ca_sign_read_key(struct ca_sign *s)
{
	const char *file = s->args->operands[0];
	char type[64] = "";
	int status, r;

	status = ca_read_key(file, &s->key, &s->comment);
	if (status != CLI_OK)
		return status;
	s->order.key = buf_bytes(&s->key);
	if (pubkey_type(s->order.key, type) == 0 && cert_key_type(type) != NULL) {
		fprintf(stderr,
		    "sallyport: %s: is a certificate already: give the key's own file\n", file);
		return CLI_FAILED;
	}
	r = pubkey_check(s->order.key);
	if (r != 0)
		fprintf(stderr, "sallyport: %s: %s\n", file, err_str(r));
	return r == 0 ? CLI_OK : CLI_FAILED;
}

/* --- signing --- */

static int
ca_sign_with(struct ca_sign *s, struct keystore *ks)
{
	struct secret *priv = NULL;
	struct reason why = { "" };
	struct buf ca, sig;
	char type[64];
	const char *alg;
	int r, status;

	buf_init(&ca, KEY_BLOB_MAX);
	buf_init(&sig, KEY_BLOB_MAX);
	r = keystore_load(ks, s->args->ca, &priv, &ca, type, &why);
	if (r == 0 && (status = ca_serial(s->args, buf_bytes(&ca), &s->order.serial)) != CLI_OK)
		goto out;
	if (r == 0) {
		alg = cert_ca_algorithm(type);
		r = alg == NULL ? ERR_ALGORITHM : cert_begin(&s->cert, &s->order, buf_bytes(&ca));
		if (r == 0)
			r = key_sign(priv, type, alg, s->cert.data, s->cert.len, &sig);
		if (r == 0)
			r = cert_end(&s->cert, buf_bytes(&sig));
		if (r != 0)
			reason_set(&why, "%s: no certificate: %s", s->args->operands[0],
			    err_str(r));
	}
	status = r == 0 ? CLI_OK : key_fail(&why, r);
out:
	secret_free(&priv);
	buf_free(&sig);
	buf_free(&ca);
	return status;
}

static void
ca_sign_show_time(uint64_t when, char out[32])
{
	const time_t t = (time_t)when;
	struct tm tm;

	if (when > INT64_MAX || gmtime_r(&t, &tm) == NULL ||
	    strftime(out, 32, "%Y-%m-%d %H:%M:%SZ", &tm) == 0)
		snprintf(out, 32, "forever");
}

/* FILE-cert.pub for FILE.pub, as ssh-keygen names it. */
static char *
ca_sign_file(const char *file)
{
	size_t len = strlen(file);
	char *out;

	if (strcmp(file, "-") == 0)
		return strdup("-");
	if (len > 4 && strcmp(file + len - 4, ".pub") == 0)
		len -= 4;
	return asprintf(&out, "%.*s-cert.pub", (int)len, file) == -1 ? NULL : out;
}

static int
ca_sign_write(struct ca_sign *s)
{
	char *file = ca_sign_file(s->args->operands[0]), until[32];
	struct reason why;
	struct buf text;
	int status = CLI_OK, r;

	buf_init(&text, 2 * CERT_WRITE_MAX);
	pubkey_format(buf_bytes(&s->cert), &text);
	if (s->comment.len > 0)
		buf_putf(&text, " %.*s", (int)s->comment.len, (const char *)s->comment.data);
	buf_put_u8(&text, '\n');
	if (file == NULL || buf_err(&text) != 0)
		status = key_fail_memory();
	else if ((r = ca_write(file, buf_bytes(&text), &why)) != 0)
		status = key_fail(&why, r);
	if (status == CLI_OK) {
		ca_sign_show_time(s->order.valid_before, until);
		fprintf(stderr,
		    "%s: %s certificate ID \"%s\" serial %" PRIu64 " for %s, valid until %s\n",
		    strcmp(file, "-") == 0 ? "standard output" : file,
		    s->args->host ? "host" : "user", s->order.key_id, s->order.serial,
		    s->args->principals, until);
	}
	buf_free(&text);
	free(file);
	return status;
}

int
ca_sign_cmd(const struct ca_args *a)
{
	struct ca_sign s = { .args = a };
	struct keystore *ks = NULL;
	int status;

	buf_init(&s.key, KEY_BLOB_MAX);
	buf_init(&s.comment, KEY_BLOB_MAX);
	buf_init(&s.cert, CERT_WRITE_MAX);
	if ((status = ca_sign_order(&s)) == CLI_OK && (status = ca_sign_read_key(&s)) == CLI_OK &&
	    (status = key_store_open(&a->store, 0, &ks)) == CLI_OK &&
	    (status = ca_sign_with(&s, ks)) == CLI_OK)
		status = ca_sign_write(&s);
	keystore_free(&ks);
	strlist_free(&s.principals);
	buf_free(&s.key);
	buf_free(&s.comment);
	buf_free(&s.cert);
	return status;
}
