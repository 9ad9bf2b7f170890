/*
 * sallyport route without a login: where each one leads, a line each; for route.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/each_login.h"
#include "cli/route.h"

/* Columns for the name, and for the upstream. */
#define NAME_WIDTH 20
#define UPSTREAM_WIDTH 28

struct route_list {
	struct find_route *f;
	const char *tree;
};

/* "10.0.0.5:22", or "[::1],db.example:2222". */
static char *
route_list_upstream(const struct route *r)
{
	char *text;
	size_t len, i;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		fatal("out of memory");
	if (r->mode == ROUTE_JUMP) {
		for (i = 0; i < r->destinations.n; i++)
			fprintf(f, "%s%s", i > 0 ? "," : "jump to ", r->destinations.v[i]);
		goto out;
	}
	if (r->mode == ROUTE_TUNNEL) {
		if (r->tunnel_names.n == 0)
			fputs("holds %u", f);
		for (i = 0; i < r->tunnel_names.n; i++)
			fprintf(f, "%s%s", i > 0 ? "," : "holds ", r->tunnel_names.v[i]);
		goto out;
	}
	for (i = 0; i < r->hosts.n; i++)
		fprintf(f, strchr(r->hosts.v[i], ':') == NULL ? "%s%s" : "%s[%s]", i > 0 ? "," : "",
		    r->hosts.v[i]);
	fprintf(f, ":%u", r->port);
out:
	if (fclose(f) != 0)
		fatal("out of memory");
	return text;
}

static void
route_list_print(const char *name, const struct route *r)
{
	char shown[1024], user[1024], *upstream = route_list_upstream(r);

	log_vis(shown, sizeof(shown), name, strlen(name));
	if (r->user != NULL)
		log_vis(user, sizeof(user), r->user, strlen(r->user));
	printf("%-*s  %-*s  %s\n", NAME_WIDTH, shown, UPSTREAM_WIDTH, upstream,
	    r->user != NULL					 ? user :
		r->mode == ROUTE_JUMP || r->mode == ROUTE_TUNNEL ? "-" :
								   "%u");
	free(upstream);
}

/* A route of a directory (each_route()). */
static void
route_list_found(void *ctx, const char *login, const struct route *r)
{
	(void)ctx;
	route_list_print(login, r);
}

/* A directory (each_login()). */
static void
route_list_directory(void *ctx, const char *login)
{
	const struct route_list *l = ctx;
	struct reason why;
	char shown[1024];

	if (each_route(l->f->lookup, login, route_list_found, NULL, &why) != LOOKUP_FOUND &&
	    why.text[0] != '\0')
		fprintf(stderr, "sallyport: %s/%s: %s\n", l->tree,
		    log_vis(shown, sizeof(shown), login, strlen(login)), why.text);
}

static int
route_list_tree(struct find_route *f)
{
	const struct conf_entry *e = conf_lookup_entry(f->conf, "directory", "Path");
	char *tree = conf_path(f->conf, e->value);
	struct route_list l = { f, tree };
	struct reason why;
	int status = CLI_OK;

	if (tree == NULL)
		fatal("out of memory");
	if (each_login(tree, &f->as, route_list_directory, &l, &why) != 0) {
		fprintf(stderr, "sallyport: %s: %s\n", tree, why.text);
		status = CLI_FAILED;
	}
	free(tree);
	return status;
}

static void
route_list_sections(const struct conf *conf)
{
	struct conf_errors errors = { 0 };
	struct route *r;
	size_t i;

	for (i = 0; i < conf->n_routes; i++) {
		if (route_new(conf, &conf->routes[i], &errors, &r) != 0)
			continue; /* find_route_open() has made them all */
		route_list_print(r->name, r);
		route_free(&r);
	}
	conf_errors_free(&errors);
}

int
route_list(struct find_route *f)
{
	const struct strlist *order = &f->conf->lookup.order;
	int status = CLI_OK;
	size_t i;

	for (i = 0; i < order->n; i++) {
		if (strcmp(order->v[i], "ini") == 0)
			route_list_sections(f->conf);
		else if (strcmp(order->v[i], "directory") == 0)
			status = route_list_tree(f);
		else
			fprintf(stderr,
			    "sallyport: the logins that [lookup %s] knows are not listed\n",
			    order->v[i]);
	}
	return status;
}
