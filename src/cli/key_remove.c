/*
 * sallyport key remove: a key that the configuration names stays, unless --force is given.  Called by key.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "cli/each_login.h"
#include "cli/key.h"
#include "conf/conf.h"
#include "lookup/percent.h"
#include "lookup/plugin.h"
#include "lookup/route_types.h"

/* Lines about users of the key that are printed; their number is printed whole. */
#define USERS_SHOWN 20

/* Can the value of a route's Key, Password, ConnectViaPassword or TOTP be this name, for a login that the route is for? */
static int
key_remove_value_is(const char *value, const char *route, const char *name)
{
	const struct wildcard_match exact = { .login = route };
	struct wildcard_match match;
	char *text, *to;
	int is = 0;

	if (!percent_has(value))
		return strcmp(value, name) == 0;
	if (!login_pattern_is(route)) {
		if (percent_expand(value, &exact, 0, &text) == 0)
			is = strcmp(text, name) == 0;
		free(text);
		return is;
	}
	/* the value as a pattern: %1 may be any text, %u any login of the route */
	text = malloc(strlen(value) * (strlen(route) + 1) + 1);
	if (text == NULL)
		return 1;
	for (to = text; *value != '\0'; value++) {
		if (value[0] != '%' || value[1] == '\0')
			*to++ = *value;
		else if (*++value == 'u' && !login_pattern_is_regex(route))
			to = stpcpy(to, route);
		else
			*to++ = '*';
	}
	*to = '\0';
	is = wildcard_stars(text) > WILDCARD_CAPTURES || wildcard_find(text, name, &match);
	free(text);
	return is;
}

/* The users of a key that have been found; the first of them are printed. */
struct key_remove {
	const char *name;
	size_t n;
};

/* Print one, as a line of printf(3). */
static void __attribute__((format(printf, 2, 3)))
key_remove_found(struct key_remove *k, const char *fmt, ...)
{
	va_list ap;

	if (k->n++ >= USERS_SHOWN)
		return;
	fputs("    ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void
key_remove_of_section(struct key_remove *k, const struct conf_section *s)
{
	char *route = strndup(s->name, route_name_len(s->name));
	const struct conf_entry *e;
	const char *ca;
	size_t i;

	for (i = 0; route != NULL && i < s->n; i++) {
		e = &s->entries[i];
		ca = strcasecmp(e->key, "Key") == 0 ? route_ca_of_key(e->value) : NULL;
		if ((strcasecmp(e->key, "Key") == 0 || strcasecmp(e->key, "Password") == 0 ||
			strcasecmp(e->key, "ConnectViaPassword") == 0 ||
			strcasecmp(e->key, "TOTP") == 0) &&
		    key_remove_value_is(ca != NULL ? ca : e->value, route, k->name))
			key_remove_found(k, "%s:%u: %s = %s in [route %s]", e->file, e->line,
			    e->key, e->value, s->name);
	}
	free(route);
}

/* A route of a directory (each_route()). */
static void
key_remove_of_route(void *ctx, const char *login, const struct route *r)
{
	struct key_remove *k = ctx;
	const char *key = route_ca(r) != NULL ? route_ca(r) : r->key;

	(void)login;
	if (key != NULL && strcmp(key, k->name) == 0)
		key_remove_found(k, "%s: Key = %s", r->source, r->key);
	if (r->password != NULL && strcmp(r->password, k->name) == 0)
		key_remove_found(k, "%s: Password = %s", r->source, r->password);
	if (r->connect_via_password != NULL && strcmp(r->connect_via_password, k->name) == 0)
		key_remove_found(k, "%s: ConnectViaPassword = %s", r->source,
		    r->connect_via_password);
	if (r->totp != NULL && strcmp(r->totp, k->name) == 0)
		key_remove_found(k, "%s: TOTP = %s", r->source, r->totp);
}

/* [edge] */
static void
key_remove_of_edge(struct key_remove *k, const struct conf *conf)
{
	unsigned int line;
	const char *file = conf_where(conf, "edge", "ConnectPasswords", &line);

	if (strlist_has(&conf->edge.connect_passwords, k->name))
		key_remove_found(k, "%s:%u: ConnectPasswords has %s", file, line, k->name);
}

/* Does the configuration name the key?  Then that is printed. */
static int
key_remove_in_use(const struct key_args *a)
{
	struct key_remove k = { .name = a->name };
	struct conf_errors errors = { 0 };
	struct reason why;
	struct conf *conf;
	unsigned int line;
	const char *file;
	size_t i;

	/* errors elsewhere in it do not matter here */
	(void)!conf_read(a->conf_dir, CONF_ALL, &conf, &errors);
	conf_errors_free(&errors);
	if (conf == NULL)
		return 0; /* key_store_open() has read it */
	if (strlist_has(&conf->gateway.host_keys, a->name)) {
		file = conf_where(conf, "gateway", "HostKey", &line);
		key_remove_found(&k, "%s:%u: HostKey of [gateway]", file, line);
	}
	key_remove_of_edge(&k, conf);
	for (i = 0; i < conf->n_routes; i++)
		key_remove_of_section(&k, &conf->routes[i]);
	(void)!each_tree_route(conf, key_remove_of_route, &k, &why);
	if (k.n > USERS_SHOWN)
		fprintf(stderr, "    and %zu more\n", k.n - USERS_SHOWN);
	conf_free(&conf);
	return k.n > 0;
}

int
key_remove_cmd(const struct key_args *a)
{
	struct reason why = { "" };
	struct keystore *ks;
	int status, r;

	if ((status = key_store_open(a, 0, &ks)) != CLI_OK)
		return status;
	if (!a->force && a->store == NULL && keystore_kind(ks, a->name) != KEYSTORE_OTHER &&
	    key_remove_in_use(a)) {
		fprintf(stderr,
		    "sallyport: %s is in use there, and stays; to remove it nevertheless, add "
		    "--force\n",
		    a->name);
		keystore_free(&ks);
		return CLI_FAILED;
	}
	r = keystore_remove(ks, a->name, &why);
	keystore_free(&ks);
	return r == 0 ? CLI_OK : key_fail(&why, r);
}
