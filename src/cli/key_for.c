/*
 * sallyport key public NAME --for LOGIN: the line for authorized_keys on the upstream.  Called
 * by key.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/names.h"
#include "cli/cli.h"
#include "cli/find_route.h"
#include "cli/key.h"
#include "cli/key_options.h"
#include "cli/own_address.h"
#include "formats/address.h"

#define LINE_MAX_SIZE (256 * 1024)

/* The list for from="": that of --from, or found out.  A CLI_*, the reason printed. */
static int
key_for_from(const struct key_args *a, const struct route *r, struct buf *from)
{
	struct strlist own = { 0 };
	int status = CLI_OK;
	size_t i;

	if (a->from != NULL) {
		buf_putf(from, "%s", a->from);
		return CLI_OK;
	}
	if (r->proxy_jump != NULL) {
		fprintf(stderr,
		    "sallyport: the upstream sees the address of the hop %s (ProxyJump): give it "
		    "with --from ADDRESS[,ADDRESS...]\n",
		    r->proxy_jump);
		return CLI_FAILED;
	}
	for (i = 0; i < r->hosts.n && status == CLI_OK; i++)
		if (own_addresses(r->hosts.v[i], r->port, &own) == ERR_NOMEM)
			status = key_fail_memory();
	for (i = 0; i < own.n; i++)
		buf_putf(from, "%s%s", i > 0 ? "," : "", own.v[i]);
	if (status == CLI_OK && own.n == 0) {
		fprintf(stderr,
		    "sallyport: the address from which this host reaches the upstream is not "
		    "known: give it with --from ADDRESS[,ADDRESS...]\n");
		status = CLI_FAILED;
	}
	strlist_free(&own);
	if (status == CLI_OK && buf_cstr(from) != NULL)
		fprintf(stderr,
		    "sallyport: from=\"%s\" is the address from which this host reaches the "
		    "upstream; if the upstream sees another one (NAT), or several gateways use "
		    "the key, give --from LIST\n",
		    buf_cstr(from));
	return status;
}

/* Notes for the administrator of the upstream. */
static void
key_for_say_notes(const struct key_args *a, const struct route *r, const char *from,
    const struct strlist *notes)
{
	size_t i;

	if (r->agent)
		fprintf(stderr,
		    "sallyport: the route logs in to the upstream with the user's own key (Key "
		    "= agent), not with %s\n",
		    a->name);
	else if (r->key == NULL || strcmp(r->key, a->name) != 0)
		fprintf(stderr,
		    "sallyport: the route logs in to the upstream with %s, not with %s\n",
		    r->key != NULL	    ? r->key :
			r->key_file != NULL ? r->key_file :
					      "a password",
		    a->name);
	for (i = 0; i < notes->n; i++)
		fprintf(stderr, "sallyport: %s\n", notes->v[i]);
	fprintf(stderr,
	    "sallyport: for the upstream's sshd_config (OpenSSH 9.8 and later), so that failed "
	    "logins of some users do not lock out all: PerSourcePenaltyExemptList %s\n",
	    from);
}

static int
key_for_print(const struct key_args *a, const struct route *r, const struct buf *pub)
{
	struct strlist notes = { 0 };
	struct reason why;
	struct buf line, from;
	int status, err;

	buf_init(&line, LINE_MAX_SIZE);
	buf_init(&from, LINE_MAX_SIZE);
	status = key_for_from(a, r, &from);
	if (status != CLI_OK)
		goto out;
	err = buf_cstr(&from) == NULL ? ERR_NOMEM :
					key_options(r, buf_cstr(&from), &line, &notes, &why);
	if (err != 0 || buf_cstr(&line) == NULL) {
		fprintf(stderr, "sallyport: %s\n", err == ERR_FORMAT ? why.text : err_str(err));
		status = CLI_FAILED;
		goto out;
	}
	printf("%s ", buf_cstr(&line));
	status = key_print_public(a->name, pub);
	if (status == CLI_OK)
		key_for_say_notes(a, r, buf_cstr(&from), &notes);
out:
	strlist_free(&notes);
	buf_free(&line);
	buf_free(&from);
	return status;
}

static int
key_for_find(const struct key_args *a, struct find_route *f)
{
	const struct lookup_request request = { .login = a->route,
		.client_address = "",
		.local_address = "",
		.fingerprint = "",
		.method = "none" };
	char login[1024];

	log_vis(login, sizeof(login), a->route, strlen(a->route));
	switch (find_route(f, &request, stderr)) {
	case LOOKUP_FOUND:
		if (f->route->mode == ROUTE_LOGIN || f->route->mode == ROUTE_HOP)
			return CLI_OK;
		fprintf(stderr, "sallyport: %s: the gateway logs in nowhere for it (Mode = jump)\n",
		    login);
		break;
	case LOOKUP_NOT_FOUND:
		fprintf(stderr,
		    "sallyport: %s: no such login; --for takes a login as users type it "
		    "(sallyport route %s)\n",
		    login, login);
		break;
	default:
		fprintf(stderr, "sallyport: %s: the lookup failed\n", login);
	}
	return CLI_FAILED;
}

int
key_public_for(const struct key_args *a, const struct buf *pub)
{
	struct find_route f;
	int status;

	if (!login_name_ok(a->route, strlen(a->route))) {
		fprintf(stderr, "sallyport: --for takes a login as users type it\n");
		return CLI_USAGE;
	}
	if (a->from != NULL && !address_list_ok(a->from)) {
		fprintf(stderr,
		    "sallyport: --from takes addresses and blocks, separated by commas, such as "
		    "192.0.2.1,2001:db8::/64\n");
		return CLI_USAGE;
	}
	status = find_route_open(&f, a->conf_dir);
	if (status == CLI_OK)
		status = key_for_find(a, &f);
	if (status == CLI_OK)
		status = key_for_print(a, f.route, pub);
	find_route_close(&f);
	return status;
}
