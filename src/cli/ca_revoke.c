/*
 * sallyport ca revoke: what a CA takes back, kept in the state directory and written as a KRL.  Called by ca.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/ca_record.h"
#include "cli/cli.h"
#include "formats/cert.h"
#include "formats/krl_write.h"
#include "formats/pubkey.h"

/* Of the list of one CA and of all: RevokedKeys has as much (access/user_key.h). */
#define CA_KRL_MAX (16 * 1024 * 1024)

struct ca_revoke {
	const struct ca_args *args;
	struct buf ca;
	struct revoked more; /* what is to be added */
};

/* --- what the operands are --- */

static int
ca_revoke_wrong(const char *what, const char *text)
{
	char shown[256];

	fprintf(stderr, "sallyport: %s: %s\n", log_vis(shown, sizeof(shown), what, strlen(what)),
	    text);
	return CLI_FAILED;
}

/* A certificate: by its number, or if it has none by its ID. */
static int
ca_revoke_certificate(struct ca_revoke *v, const char *file, const struct cert *c)
{
	char id[REVOKED_ID_MAX + 1];
	int r;

	if (!bytes_equal(c->ca, buf_bytes(&v->ca)))
		return ca_revoke_wrong(file, "another CA has signed this certificate");
	if (c->serial != 0) {
		r = revoked_add_serials(&v->more, c->serial, c->serial);
	} else if (c->key_id.len < sizeof(id)) {
		memcpy(id, c->key_id.p, c->key_id.len);
		id[c->key_id.len] = '\0';
		r = revoked_add_id(&v->more, id);
	} else {
		r = ERR_FORMAT;
	}
	if (r == ERR_FORMAT)
		return ca_revoke_wrong(file,
		    "the certificate has neither a serial number nor an ID of one "
		    "line: give the public key in it");
	return r == ERR_NOMEM ? key_fail_memory() : CLI_OK;
}

static int
ca_revoke_file(struct ca_revoke *v, const char *file)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	struct buf blob, comment;
	struct cert c;
	int status;

	buf_init(&blob, KEY_BLOB_MAX);
	buf_init(&comment, KEY_BLOB_MAX);
	status = ca_read_key(file, &blob, &comment);
	if (status != CLI_OK)
		goto out;
	if (cert_parse(&c, buf_bytes(&blob)) == 0) {
		status = ca_revoke_certificate(v, file, &c);
	} else {
		pubkey_fingerprint(buf_bytes(&blob), fingerprint);
		if (revoked_add_key(&v->more, fingerprint) == ERR_NOMEM)
			status = key_fail_memory();
	}
out:
	buf_free(&comment);
	buf_free(&blob);
	return status;
}

/* A word that may have been meant as something else than a file. */
static int
ca_revoke_unless_missing(struct ca_revoke *v, const char *what)
{
	if (!ca_is_file(what) && strcmp(what, "-") != 0 && access(what, F_OK) == -1 &&
	    errno == ENOENT)
		return ca_revoke_wrong(what, "is neither a serial number, such as 7, nor a file");
	return ca_revoke_file(v, what);
}

static int
ca_revoke_operand(struct ca_revoke *v, const char *what)
{
	uint64_t first, last;

	if (what[0] < '0' || what[0] > '9' || strchr(what, '/') != NULL)
		return ca_revoke_unless_missing(v, what);
	if (revoked_serials(what, &first, &last) != 0)
		return ca_revoke_wrong(what,
		    "is no serial number, such as 7, nor a range, such as 10-20; a "
		    "file of that name is ./NAME");
	return revoked_add_serials(&v->more, first, last) == ERR_NOMEM ? key_fail_memory() : CLI_OK;
}

/* --- the record --- */

/* For ca_record_update(): the list gets what is to be added. */
static int
ca_revoke_add(void *ctx, struct revoked *list, struct reason *why)
{
	const struct revoked *more = &((const struct ca_revoke *)ctx)->more;
	int r = 0;
	size_t i;

	(void)why;
	for (i = 0; i < more->n_serials && r != ERR_NOMEM; i++)
		r = revoked_add_serials(list, more->serials[i].first, more->serials[i].last);
	for (i = 0; i < more->ids.n && r != ERR_NOMEM; i++)
		r = revoked_add_id(list, more->ids.v[i]);
	for (i = 0; i < more->keys.n && r != ERR_NOMEM; i++)
		r = revoked_add_key(list, more->keys.v[i]);
	return r == ERR_NOMEM ? r : 0;
}

static int
ca_revoke_record(const struct ca_args *a, struct state *st)
{
	struct ca_revoke v = { .args = a };
	int status, i;

	buf_init(&v.ca, KEY_BLOB_MAX);
	revoked_init(&v.more);
	status = ca_public_key(a, a->operands[0], &v.ca);
	for (i = 1; i < a->n && status == CLI_OK; i++)
		status = ca_revoke_operand(&v, a->operands[i]);
	if (status == CLI_OK && a->id != NULL && revoked_add_id(&v.more, a->id) != 0)
		status = ca_revoke_wrong(a->id, "--id takes one line of text");
	if (status == CLI_OK)
		status = ca_record_update(st, buf_bytes(&v.ca), a->operands[0], ca_revoke_add, &v);
	revoked_free(&v.more);
	buf_free(&v.ca);
	return status;
}

/* --- what is made of all records --- */

static void
ca_revoke_print(const struct ca_records *all)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	const struct revoked *l;
	size_t i, k;

	for (i = 0; i < all->n; i++) {
		l = &all->v[i];
		if (l->n_serials + l->ids.n + l->keys.n == 0)
			continue;
		pubkey_fingerprint(buf_bytes(&l->ca), fingerprint);
		printf("%s %s\n", l->name != NULL ? l->name : "-", fingerprint);
		for (k = 0; k < l->n_serials; k++)
			if (l->serials[k].first == l->serials[k].last)
				printf("    serial %" PRIu64 "\n", l->serials[k].first);
			else
				printf("    serial %" PRIu64 "-%" PRIu64 "\n", l->serials[k].first,
				    l->serials[k].last);
		for (k = 0; k < l->ids.n; k++)
			printf("    id %s\n", l->ids.v[k]);
		for (k = 0; k < l->keys.n; k++)
			printf("    key %s\n", l->keys.v[k]);
	}
}

static int
ca_revoke_write(const char *file, const struct ca_records *all)
{
	const uint64_t now = (uint64_t)time(NULL);
	struct reason why;
	struct buf krl;
	int r;

	buf_init(&krl, CA_KRL_MAX);
	/* the time is a version that grows */
	krl_write(&krl, all->v, all->n, now, now);
	r = buf_err(&krl);
	if (r != 0)
		reason_set(&why, "%s: %s", file, err_str(r));
	else
		r = ca_write(file, buf_bytes(&krl), &why);
	buf_free(&krl);
	return r == 0 ? CLI_OK : key_fail(&why, r);
}

int
ca_revoke_cmd(const struct ca_args *a)
{
	struct ca_records all = { 0 };
	struct conf *conf = NULL;
	struct state *st = NULL;
	int status;

	if (a->n == 0 && (a->id != NULL || (!a->list && a->krl == NULL)))
		return cli_wrong_words(&cli_ca, "revoke",
		    "give the CA and what it revokes, or --krl FILE, or --list");
	if (a->n == 1 && a->id == NULL)
		return cli_wrong_words(&cli_ca, "revoke",
		    "give what the CA revokes: a serial number, a file or --id");
	status = ca_state_open(a, 1, &conf, &st);
	if (status == CLI_OK && a->n > 0)
		status = ca_revoke_record(a, st);
	if (status == CLI_OK && (a->list || a->krl != NULL))
		status = ca_records_read(st, &all);
	if (status == CLI_OK && a->list)
		ca_revoke_print(&all);
	if (status == CLI_OK && a->krl != NULL)
		status = ca_revoke_write(a->krl, &all);
	else if (status == CLI_OK && !a->list)
		fprintf(stderr,
		    "sallyport: now write the KRL for the machines: sallyport ca revoke --krl FILE\n");
	ca_records_free(&all);
	state_free(&st);
	conf_free(&conf);
	return status;
}
