/*
 * sallyport check: the errors of the configuration, which a reload would refuse, and notes on the rest.
 * check_route.c has the routes, check_tree.c those of directories, check_names.c what their names give
 * away; the key store is opened by store_probe.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/identity.h"
#include "access/state_place.h"
#include "base/access_hint.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/names.h"
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
	else if (identity_check_way(c->conf, c->conf->keystore.path, &why) != 0)
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

/* Could the keeper make its state directory, and would it use it there? */
static void
check_state_missing(struct check *c, const struct conf_entry *e, const char *path)
{
	char *dir = path_dir(path), *within;
	struct reason why;

	/* with the dot, the rule for directories above a file holds for dir itself */
	if (dir == NULL || asprintf(&within, "%s/.", dir) == -1)
		fatal("out of memory");
	if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == -1)
		conf_error(c->errors, e->file, e->line,
		    "StateDirectory: %s: cannot be made by user %u: %s; run: install -d -m 700 -o %u %s",
		    path, geteuid(), strerror(errno), geteuid(), path);
	else if (identity_check_way(c->conf, within, &why) != 0)
		conf_error(c->errors, e->file, e->line, "StateDirectory: %s%s", path,
		    why.text + strlen(within));
	free(within);
	free(dir);
}

/* Could the keeper make the directories of records in it? */
static void
check_state_empty(struct check *c, const struct conf_entry *e, const char *path)
{
	if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == -1)
		conf_error(c->errors, e->file, e->line,
		    "StateDirectory: %s: user %u cannot make directories there: %s; name another "
		    "one, which is that user's own",
		    path, geteuid(), strerror(errno));
}

/* The state directory, which a start makes if something needs it.  On a full disk a gateway starts, but
 * refuses logins. */
static void
check_state(struct check *c)
{
	const char *path = c->conf->gateway.state_directory;
	struct conf_entry e = { 0 };
	struct state *st = NULL;
	struct reason why;
	int r;

	if (path == NULL || state_place_need(c->conf) == NULL)
		return;
	e.file = conf_where(c->conf, "gateway", "StateDirectory", &e.line);
	r = state_place_open(c->conf, 0, &st, &why);
	if (r == 0)
		r = state_check(st, &why);
	if (r == ERR_NOTFOUND && st == NULL)
		check_state_missing(c, &e, path);
	else if (r == ERR_NOTFOUND)
		check_state_empty(c, &e, path);
	else if (r != 0)
		conf_error(st != NULL && r == ERR_SYS ? &c->notes : c->errors, e.file, e.line,
		    "StateDirectory: %s", why.text);
	else if (state_serial_check(st, &why) != 0)
		conf_error(&c->notes, e.file, e.line, "no certificate can be made: %s", why.text);
	state_free(&st);
}

/* The master's question at its start and at each reload: could a session begin with these
 * host keys? */
static void
check_host_keys_serve(struct check *c, const struct identity *id, const char *file,
    unsigned int line)
{
	struct bytes keys[IDENTITY_OFFER_MAX];
	const char *why;
	size_t certificates, n = identity_offer(id, time(NULL), keys, &certificates);

	if (id->n_host_keys > 0 && leg_global_init() == 0 && leg_try_host_keys(keys, n, &why) != 0)
		conf_error(c->errors, file, line,
		    "HostKey: no session could begin with these keys: %s", why);
}

/* The certificates of the host keys, which have been loaded. */
static void
check_host_certificates(struct check *c, struct identity *id)
{
	const struct strlist *paths = &c->conf->gateway.host_certificates;
	struct reason why;
	unsigned int line;
	const char *file = conf_where(c->conf, "gateway", "HostCertificate", &line);
	size_t i;

	for (i = 0; i < paths->n; i++)
		if (identity_add_certificate(id, c->conf, paths->v[i], &why) != 0)
			conf_error(c->errors, file, line, "HostCertificate: %s", why.text);
	for (i = 0; i < id->n_certificates; i++)
		if (!identity_certificate_valid(&id->certificates[i], time(NULL), &why))
			conf_error(&c->notes, file, line, "HostCertificate: %s; it is not offered",
			    why.text);
}

/* The host keys, loaded as the keeper does at its start. */
static void
check_host_keys(struct check *c)
{
	const struct strlist *names = &c->conf->gateway.host_keys;
	struct identity *id;
	struct reason why;
	unsigned int line;
	const char *file = conf_where(c->conf, "gateway", "HostKey", &line);
	size_t i;
	int r;

	if (identity_new(c->store.ks, &id) != 0)
		fatal("out of memory");
	for (i = 0; i < names->n; i++) {
		r = check_key(c, names->v[i], KEYSTORE_KEY, &why);
		if (r != 0)
			conf_error(c->errors, file, line, "HostKey: %s", why.text);
		if (r == 0 && id->keystore != NULL && identity_add_key(id, names->v[i], &why) != 0)
			conf_error(c->errors, file, line, "HostKey %s: %s", names->v[i], why.text);
	}
	if (id->n_host_keys == names->n)
		check_host_certificates(c, id);
	check_host_keys_serve(c, id, file, line);
	(void)!identity_check_algorithms(id, c->conf, c->errors);
	identity_unref(&id);
}

static void
check_gateway(struct check *c)
{
	const struct conf_gateway *g = &c->conf->gateway;
	const struct conf_keystore *k = &c->conf->keystore;
	struct conf_entry e = { 0 };
	struct reason why;
	char *banner = NULL;
	size_t i;

	/* of a store that is still to be made, the missing host keys say enough */
	if (k->path != NULL && k->unlock != NULL &&
	    (!store_probe_is_empty(k->path) || store_probe_is_made(k->path)))
		check_store(c);
	else /* keys can be looked for, but not opened */
		c->store = (struct store_probe){ .path = k->path, .closed = 1 };
	check_host_keys(c);
	check_tls(c);
	check_users(c);
	check_state(c);
	e.file = conf_where(c->conf, "gateway", "Banner", &e.line);
	if (g->banner != NULL && identity_banner(c->conf, &banner, &why) != 0)
		conf_error(c->errors, e.file, e.line, "Banner: %s", why.text);
	free(banner);
	e.file = conf_where(c->conf, "edge", "ConnectPasswords", &e.line);
	for (i = 0; i < c->conf->edge.connect_passwords.n; i++)
		if (check_key(c, c->conf->edge.connect_passwords.v[i], KEYSTORE_PASSWORD, &why) !=
		    0)
			conf_error(&c->notes, e.file, e.line, "ConnectPasswords: %s", why.text);
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

static void
check_sort(struct conf_errors *errors)
{
	if (errors->n > 1)
		qsort(errors->v, errors->n, sizeof(*errors->v), check_error_order);
}

static int
check_report(struct check *c, int strict, int verbose)
{
	size_t i;

	check_sort(c->errors);
	check_sort(&c->notes);
	check_sort(&c->remarks);
	conf_errors_print(c->errors, stderr);
	for (i = 0; i < c->notes.n; i++) {
		fputs("note: ", stderr);
		conf_errors_print(&(struct conf_errors){ &c->notes.v[i], 1 }, stderr);
	}
	for (i = 0; verbose && i < c->remarks.n; i++) {
		fputs("info: ", stderr);
		conf_errors_print(&(struct conf_errors){ &c->remarks.v[i], 1 }, stderr);
	}
	if (c->errors->n > 0)
		return CLI_CONFIG;
	return strict && c->notes.n > 0 ? CLI_FAILED : CLI_OK;
}

static void
check_summary(const struct check *c, FILE *to)
{
	const char *ies[] = { "ies", "y" }, *s[] = { "s", "" };

	fprintf(to, "%s: ok: %zu route%s", c->conf->dir, c->conf->n_routes,
	    s[c->conf->n_routes == 1]);
	if (strlist_has(&c->conf->lookup.order, "directory"))
		fprintf(to, ", %zu director%s", c->directories, ies[c->directories == 1]);
	if (c->notes.n > 0)
		fprintf(to, ", %zu note%s", c->notes.n, s[c->notes.n == 1]);
	fputc('\n', to);
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
	const size_t before = c->errors->n;

	lookup_check(lookup, conf, c->errors);
	c->tree_ok = c->errors->n == before;
	(void)!users_check_programs(conf, &c->as.users, c->errors);
	if (as_user_programs_user(&c->as) == NULL)
		return;
	as_user_programs(&c->as);
	/* the keeper, which reloads, cannot see this */
	lookup_check_run(lookup, conf, &c->notes);
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
check_all(const char *dir, int dumping, int strict, int verbose)
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
		check_authorities(&c);
		if (lookup != NULL && c.tree_ok)
			check_tree(&c, lookup);
		check_unreachable(&c);
		check_unread_files(&c);
	}
	status = check_report(&c, strict, verbose);
	if (status == CLI_OK && dumping)
		check_dump(conf, lookup);
	if (status == CLI_OK)
		check_summary(&c, dumping ? stderr : stdout);
	as_user_self();
	store_probe_close(&c.store);
	check_lists_free(&c.lists);
	lookup_free(&lookup);
	conf_free(&conf);
	conf_errors_free(&errors);
	conf_errors_free(&c.notes);
	conf_errors_free(&c.remarks);
	as_user_free(&c.as);
	return status;
}

static int
check_run(int argc, char **argv)
{
	const char *dir = NULL;
	int dumping = 0, strict = 0, verbose = 0, at;
	const struct cli_option options[] = {
		{ "config", 'c', &dir, NULL },
		{ "dump", 0, NULL, &dumping },
		{ "strict", 0, NULL, &strict },
		{ "verbose", 0, NULL, &verbose },
		{ 0 },
	};

	at = cli_options(argc, argv, options, &cli_check);
	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	return at == argc ? check_all(dir, dumping, strict, verbose) : cli_wrong_usage(&cli_check);
}

const struct cli_command cli_check = {
	.name = "check",
	.summary = "every error in the configuration",
	.usage = "usage: sallyport check [-c DIR] [--strict] [--verbose] [--dump]\n",
	.help =
	    "\n"
	    "Read the configuration in DIR (default: /etc/sallyport/conf.d if it exists, else\n"
	    "./conf.d) and print every error as file:line: message.  An error is what a reload\n"
	    "or a start refuses.  Lines that begin with note: are about files, keys and\n"
	    "directories of single logins, and about what may be a mistake; other logins work.\n"
	    "Run by root, it reads files as the user of RunAs, who will have to read them.\n"
	    "  --strict  notes count: exit status 1 if there is one\n"
	    "  --verbose also lines that begin with info:, about what is as it should be: what\n"
	    "            the certificates of Key = ca: leave to the gateway's sessions\n"
	    "  --dump    print the effective configuration, defaults included, in a form that\n"
	    "            can be read back\n"
	    "\n"
	    "Exit status: 0 no error, 1 notes with --strict, 2 wrong usage, 78 errors.\n",
	.run = check_run,
};
