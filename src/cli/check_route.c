/*
 * sallyport check: one route, of conf.d or of a directory tree; for check.c and check_tree.c.
 *
 * All that is found here concerns the logins of this route, while others work, and a reload does not look at
 * it.  So it is added to the notes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "access/policy_from_route.h"
#include "access/route_files.h"
#include "access/state_place.h"
#include "base/log.h"
#include "base/names.h"
#include "cli/check.h"
#include "conf/keyword.h"
#include "formats/tunnel_name.h"
#include "lookup/connect_via.h"
#include "lookup/percent.h"
#include "lookup/plugin.h"

int
check_depends(const struct conf_section *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (percent_uses(s->entries[i].value, 'n'))
			return 1;
	return login_pattern_is(s->name);
}

/* check_key(), for a TOTP secret that is made for this login; or NULL. */
static int
check_key_of(struct check *c, const char *login, const char *name, enum keystore_kind kind,
    struct reason *why)
{
	/* what it is, and before and behind its name how it is made */
	static const char *const words[][3] = {
		[KEYSTORE_KEY] = { "key", "key generate", "" },
		[KEYSTORE_PASSWORD] = { "password", "key add", " --password" },
		[KEYSTORE_TOTP] = { "TOTP secret", "totp enroll --name", "" },
	};
	const char *text;
	int err;

	if (c->store.path == NULL)
		return 0;
	err = store_probe_try(&c->store, kind, name, &text);
	if (err == ERR_NOTFOUND)
		reason_set(why,
		    "there is no %s %s in the key store %s; make it with: sallyport %s %s%s%s%s",
		    words[kind][0], name, c->store.path,
		    login != NULL ? "totp enroll" : words[kind][1], login != NULL ? login : name,
		    words[kind][2], c->dir == NULL ? "" : " -c ", c->dir == NULL ? "" : c->dir);
	else if (err != 0)
		reason_set(why, "%s", text);
	return err;
}

int
check_key(struct check *c, const char *name, enum keystore_kind kind, struct reason *why)
{
	return check_key_of(c, NULL, name, kind, why);
}

/* A key, password or TOTP secret of the store that the route names. */
static void
check_mapped(struct check *c, const struct conf_section *s, const char *what, const char *name,
    enum keystore_kind kind)
{
	struct conf_entry e = check_place(s, what);
	struct reason why;
	const char *login = NULL;

	/* a login that a shell takes as it is */
	if (kind == KEYSTORE_TOTP && !check_depends(s) && key_name_ok(s->name))
		login = s->name;
	if (check_key_of(c, login, name, kind, &why) != 0)
		conf_error(&c->notes, e.file, e.line, "%s: %s", what, why.text);
}

void
check_mapped_key(struct check *c, const struct conf_section *s, const char *name)
{
	check_mapped(c, s, "Key", name, KEYSTORE_KEY);
	check_tls_key(c, s, name);
}

/* sshpiper's file in a directory of the tree. */
static void
check_totp_file(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "TOTP");
	struct reason why;
	struct totp secret;

	if (route_totp_open(r, NULL, &secret, &why) != 0)
		conf_error(&c->notes, e.file, e.line, "%s", why.text);
	sodium_memzero(&secret, sizeof(secret));
}

/* A start does not make the state directory for a route that is not in conf.d. */
static void
check_totp_state(struct check *c, const struct conf_section *s)
{
	struct conf_entry e = check_place(s, "TOTP");
	const char *path = c->conf->gateway.state_directory;

	if (path != NULL && state_place_need(c->conf) == NULL && access(path, F_OK) == -1)
		conf_error(&c->notes, e.file, e.line,
		    "one-time codes need a directory for those that are used: set StateDirectory in "
		    "[gateway]");
}

/* A store may have a key of this name from before the word was reserved. */
static void
check_agent(struct check *c, const struct conf_section *s)
{
	struct conf_entry e = check_place(s, "Key");
	char *path;

	if (c->conf->keystore.path == NULL ||
	    asprintf(&path, "%s/" CONF_KEY_AGENT, c->conf->keystore.path) == -1)
		return;
	if (access(path, F_OK) == 0)
		conf_error(&c->notes, e.file, e.line,
		    "Key: agent means the user's own agent; there is a key %s, which is not "
		    "used any more: remove it",
		    path);
	free(path);
}

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
	struct connect_via via;
	struct reason why;
	size_t i, j;

	/* the hop resolves HostName */
	if (r->proxy_jump != NULL)
		return;
	if (r->connect_via != NULL) {
		/* the proxy resolves HostName: 127.0.0.1 is the proxy itself */
		e = check_place(s, "ConnectVia");
		for (j = 0; j < g->n_listen && connect_via_parse(r->connect_via, &via, &why) == 0;
		     j++)
			if (check_is_here(&g->listen[j], via.host, via.port))
				conf_error(&c->notes, e.file, e.line,
				    "ConnectVia: %s port %u leads back to this gateway", via.host,
				    via.port);
		return;
	}
	for (i = 0; i < r->hosts.n; i++)
		for (j = 0; j < g->n_listen; j++)
			if (check_is_here(&g->listen[j], r->hosts.v[i], r->port))
				conf_error(&c->notes, e.file, e.line,
				    "HostName: %s port %u leads back to this gateway",
				    r->hosts.v[i], r->port);
}

static int
check_host_is_open(const char *host)
{
	char letter;

	for (letter = '1'; letter <= '9'; letter++)
		if (percent_uses(host, letter))
			return 1;
	return percent_uses(host, 'u');
}

/* HostName = %1 lets users choose any address, and %1.example.com any that a name server has for such a name.  Of a
 * regular expression it is not known what a group can match. */
static void
check_any_host(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "HostName");
	const char *host;
	size_t i;

	if (!login_pattern_is(s->name) || login_pattern_is_regex(s->name) ||
	    r->destinations.n > 0 || r->proxy_jump != NULL)
		return;
	for (i = 0; i < r->hosts.n; i++) {
		host = r->hosts.v[i];
		if (tunnel_name_of_host(host) != NULL)
			continue;
		if (host[0] == '%' && host[1] != '%' && host[2] == '\0')
			conf_error(&c->notes, e.file, e.line,
			    "HostName: %s lets users choose any address that this host reaches; "
			    "write AllowDestinations (*.example.com 10.0.0.0/8), or use "
			    "plugins/exec/username-router",
			    host);
		else if (check_host_is_open(host))
			conf_error(&c->notes, e.file, e.line,
			    "HostName: users choose a part of %s, and name servers the address; "
			    "write AllowDestinations: the names and networks that are meant",
			    host);
	}
}

/* Words of PermitCommands that may be mistyped: any word can be the name of a subsystem. */
static void
check_commands(struct check *c, const struct conf_section *s, const struct route *r)
{
	static const char *const words[] = { "shell", "exec", "sftp", "none" };
	struct conf_entry e = check_place(s, "PermitCommands");
	const char *word, *guess;
	size_t i;

	for (i = 0; i < r->permit_commands.n; i++) {
		word = r->permit_commands.v[i];
		guess = keyword_guess(word, words, sizeof(words) / sizeof(words[0]));
		if (guess != NULL && strcmp(guess, word) != 0)
			conf_error(&c->notes, e.file, e.line,
			    "PermitCommands: %.60s permits a subsystem of that name (did you mean "
			    "%s?)",
			    word, guess);
	}
}

static void
check_sftp_read_only(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "SftpReadOnly");

	if (!route_is_sftp_read_only(r) || policy_is_sftp_alone(r))
		return;
	if (r->force_command == NULL || strcasecmp(r->force_command, "none") == 0)
		conf_error(&c->notes, e.file, e.line,
		    "SftpReadOnly: shells and commands can still write; PermitCommands = sftp "
		    "permits sftp alone");
	else if (!policy_is_internal_sftp(r->force_command))
		conf_error(&c->notes, e.file, e.line,
		    "SftpReadOnly has no effect: ForceCommand runs in place of sftp, too");
}

/* May Factor name this program?  With RunAs of [lookup exec], a keeper that has been taken over can have no others
 * run. */
static void
check_factor_programs(struct check *c, const struct conf_entry *e, const char *path)
{
	const struct strlist *programs = &c->conf->gateway.factor_programs;
	const int run_as = conf_lookup_entry(c->conf, "exec", "RunAs") != NULL;

	if (strlist_has(programs, path) || (programs->n == 0 && !run_as))
		return;
	conf_error(&c->notes, e->file, e->line,
	    "Factor: %s is not run unless FactorPrograms in [gateway] names it%s", path,
	    programs->n == 0 ? ", because [lookup exec] has RunAs" : "");
}

/* Programs of Factor run as the user of the network processes, which the keeper cannot look as. */
static void
check_factor_runs(struct check *c, const struct conf_entry *e, const char *path)
{
	struct reason closed;

	if (c->as.users.network == NULL)
		return;
	as_user_network(&c->as);
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == -1 && errno == EACCES) {
		(void)access_hint(path, X_OK, &closed);
		conf_error(&c->notes, e->file, e->line, "Factor: %s: %s", path, closed.text);
	}
	as_user_keeper(&c->as);
}

/* The program of Factor, which only a login would find missing. */
static void
check_factor(struct check *c, const struct conf_section *s, const struct route *r)
{
	struct conf_entry e = check_place(s, "Factor");
	struct reason why;
	char *path;

	if (r->factor == NULL)
		return;
	if (program_check(&r->file_rule, route_factor_command(r), &why) != 0)
		conf_error(&c->notes, e.file, e.line, "Factor: %s", why.text);
	path = program_path(route_factor_command(r));
	if (path != NULL) {
		check_factor_programs(c, &e, path);
		check_factor_runs(c, &e, path);
	}
	free(path);
}

/* Is the value the same for each login? */
static int
check_is_known(const struct conf_section *s, const char *value)
{
	return value != NULL && (!check_depends(s) || strchr(value, '%') == NULL);
}

void
check_made_route(struct check *c, const struct conf_section *s, const struct route *r)
{
	if (r->agent)
		check_agent(c, s);
	else if (route_ca(r) != NULL)
		check_authority(c, s, r);
	else if (check_is_known(s, r->key))
		check_mapped_key(c, s, r->key);
	check_factor(c, s, r);
	if (check_is_known(s, r->password))
		check_mapped(c, s, "Password", r->password, KEYSTORE_PASSWORD);
	if (r->totp_file != NULL)
		check_totp_file(c, s, r);
	else if (check_is_known(s, r->totp))
		check_mapped(c, s, "TOTP", r->totp, KEYSTORE_TOTP);
	if (r->totp != NULL)
		check_totp_state(c, s);
	if (check_is_known(s, r->connect_via_password))
		check_mapped(c, s, "ConnectViaPassword", r->connect_via_password,
		    KEYSTORE_PASSWORD);
	if (check_is_known(s, r->authorized_keys_file))
		check_authorized_keys(c, s, r);
	check_inline_keys(c, s, r);
	if (check_is_known(s, r->trusted_user_ca_keys))
		check_trusted_cas(c, s, r);
	if (check_is_known(s, r->revoked_keys))
		check_revoked(c, s, r);
	if (check_is_known(s, r->connect_via_ca))
		check_via_ca(c, s, r);
	if (check_is_known(s, r->banner))
		check_banner(c, s, r);
	if (r->key_file != NULL)
		check_key_file(c, s, r);
	else if (check_is_known(s, r->certificate_file) && check_is_known(s, r->key))
		check_certificate_file(c, s, r);
	check_known_hosts(c, s, r);
	check_loop(c, s, r);
	check_commands(c, s, r);
	check_sftp_read_only(c, s, r);
}

void
check_route(struct check *c, const struct conf_section *s)
{
	char *login = strndup(s->name, route_name_len(s->name));
	struct wildcard_match match = { .login = login != NULL ? login : "" };
	struct conf_errors errors = { 0 };
	struct reason why = { "out of memory" };
	struct route *r;

	if (route_new(c->conf, s, &errors, &r) != 0)
		goto out; /* conf_read() and lookup_new() have reported its errors */
	if (!check_depends(s) && route_expand(c->conf, r, &match, &why) != 0)
		conf_error(&c->notes, s->file, s->line, "%s", why.text);
	else
		check_made_route(c, s, r);
	check_any_host(c, s, r);
out:
	conf_errors_free(&errors);
	route_free(&r);
	free(login);
}
