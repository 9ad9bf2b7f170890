/*
 * sallyport key remove: a key that the configuration names stays, unless --force is given.  Called by key.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "cli/key.h"
#include "conf/conf.h"
#include "lookup/percent.h"
#include "lookup/plugin.h"

/* Lines about users of the key that are printed; their number is printed whole. */
#define USERS_SHOWN 20

/* Can the value of a route's Key or Password be this name, for a login that the route is for? */
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

/* Print the users of the key among the routes.  Their number. */
static size_t
key_remove_of_routes(const struct conf *conf, const char *name)
{
	const struct conf_section *s;
	const struct conf_entry *e;
	size_t i, j, n = 0;
	char *route;

	for (i = 0; i < conf->n_routes; i++) {
		s = &conf->routes[i];
		route = strndup(s->name, route_name_len(s->name));
		for (j = 0; route != NULL && j < s->n; j++) {
			e = &s->entries[j];
			if ((strcasecmp(e->key, "Key") != 0 &&
				strcasecmp(e->key, "Password") != 0) ||
			    !key_remove_value_is(e->value, route, name))
				continue;
			if (n++ < USERS_SHOWN)
				fprintf(stderr, "    %s:%u: %s = %s in [route %s]\n", e->file,
				    e->line, e->key, e->value, s->name);
		}
		free(route);
	}
	if (n > USERS_SHOWN)
		fprintf(stderr, "    and %zu more\n", n - USERS_SHOWN);
	return n;
}

/* Does the configuration name the key?  Then that is printed. */
static int
key_remove_in_use(const struct key_args *a)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	unsigned int line;
	const char *file;
	size_t n = 0;

	/* errors elsewhere in it do not matter here */
	(void)!conf_read(a->conf_dir, CONF_ALL, &conf, &errors);
	conf_errors_free(&errors);
	if (conf == NULL)
		return 0; /* key_store_open() has read it */
	if (strlist_has(&conf->gateway.host_keys, a->name)) {
		file = conf_where(conf, "gateway", "HostKey", &line);
		fprintf(stderr, "    %s:%u: HostKey of [gateway]\n", file, line);
		n++;
	}
	n += key_remove_of_routes(conf, a->name);
	conf_free(&conf);
	return n > 0;
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
