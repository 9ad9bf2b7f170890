/*
 * sallyport ca list: the keys that routes use as CA, and those that have signed or revoked here.  Called by ca.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cli/ca_record.h"
#include "cli/cli.h"
#include "cli/each_login.h"
#include "formats/pubkey.h"
#include "lookup/percent.h"
#include "lookup/route_types.h"

/* CAs that are shown: a configuration has a few. */
#define CA_LIST_MAX 1000

struct ca_entry {
	char *name;
	struct strlist routes;
	struct buf blob; /* empty: not known */
	size_t revoked;	 /* serial numbers and ranges, IDs and keys */
};

struct ca_list {
	const struct ca_args *args;
	struct keystore *ks;
	struct ca_entry *v;
	size_t n;
	int status; /* a key that cannot be shown does not hide the others */
};

/* --- finding them --- */

static struct ca_entry *
ca_list_new(struct ca_list *l, const char *name)
{
	struct ca_entry *more, *e;

	more = l->n < CA_LIST_MAX ? reallocarray(l->v, l->n + 1, sizeof(*more)) : NULL;
	if (more == NULL)
		fatal("out of memory");
	l->v = more;
	e = &l->v[l->n++];
	*e = (struct ca_entry){ .name = strdup(name) };
	if (e->name == NULL)
		fatal("out of memory");
	buf_init(&e->blob, KEY_BLOB_MAX);
	return e;
}

static struct ca_entry *
ca_list_named(struct ca_list *l, const char *name)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (strcmp(l->v[i].name, name) == 0)
			return &l->v[i];
	return ca_list_new(l, name);
}

static void
ca_list_add(struct ca_list *l, const char *name, const char *route)
{
	if (strlist_add(&ca_list_named(l, name)->routes, route, strlen(route)) != 0)
		fatal("out of memory");
}

/* A section that has Key = ca:NAME; or Key = ca-agent:SOCKET with CertificateAuthority = FILE.pub. */
static void
ca_list_section(struct ca_list *l, const struct conf *conf, const struct conf_section *s)
{
	const struct conf_entry *key = conf_entry_find(s, "Key");
	const struct conf_entry *authority = conf_entry_find(s, "CertificateAuthority");
	char *path;

	if (key == NULL)
		return;
	if (route_ca_of_key(key->value) != NULL) {
		ca_list_add(l, route_ca_of_key(key->value), s->name);
	} else if (route_ca_agent_of_key(key->value) != NULL && authority != NULL) {
		path = conf_path(conf, authority->value);
		if (path == NULL)
			fatal("out of memory");
		ca_list_add(l, path, s->name);
		free(path);
	}
}

/* A route of a directory (each_route()). */
static void
ca_list_of_route(void *ctx, const char *login, const struct route *r)
{
	if (route_ca(r) != NULL)
		ca_list_add(ctx, route_ca(r), login);
}

static void
ca_list_find(struct ca_list *l)
{
	struct conf_errors errors = { 0 };
	struct reason why;
	struct conf *conf;
	size_t i;

	/* errors elsewhere in it do not matter here */
	(void)!conf_read(l->args->store.conf_dir, CONF_ALL, &conf, &errors);
	conf_errors_free(&errors);
	if (conf == NULL)
		return;
	for (i = 0; i < conf->n_routes; i++)
		ca_list_section(l, conf, &conf->routes[i]);
	if (each_tree_route(conf, ca_list_of_route, l, &why) != 0)
		fprintf(stderr, "sallyport: %s\n", why.text);
	conf_free(&conf);
}

static void
ca_list_keys(struct ca_list *l)
{
	struct reason why = { "" };
	struct buf comment;
	char type[64];
	size_t i;
	int r;

	for (i = 0; i < l->n; i++) {
		if (percent_has(l->v[i].name))
			continue; /* the login says which one */
		if (ca_is_file(l->v[i].name)) {
			buf_init(&comment, KEY_BLOB_MAX);
			if (ca_read_key(l->v[i].name, &l->v[i].blob, &comment) != CLI_OK)
				l->status = CLI_FAILED;
			buf_free(&comment);
			continue;
		}
		r = keystore_public(l->ks, l->v[i].name, &l->v[i].blob, type, &why);
		if (r != 0)
			l->status = key_fail(&why, r);
	}
}

/* The records say which keys have signed by ca sign, or have revoked something. */
static void
ca_list_records(struct ca_list *l, const struct ca_records *records)
{
	const struct revoked *r;
	struct ca_entry *e;
	size_t i, k;

	for (i = 0; i < records->n; i++) {
		r = &records->v[i];
		for (e = NULL, k = 0; k < l->n && e == NULL; k++)
			if (bytes_equal(buf_bytes(&l->v[k].blob), buf_bytes(&r->ca)))
				e = &l->v[k];
		if (e == NULL) {
			e = ca_list_new(l, r->name != NULL ? r->name : "-");
			buf_put(&e->blob, r->ca.data, r->ca.len);
		}
		e->revoked = r->n_serials + r->ids.n + r->keys.n;
	}
}

/* --- printing --- */

static void
ca_list_key(const struct ca_entry *e, const char **type, char fingerprint[PUBKEY_FINGERPRINT_SIZE])
{
	char name[64];

	*type = "-";
	snprintf(fingerprint, PUBKEY_FINGERPRINT_SIZE, "-");
	if (pubkey_type(buf_bytes(&e->blob), name) != 0)
		return;
	*type = pubkey_type_short(name);
	pubkey_fingerprint(buf_bytes(&e->blob), fingerprint);
}

static void
ca_list_print(const struct ca_list *l)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], shown[1024];
	const struct ca_entry *e;
	const char *type;
	int width = 0;
	size_t k;

	for (e = l->v; e < l->v + l->n; e++)
		if ((int)strlen(e->name) > width)
			width = (int)strlen(e->name);
	for (e = l->v; e < l->v + l->n; e++) {
		ca_list_key(e, &type, fingerprint);
		printf("%-*s  %-7s  %s", width,
		    log_vis(shown, sizeof(shown), e->name, strlen(e->name)), type, fingerprint);
		for (k = 0; k < e->routes.n; k++)
			printf("%s%s", k == 0 ? "  " : " ",
			    log_vis(shown, sizeof(shown), e->routes.v[k], strlen(e->routes.v[k])));
		if (e->revoked > 0)
			printf(" (%zu revoked)", e->revoked);
		putchar('\n');
	}
}

/* An array with an object for each. */
static int
ca_list_json(const struct ca_list *l)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];
	const struct ca_entry *e;
	const char *type;
	struct buf text;
	size_t k;

	buf_init(&text, 16 * 1024 * 1024);
	buf_putf(&text, "[");
	for (e = l->v; e < l->v + l->n; e++) {
		ca_list_key(e, &type, fingerprint);
		buf_putf(&text, "%s{\"name\":", e == l->v ? "" : ",");
		json_put_text(&text, e->name, strlen(e->name));
		buf_putf(&text,
		    ",\"type\":\"%s\",\"fingerprint\":\"%s\",\"revoked\":%zu,\"routes\":[", type,
		    fingerprint, e->revoked);
		for (k = 0; k < e->routes.n; k++) {
			buf_putf(&text, "%s", k == 0 ? "" : ",");
			json_put_text(&text, e->routes.v[k], strlen(e->routes.v[k]));
		}
		buf_putf(&text, "]}");
	}
	buf_putf(&text, "]");
	if (buf_cstr(&text) == NULL) {
		buf_free(&text);
		return key_fail_memory();
	}
	puts(buf_cstr(&text));
	buf_free(&text);
	return CLI_OK;
}

static void
ca_list_free(struct ca_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		free(l->v[i].name);
		strlist_free(&l->v[i].routes);
		buf_free(&l->v[i].blob);
	}
	free(l->v);
	keystore_free(&l->ks);
}

int
ca_list_cmd(const struct ca_args *a)
{
	struct ca_list l = { .args = a };
	struct ca_records records = { 0 };
	struct conf *conf = NULL;
	struct state *st = NULL;
	int status;

	status = key_store_open(&a->store, 0, &l.ks);
	if (status == CLI_OK)
		status = ca_state_open(a, 0, &conf, &st);
	if (status == CLI_OK && st != NULL)
		status = ca_records_read(st, &records);
	if (status == CLI_OK) {
		ca_list_find(&l);
		ca_list_keys(&l);
		ca_list_records(&l, &records);
		if (a->json)
			status = ca_list_json(&l);
		else
			ca_list_print(&l);
		if (l.status != CLI_OK)
			status = l.status;
	}
	ca_records_free(&records);
	state_free(&st);
	conf_free(&conf);
	ca_list_free(&l);
	return status;
}
