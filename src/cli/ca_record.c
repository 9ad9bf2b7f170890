/*
 * The records of sallyport ca in the state directory: for each CA that has signed or revoked here, its public key,
 * its name, and what it has revoked (formats/revoked.h).  Called by the commands of ca.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "access/state_place.h"
#include "base/log.h"
#include "cli/as_user.h"
#include "cli/ca_record.h"
#include "cli/cli.h"
#include "formats/pubkey.h"

#define CA_RECORD_KIND "revoked"

/* The name of a CA's record is the SHA-256 of its public key in hexadecimal: an agent's key has no name in the key
 * store, and a key that takes the place of another under its name is another CA. */
static void
ca_record_name(struct bytes ca, char name[2 * crypto_hash_sha256_BYTES + 1])
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, ca.p, ca.len);
	sodium_bin2hex(name, 2 * sizeof(hash) + 1, hash, sizeof(hash));
}

int
ca_state_open(const struct ca_args *a, int create, struct conf **conf, struct state **st)
{
	struct conf_errors errors = { 0 };
	struct reason why;
	int r;

	*st = NULL;
	as_user_hints(a->store.conf_dir);
	r = conf_load(a->store.conf_dir, CONF_GATEWAY, conf, &errors);
	conf_errors_print(&errors, stderr);
	conf_errors_free(&errors);
	if (r != 0)
		return CLI_CONFIG;
	r = state_place_open(*conf, create, st, &why);
	return r == 0 || (r == ERR_NOTFOUND && !create) ? CLI_OK : key_fail(&why, r);
}

int
ca_serial(const struct ca_args *a, struct bytes ca, uint64_t *serial)
{
	struct reason why = { "" };
	struct conf *conf = NULL;
	struct state *st = NULL;
	uint64_t last;
	int status, r;

	if (a->serial != NULL) {
		if (revoked_serials(a->serial, serial, &last) == 0 && *serial == last)
			return CLI_OK;
		fprintf(stderr,
		    "sallyport: --serial takes a number from 1 to 18446744073709551615\n");
		return CLI_USAGE;
	}
	status = ca_state_open(a, 1, &conf, &st);
	if (status == CLI_OK)
		status = ca_record_update(st, ca, a->ca, NULL, NULL);
	if (status == CLI_OK) {
		r = state_serial(st, (unsigned int)conf->gateway.number, serial, &why);
		if (r != 0)
			status = key_fail(&why, r);
	}
	state_free(&st);
	conf_free(&conf);
	return status;
}

/* --- one record --- */

struct ca_record_change {
	struct bytes ca;
	const char *name;
	int (*change)(void *ctx, struct revoked *list, struct reason *why);
	void *ctx;
	struct reason *why;
};

/* For state_update(). */
static int
ca_record_changed(void *ctx, struct buf *record)
{
	struct ca_record_change *c = ctx;
	struct revoked list;
	char name[PATH_MAX]; /* or a file of any name, of which a record takes a line */
	int r = 0;

	if (record->len > 0 && c->change == NULL)
		return ERR_EXISTS;
	revoked_init(&list);
	if (record->len > 0)
		r = revoked_get(&list, buf_bytes(record), c->why);
	else
		buf_put(&list.ca, c->ca.p, c->ca.len);
	log_vis(name, sizeof(name), c->name, strlen(c->name));
	if (r == 0 && list.name == NULL && (list.name = strdup(name)) == NULL)
		r = ERR_NOMEM;
	if (r == 0 && c->change != NULL)
		r = c->change(c->ctx, &list, c->why);
	buf_reset(record);
	revoked_put(&list, record);
	revoked_free(&list);
	return r == 0 ? buf_err(record) : r;
}

int
ca_record_update(struct state *st, struct bytes ca, const char *name,
    int (*change)(void *ctx, struct revoked *list, struct reason *why), void *ctx)
{
	struct reason why = { "" };
	struct ca_record_change c = { ca, name, change, ctx, &why };
	char record[2 * crypto_hash_sha256_BYTES + 1];
	int r;

	ca_record_name(ca, record);
	r = state_update(st, CA_RECORD_KIND, record, ca_record_changed, &c, &why);
	if (r == 0 || r == ERR_EXISTS)
		return CLI_OK;
	if (r == ERR_TOOBIG)
		reason_set(&why,
		    "%s has revoked too much for one record (64 KiB): revoke ranges of serial "
		    "numbers, or begin with another CA",
		    name);
	else if (why.text[0] == '\0')
		reason_set(&why, "%s: %s", state_path(st), err_str(r));
	return key_fail(&why, r);
}

/* --- all records --- */

static int
ca_record_read(struct state *st, const char *name, struct revoked *list)
{
	struct reason why = { "" };
	struct buf text;
	int r;

	revoked_init(list);
	buf_init(&text, STATE_RECORD_MAX);
	r = state_read(st, CA_RECORD_KIND, name, &text, &why);
	if (r == 0) {
		r = revoked_get(list, buf_bytes(&text), &why);
		if (r == ERR_FORMAT)
			fprintf(stderr, "sallyport: %s/%s/%s: ", state_path(st), CA_RECORD_KIND,
			    name);
	}
	buf_free(&text);
	return r == 0 ? CLI_OK : key_fail(&why, r);
}

int
ca_records_read(struct state *st, struct ca_records *records)
{
	struct strlist names = { 0 };
	struct reason why;
	int r, status = CLI_OK;

	*records = (struct ca_records){ 0 };
	r = state_list(st, CA_RECORD_KIND, &names, &why);
	if (r != 0)
		status = key_fail(&why, r);
	if (status == CLI_OK && names.n > 0) {
		records->v = calloc(names.n, sizeof(*records->v));
		if (records->v == NULL)
			status = key_fail_memory();
	}
	for (; status == CLI_OK && records->n < names.n; records->n++)
		status = ca_record_read(st, names.v[records->n], &records->v[records->n]);
	strlist_free(&names);
	return status;
}

void
ca_records_free(struct ca_records *records)
{
	size_t i;

	for (i = 0; i < records->n; i++)
		revoked_free(&records->v[i]);
	free(records->v);
	*records = (struct ca_records){ 0 };
}
