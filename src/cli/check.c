/*
 * sallyport check: the errors of the configuration, and of the files and keys that it names.
 * check_files.c and check_lists.c have what is in files; the key store is opened by
 * store_probe.c.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/identity.h"
#include "base/access_hint.h"
#include "base/buf.h"
#include "base/names.h"
#include "base/log.h"
#include "base/privs.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/store_probe.h"
#include "conf/users.h"
#include "keystore/keystore.h"
#include "lookup/lookup.h"
#include "lookup/plugin.h"
#include "transport/leg.h"

/* --- the key store --- */

/* 0 if the keeper can use this key or password.  Else its ERR_*, reported: in list, if it is
 * missing. */
static int
check_key(struct check *c, const char *name, const char *what, enum keystore_kind kind,
    const char *file, unsigned int line, struct conf_errors *list)
{
	const char *why;
	int err;

	if (c->store.path == NULL)
		return 0;
	err = store_probe_try(&c->store, kind, name, &why);
	if (err == ERR_NOTFOUND)
		conf_error(list, file, line,
		    "%s: there is no %s %s in the key store %s; make it with: "
		    "sallyport key %s %s%s%s%s",
		    what, kind == KEYSTORE_PASSWORD ? "password" : "key", name, c->store.path,
		    kind == KEYSTORE_PASSWORD ? "add" : "generate", name,
		    kind == KEYSTORE_PASSWORD ? " --password" : "", c->dir == NULL ? "" : " -c ",
		    c->dir == NULL ? "" : c->dir);
	else if (err != 0)
		conf_error(c->errors, file, line, "%s: %s", what, why);
	return err;
}

/* A store may have a key of this name from before the word was reserved. */
static void
check_agent(const struct check *c, const struct conf_entry *e)
{
	char *path;

	if (c->conf->keystore.path == NULL ||
	    asprintf(&path, "%s/" CONF_KEY_AGENT, c->conf->keystore.path) == -1)
		return;
	if (access(path, F_OK) == 0)
		conf_error(c->errors, e->file, e->line,
		    "Key: agent means the user's own agent; there is a key %s, which is not "
		    "used any more: remove it",
		    path);
	free(path);
}

/* Opened as the keeper does at its start, with the same errors. */
static void
check_store(struct check *c)
{
	const struct conf_keystore *k = &c->conf->keystore;
	struct reason why;
	const char *file;
	unsigned int line;

	file = conf_where(c->conf, "keystore", "Path", &line);
	if (store_probe_open(&c->store, k, &c->as, &why) != 0)
		conf_error(c->errors, file, line, "%s", why.text);
	else if (identity_check_way(c->conf, &why) != 0)
		conf_error(c->errors, file, line, "%s", why.text);
}

/* Without the user of RunAs a gateway that root starts ends at once. */
static void
check_users(struct check *c)
{
	const struct conf_gateway *g = &c->conf->gateway;
	const char *user = g->run_as != NULL ? g->run_as : CONF_RUN_AS, *file;
	unsigned int line;

	if (getuid() != 0 || privs_user_exists(user))
		return;
	file = conf_where(c->conf, "gateway", "RunAs", &line);
	conf_error(&c->notes, file, line,
	    "RunAs: there is no user \"%s\", and without it the gateway does not start as root; "
	    "make one (adduser --system --group %s) or set RunAs",
	    user, user);
}

/* The master's question at its start and at each reload: could a session begin with these
 * host keys? */
static void
check_host_keys_serve(struct check *c, const struct identity *id, const char *file,
    unsigned int line)
{
	struct bytes keys[IDENTITY_KEYS_MAX];
	const char *why;
	size_t i;

	for (i = 0; i < id->n_host_keys; i++)
		keys[i] = buf_bytes(&id->host_keys[i].blob);
	if (id->n_host_keys > 0 && leg_global_init() == 0 &&
	    leg_try_host_keys(keys, id->n_host_keys, &why) != 0)
		conf_error(c->errors, file, line,
		    "HostKey: no session could begin with these keys: %s", why);
}

/* The host keys, loaded as the keeper does at its start; list is for those that are missing. */
static void
check_host_keys(struct check *c, struct conf_errors *list)
{
	const struct strlist *names = &c->conf->gateway.host_keys;
	struct identity *id;
	struct reason why;
	unsigned int line;
	const char *file = conf_where(c->conf, "gateway", "HostKey", &line);
	size_t i;
	int r = 0;

	if (identity_new(c->store.ks, &id) != 0)
		fatal("out of memory");
	for (i = 0; i < names->n && r != ERR_TOOBIG; i++) {
		if (check_key(c, names->v[i], "HostKey", KEYSTORE_KEY, file, line, list) != 0 ||
		    id->keystore == NULL)
			continue;
		r = identity_add_key(id, names->v[i], &why);
		if (r != 0)
			conf_error(c->errors, file, line, "HostKey %s: %s", names->v[i], why.text);
	}
	check_host_keys_serve(c, id, file, line);
	(void)!identity_check_algorithms(id, c->conf, c->errors);
	identity_unref(&id);
}

static void
check_gateway(struct check *c)
{
	const struct conf_gateway *g = &c->conf->gateway;
	const struct conf_keystore *k = &c->conf->keystore;
	struct conf_errors *list = c->errors;
	struct conf_entry e = { 0 };
	struct reason why;
	char *banner = NULL;

	/* a gateway that has just been installed has no keys yet, and that is no error */
	if (k->path != NULL && store_probe_is_empty(k->path))
		list = &c->notes;
	if (k->path != NULL && k->unlock != NULL &&
	    (list != &c->notes || store_probe_is_made(k->path)))
		check_store(c);
	else /* keys can be looked for, but not opened */
		c->store = (struct store_probe){ .path = k->path, .closed = 1 };
	check_host_keys(c, list);
	check_users(c);
	e.file = conf_where(c->conf, "gateway", "Banner", &e.line);
	if (g->banner != NULL && identity_banner(c->conf, &banner, &why) != 0)
		conf_error(c->errors, e.file, e.line, "Banner: %s", why.text);
	free(banner);
}

/* --- routes --- */

/* Would a connection to this host and port come back to this gateway? */
static int
check_is_here(const struct conf_listen *l, const char *host, uint16_t port)
{
	int any = strcmp(l->host, "0.0.0.0") == 0 || strcmp(l->host, "::") == 0;

	if (l->port != port)
		return 0;
	if (strcmp(l->host, host) == 0)
		return 1;
	return any &&
	    (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
		strncmp(host, "127.", 4) == 0);
}

static void
check_loop(struct check *c, const struct conf_section *s, const struct route *r)
{
	const struct conf_gateway *g = &c->conf->gateway;
	struct conf_entry e = check_place(s, "HostName");
	size_t i, j;

	for (i = 0; i < r->hosts.n; i++)
		for (j = 0; j < g->n_listen; j++)
			if (check_is_here(&g->listen[j], r->hosts.v[i], r->port))
				conf_error(c->errors, e.file, e.line,
				    "HostName: %s port %u leads back to this gateway",
				    r->hosts.v[i], r->port);
}

/* Is the value the same for each login?  That of a pattern may depend on the login. */
static int
check_is_known(const struct conf_section *s, const char *value)
{
	return value != NULL && (!login_pattern_is(s->name) || strchr(value, '%') == NULL);
}

static void
check_route(struct check *c, const struct conf_section *s)
{
	char *login = strndup(s->name, route_name_len(s->name));
	struct wildcard_match match = { .login = login != NULL ? login : "" };
	struct conf_errors errors = { 0 };
	struct conf_entry e = check_place(s, "Key");
	struct reason why = { "out of memory" };
	struct route *r;

	if (route_new(c->conf, s, &errors, &r) != 0)
		goto out; /* conf_read() and lookup_new() have reported its errors */
	if (!login_pattern_is(s->name) && route_expand(c->conf, r, &match, &why) != 0) {
		conf_error(c->errors, s->file, s->line, "%s", why.text);
		goto out;
	}
	if (r->agent)
		check_agent(c, &e);
	else if (check_is_known(s, r->key))
		(void)check_key(c, r->key, "Key", KEYSTORE_KEY, e.file, e.line, c->errors);
	e = check_place(s, "Password");
	if (check_is_known(s, r->password))
		(void)check_key(c, r->password, "Password", KEYSTORE_PASSWORD, e.file, e.line,
		    c->errors);
	if (check_is_known(s, r->authorized_keys_file))
		check_authorized_keys(c, s, r);
	check_inline_keys(c, s);
	if (check_is_known(s, r->trusted_user_ca_keys))
		check_trusted_cas(c, s, r);
	if (check_is_known(s, r->revoked_keys))
		check_revoked(c, s, r);
	if (check_is_known(s, r->certificate_file) && check_is_known(s, r->key))
		check_certificate_file(c, s, r);
	check_known_hosts(c, s, r);
	check_loop(c, s, r);
out:
	conf_errors_free(&errors);
	route_free(&r);
	free(login);
}

/* --- the command --- */

static int
check_error_order(const void *a, const void *b)
{
	const struct conf_error *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	if (order != 0)
		return order;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return strcmp(x->text, y->text);
}

static int
check_report(const struct check *c)
{
	size_t i;

	if (c->errors->n > 1)
		qsort(c->errors->v, c->errors->n, sizeof(*c->errors->v), check_error_order);
	conf_errors_print(c->errors, stderr);
	for (i = 0; i < c->notes.n; i++) {
		fputs("note: ", stderr);
		conf_errors_print(&(struct conf_errors){ &c->notes.v[i], 1 }, stderr);
	}
	if (c->errors->n > 0)
		return CLI_CONFIG;
	return CLI_OK;
}

static void
check_dump(const struct conf *conf, const struct lookup *lookup)
{
	struct conf_errors errors = { 0 };
	struct route *r;
	size_t i;

	conf_dump(conf, stdout);
	lookup_dump(lookup, conf, stdout);
	for (i = 0; i < conf->n_routes; i++) {
		if (route_new(conf, &conf->routes[i], &errors, &r) != 0)
			continue;
		putchar('\n');
		route_dump(r, stdout);
		route_free(&r);
	}
	conf_errors_free(&errors);
}

static void
check_lookup(struct check *c, struct lookup *lookup, const struct conf *conf)
{
	lookup_check(lookup, conf, c->errors);
	(void)!users_check_programs(conf, &c->as.users, c->errors);
	if (as_user_programs_user(&c->as) == NULL)
		return;
	as_user_programs(&c->as);
	lookup_check_run(lookup, conf, c->errors);
	as_user_keeper(&c->as);
}

/* Could the keeper read all that its caller could?  Of a file that it cannot, the errors that would follow
 * are not reported. */
static int
check_is_whole(const struct check *c, const struct conf *conf)
{
	size_t i, n = 0, own = 0;

	if (!as_user_other(&c->as))
		return 1;
	for (i = 0; i < conf->n_sections; i++)
		n += conf->sections[i].n + 1;
	for (i = 0; i < c->as.conf->n_sections; i++)
		own += c->as.conf->sections[i].n + 1;
	return n == own;
}

static int
check_all(const char *dir, int dumping)
{
	struct conf_errors errors = { 0 };
	struct check c = { .dir = dir, .errors = &errors };
	struct lookup *lookup = NULL;
	struct conf *conf;
	size_t i;
	int status;

	check_lists_init(&c.lists, &c.notes);
	as_user_init(&c.as, dir);
	as_user_keeper(&c.as);
	(void)!conf_read(dir, CONF_ALL, &conf, &errors); /* it has added its errors */
	if (conf != NULL && check_is_whole(&c, conf)) {
		if (lookup_new(conf, &errors, &lookup) == 0)
			check_lookup(&c, lookup, conf);
		c.conf = conf;
		check_gateway(&c);
		for (i = 0; i < conf->n_routes; i++)
			check_route(&c, &conf->routes[i]);
	}
	status = check_report(&c);
	if (status == CLI_OK && dumping)
		check_dump(conf, lookup);
	if (status == CLI_OK)
		fprintf(dumping ? stderr : stdout, "%s: ok: %zu route%s\n", conf->dir,
		    conf->n_routes, conf->n_routes == 1 ? "" : "s");
	as_user_self();
	store_probe_close(&c.store);
	check_lists_free(&c.lists);
	lookup_free(&lookup);
	conf_free(&conf);
	conf_errors_free(&errors);
	conf_errors_free(&c.notes);
	as_user_free(&c.as);
	return status;
}

static int
check_run(int argc, char **argv)
{
	const char *dir = NULL;
	int dumping = 0, at;
	const struct cli_option options[] = {
		{ "config", 'c', &dir, NULL },
		{ "dump", 0, NULL, &dumping },
		{ 0 },
	};

	at = cli_options(argc, argv, options, &cli_check);
	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	return at == argc ? check_all(dir, dumping) : cli_wrong_usage(&cli_check);
}

const struct cli_command cli_check = {
	.name = "check",
	.summary = "every error in the configuration",
	.usage = "usage: sallyport check [-c DIR] [--dump]\n",
	.help = "\n"
		"Read the configuration in DIR (default: /etc/sallyport/conf.d if it exists, else\n"
		"./conf.d) and the files and keys it names, and print every error as\n"
		"file:line: message.  Run by root, it reads files as the user of RunAs, who will\n"
		"have to read them.  With --dump, print the effective configuration, defaults\n"
		"included, in a form that can be read back.\n"
		"\n"
		"Exit status: 0 no error, 2 wrong usage, 78 errors.\n",
	.run = check_run,
};
