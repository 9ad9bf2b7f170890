/*
 * sallyport totp list and reset: what the state directory has of each TOTP secret.  Called by totp.c.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "access/state_place.h"
#include "access/totp_record.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/totp.h"

#define TIME_SIZE 32
#define LIST_MAX (16 * 1024 * 1024)

/* --- the state directory --- */

/* Open it: *st is NULL if there is none, because nobody has logged in with a code yet.  A CLI_*, the reason
 * said. */
static int
totp_state_open(const struct totp_args *a, struct state **st)
{
	struct conf_errors errors = { 0 };
	struct reason why = { "" };
	struct conf *conf;
	int r;

	*st = NULL;
	r = conf_load(a->key.conf_dir, CONF_GATEWAY, &conf, &errors);
	conf_errors_print(&errors, stderr);
	conf_errors_free(&errors);
	if (r != 0)
		return CLI_CONFIG;
	r = state_place_open(conf, 0, st, &why);
	conf_free(&conf);
	return r == 0 || r == ERR_NOTFOUND ? CLI_OK : key_fail(&why, r);
}

/* What stands for a secret that is not in the key store: that of sshpiper's file in a tree of [lookup directory], or
 * one that was removed.  Its id is that of the record. */
static void
totp_state_stray(struct bytes record, struct totp *secret)
{
	struct bytes word, value;

	*secret = (struct totp){ .step = 30 };
	while (state_line(&record, &word, &value) == 1)
		if (bytes_is(word, "id"))
			(void)sodium_hex2bin(secret->id, sizeof(secret->id), (const char *)value.p,
			    value.len, NULL, NULL, NULL);
}

/* The record of a secret; a new one if there is none.  With step 0, *secret is filled as of a stray one. */
static int
totp_state_record(struct state *st, const char *name, struct totp *secret,
    struct totp_record *record)
{
	struct reason why = { "" };
	struct buf text;
	int r = ERR_NOTFOUND;

	buf_init(&text, STATE_RECORD_MAX);
	if (st != NULL)
		r = state_read(st, TOTP_RECORD_KIND, name, &text, &why);
	if (secret->step == 0)
		totp_state_stray(buf_bytes(&text), secret);
	if (r == 0 || r == ERR_NOTFOUND) {
		r = totp_record_get(record, buf_bytes(&text), secret->id);
		if (r != 0)
			reason_set(&why,
			    "%s/" TOTP_RECORD_KIND
			    "/%s: is damaged; begin it anew with: sallyport totp reset %s",
			    state_path(st), name, name);
	}
	buf_free(&text);
	return r == 0 ? CLI_OK : key_fail(&why, r);
}

/* --- list --- */

static const char *
totp_list_time(int64_t when, char out[TIME_SIZE])
{
	const time_t t = (time_t)when;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(out, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, TIME_SIZE, "?");
	return out;
}

static void
totp_list_line(struct buf *out, const char *name, const struct totp *secret,
    const struct totp_record *r, int64_t locked)
{
	char when[TIME_SIZE];

	buf_putf(out, "%-24s  ", name);
	if (secret->secret_len > 0)
		buf_putf(out, "%u digits  %u of %zu recovery codes  ", secret->digits,
		    totp_record_recovery_left(r, secret), secret->n_recovery);
	else
		buf_putf(out, "not in the key store  ");
	if (r->used_at == 0)
		buf_putf(out, "never used");
	else
		buf_putf(out, "used %s", totp_list_time(r->used_at, when));
	if (r->n > 0)
		buf_putf(out, ", %zu remembered", r->n);
	if (locked != 0)
		buf_putf(out, ", locked until %s", totp_list_time(locked, when));
	else if (r->wrong > 0)
		buf_putf(out, ", %u wrong", r->wrong);
	buf_putf(out, "\n");
}

/* A time, or null. */
static void
totp_list_json_time(struct buf *out, const char *word, int64_t when)
{
	char text[TIME_SIZE];

	buf_putf(out, when == 0 ? ",\"%s\":null" : ",\"%s\":\"%s\"", word,
	    totp_list_time(when, text));
}

static void
totp_list_json(struct buf *out, const char *name, const struct totp *secret,
    const struct totp_record *r, int64_t locked)
{
	buf_putf(out, out->len > 1 ? ",{\"name\":" : "{\"name\":");
	json_put_text(out, name, strlen(name));
	if (secret->secret_len > 0)
		buf_putf(out,
		    ",\"digits\":%u,\"step\":%u,\"hash\":\"%s\",\"recovery_codes\":%zu,\"recovery_left\":%u",
		    secret->digits, secret->step, totp_hash_name(secret->hash), secret->n_recovery,
		    totp_record_recovery_left(r, secret));
	totp_list_json_time(out, "last_used", r->used_at);
	buf_putf(out, ",\"wrong\":%u,\"remembered\":%zu", r->wrong, r->n);
	totp_list_json_time(out, "locked_until", locked);
	buf_putf(out, "}");
}

/* A secret of the key store, or one of which there is no more than a record. */
static int
totp_list_one(const struct totp_args *a, struct keystore *ks, struct state *st, const char *name,
    struct buf *out)
{
	struct totp secret = { 0 };
	struct reason why = { "" };
	struct totp_record record;
	int status, r = 0;
	int64_t locked;

	if (ks != NULL)
		r = keystore_totp(ks, name, &secret, &why);
	status = r != 0 ? key_fail(&why, r) : totp_state_record(st, name, &secret, &record);
	if (status == CLI_OK) {
		locked = totp_record_locked(&record, (int64_t)time(NULL));
		(a->json ? totp_list_json : totp_list_line)(out, name, &secret, &record, locked);
	}
	sodium_memzero(&secret, sizeof(secret));
	return status;
}

static int
totp_list_all(const struct totp_args *a, struct keystore *ks, struct state *st, struct buf *out)
{
	struct strlist names = { 0 }, records = { 0 };
	struct reason why = { "" };
	int status = CLI_OK, r;
	size_t i;

	r = keystore_list(ks, &names, &why);
	if (r == 0 && st != NULL)
		r = state_list(st, TOTP_RECORD_KIND, &records, &why);
	if (r != 0)
		status = key_fail(&why, r);
	/* one that cannot be read does not hide the others */
	for (i = 0; r == 0 && i < names.n; i++)
		if (keystore_kind(ks, names.v[i]) == KEYSTORE_TOTP &&
		    totp_list_one(a, ks, st, names.v[i], out) != CLI_OK)
			status = CLI_FAILED;
	for (i = 0; r == 0 && i < records.n; i++)
		if (keystore_kind(ks, records.v[i]) != KEYSTORE_TOTP &&
		    totp_list_one(a, NULL, st, records.v[i], out) != CLI_OK)
			status = CLI_FAILED;
	strlist_free(&names);
	strlist_free(&records);
	return status;
}

int
totp_list_cmd(const struct totp_args *a)
{
	struct keystore *ks = NULL;
	struct state *st = NULL;
	struct buf out;
	int status;

	buf_init(&out, LIST_MAX);
	status = key_store_open(&a->key, 0, &ks);
	if (status == CLI_OK)
		status = totp_state_open(a, &st);
	if (status == CLI_OK) {
		buf_putf(&out, a->json ? "[" : "");
		status = totp_list_all(a, ks, st, &out);
		buf_putf(&out, a->json ? "]\n" : "");
		if (buf_cstr(&out) == NULL)
			status = key_fail_memory();
		else
			fputs(buf_cstr(&out), stdout);
	}
	buf_free(&out);
	state_free(&st);
	keystore_free(&ks);
	return status;
}

/* --- reset --- */

struct totp_reset {
	struct totp *secret;
	int damaged; /* the record was */
};

/* For state_repair(). */
static int
totp_reset_record(void *ctx, struct buf *text)
{
	struct totp_reset *reset = ctx;
	struct totp *secret = reset->secret;
	const int64_t now = (int64_t)time(NULL);
	struct totp_record record;

	if (text->len == 0)
		return ERR_NOTFOUND;
	if (secret->step == 0)
		totp_state_stray(buf_bytes(text), secret);
	if (totp_record_get(&record, buf_bytes(text), secret->id) != 0) {
		/* what was used up is not known: all that can have been */
		reset->damaged = 1;
		if (totp_record_get(&record, (struct bytes){ NULL, 0 }, secret->id) != 0)
			return ERR_BADSTATE;
		record.step = now / secret->step + TOTP_SKEW_MAX;
		record.recovery = (1U << secret->n_recovery) - 1;
	}
	totp_record_reset(&record, secret, now);
	buf_reset(text);
	totp_record_put(text, &record);
	return buf_err(text);
}

/* ERR_NOTFOUND without why: there is no record. */
static int
totp_reset_in(struct state *st, const char *name, struct totp *secret, struct reason *why)
{
	struct totp_reset reset = { .secret = secret };
	int r;

	if (st == NULL)
		return ERR_NOTFOUND;
	r = state_repair(st, TOTP_RECORD_KIND, name, totp_reset_record, &reset, why);
	if (r == 0 && reset.damaged)
		fprintf(stderr,
		    "%s: its record was damaged: codes of the next minutes and all recovery codes "
		    "count as used\n",
		    name);
	if (r != 0 && r != ERR_NOTFOUND && why->text[0] == '\0')
		reason_set(why, "%s: %s", name, err_str(r));
	return r;
}

/* Of a secret in the key store, or of another one that there is a record of. */
static int
totp_reset(struct keystore *ks, struct state *st, const char *name)
{
	struct reason why = { "" }, missing = { "" };
	struct totp secret = { 0 };
	int stored, r;

	r = keystore_totp(ks, name, &secret, &missing);
	stored = keystore_kind(ks, name) == KEYSTORE_TOTP;
	if (r == 0 || !stored)
		r = totp_reset_in(st, name, &secret, &why);
	else
		why = missing;
	sodium_memzero(&secret, sizeof(secret));
	if (r == 0)
		return CLI_OK;
	if (r != ERR_NOTFOUND)
		return key_fail(&why, r);
	if (!stored) {
		fprintf(stderr,
		    "sallyport: %s: is no TOTP secret; sallyport totp list prints their names\n",
		    name);
		return CLI_FAILED;
	}
	fprintf(stderr, "%s: no code of it has been asked for: there is nothing to reset\n", name);
	return CLI_OK;
}

int
totp_reset_cmd(const struct totp_args *a)
{
	struct keystore *ks = NULL;
	struct state *st = NULL;
	int status;

	status = key_store_open(&a->key, 0, &ks);
	if (status == CLI_OK)
		status = totp_state_open(a, &st);
	if (status == CLI_OK)
		status = totp_reset(ks, st, a->name);
	state_free(&st);
	keystore_free(&ks);
	return status;
}
