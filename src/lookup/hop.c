/*
 * ProxyJump (hop.h): which routes are the hops of another, and what a hop and a route behind one may say.
 * Called by lookup.c at each load, by the keeper at each login, and by `sallyport route`.
 */
#include <string.h>

#include "base/names.h"
#include "formats/tunnel_name.h"
#include "lookup/hop.h"
#include "lookup/percent.h"
#include "lookup/plugin.h"
#include "lookup/route_types.h"

int
route_check_hop_name(const char *name, struct reason *why)
{
	if (login_pattern_is(name) || strchr(name, '/') != NULL ||
	    !login_name_ok(name, strlen(name)))
		return keyword_bad(why,
		    "\"%.80s\" is not the name of a route: write the NAME of a [route NAME] through "
		    "which this one leads",
		    name);
	return 0;
}

void
route_check_behind(const struct conf_section *s, const struct route *r, struct conf_errors *errors)
{
	const struct {
		const char *key;
		int set;
	} first[] = { { "ConnectVia", r->connect_via != NULL }, { "SendProxy", r->send_proxy != 0 },
		{ "ResolveSRV", r->resolve_srv } };
	const struct conf_entry *e;
	size_t i;

	if (r->proxy_jump == NULL)
		return;
	for (i = 0; i < r->hosts.n; i++)
		if (tunnel_name_of_host(r->hosts.v[i]) != NULL)
			conf_error(errors, s->file, s->line,
			    "[route %.100s]: a tunnel ends at this gateway, and is not reached by "
			    "ProxyJump",
			    s->name);
	e = conf_entry_find(s, "AllowDestinations");
	if (e != NULL)
		conf_error(errors, e->file, e->line,
		    "AllowDestinations cannot be combined with ProxyJump: the hop looks up names, so "
		    "the address is not known here; let the hop limit it (permitopen in its "
		    "authorized_keys)");
	for (i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		e = conf_entry_find(s, first[i].key);
		if (e != NULL && first[i].set)
			conf_error(errors, e->file, e->line,
			    "%s has no meaning with ProxyJump, where the hop connects to the "
			    "machine; write it into [route %.100s]",
			    first[i].key, r->proxy_jump);
	}
	e = conf_entry_find(s, "StrictHostKeyChecking");
	if (r->strict == ROUTE_STRICT_ACCEPT_NEW && e != NULL)
		conf_error(errors, e->file, e->line,
		    "StrictHostKeyChecking = accept-new cannot be combined with ProxyJump: the "
		    "gateway can look at the host keys of machines alone that it reaches itself; "
		    "add this one to UserKnownHostsFile (ssh-keyscan, run on the hop)");
}

void
route_check_hop(const struct conf_section *s, const struct route *r, struct conf_errors *errors)
{
	static const char *const without[] = { "AuthorizedKeysFile", "AuthorizedKey",
		"TrustedUserCAKeys", "PasswordHash", "TOTP", "Factor", "Banner",
		"MaxSessionsPerLogin" };
	const struct conf_entry *e;
	size_t i;

	for (i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		e = conf_entry_find(s, without[i]);
		if (e != NULL)
			conf_error(errors, e->file, e->line,
			    "%s has no meaning with Mode = hop: nobody logs in by this route",
			    without[i]);
	}
	if (r->agent || r->passthrough)
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: %s has no meaning with Mode = hop: at a hop the gateway logs in "
		    "with a key or password of its own",
		    s->name, r->agent ? "Key = agent" : "Passthrough");
}

/* Why a route cannot be a hop, or NULL; by_login: the login names it. */
static const char *
hop_unfit(const struct route *r, int by_login)
{
	if (r->mode == ROUTE_JUMP || r->mode == ROUTE_TUNNEL)
		return "leads to no machine of its own (Mode)";
	if (r->passthrough)
		return "has Passthrough, and a hop is logged in to with a stored key or password";
	if (r->agent)
		return "has Key = agent, and a hop is logged in to with a stored key or password";
	/* or users could choose whose machine they go through, with that user's mapped key */
	if (by_login && r->mode != ROUTE_HOP)
		return "lacks Mode = hop, which a hop has to have that the login names";
	return NULL;
}

/* One hop.  0, or an ERR_* with why. */
static int
hop_find(struct lookup *l, const char *name, int by_login, struct route **out, struct reason *why)
{
	int r = lookup_section(l, name, out, why);
	const char *unfit;

	if (r == ERR_NOTFOUND)
		reason_set(why, "ProxyJump: there is no [route %.100s] in conf.d", name);
	if (r != 0)
		return r;
	unfit = hop_unfit(*out, by_login);
	if (unfit == NULL)
		return 0;
	reason_set(why, "ProxyJump: [route %.100s] %s", name, unfit);
	route_free(out);
	return ERR_FORMAT;
}

/* Is that the name of the route itself, or of one of the hops? */
static int
hops_have(const struct hops *hops, const struct route *route, const char *name)
{
	size_t i;

	if (strcmp(route->name, name) == 0)
		return 1;
	for (i = 0; i < hops->n; i++)
		if (strcmp(hops->v[i]->name, name) == 0)
			return 1;
	return 0;
}

int
hops_find(struct lookup *l, const struct route *route, struct hops *out, struct reason *why)
{
	const char *name = route->proxy_jump;
	int r = 0, by_login = route->proxy_jump_by_login;

	*out = (struct hops){ 0 };
	while (r == 0 && name != NULL) {
		if (hops_have(out, route, name)) {
			reason_set(why, "ProxyJump: %.100s leads back to itself", name);
			r = ERR_FORMAT;
		} else if (out->n == HOPS_MAX) {
			reason_set(why, "ProxyJump: more than %d hops", HOPS_MAX);
			r = ERR_TOOBIG;
		} else {
			r = hop_find(l, name, by_login, &out->v[out->n], why);
		}
		if (r == 0) {
			by_login = out->v[out->n]->proxy_jump_by_login;
			name = out->v[out->n++]->proxy_jump;
		}
	}
	if (r != 0)
		hops_free(out);
	return r;
}

void
hops_free(struct hops *hops)
{
	size_t i;

	for (i = 0; i < hops->n; i++)
		route_free(&hops->v[i]);
	hops->n = 0;
}

void
hops_check(struct lookup *l, const struct conf *conf, struct conf_errors *errors)
{
	struct conf_errors again = { 0 };
	const struct conf_entry *e;
	struct reason why;
	struct route *r;
	struct hops hops;
	size_t i;

	for (i = 0; i < conf->n_routes; i++) {
		e = conf_entry_find(&conf->routes[i], "ProxyJump");
		if (e == NULL || percent_has(e->value) ||
		    route_new(conf, &conf->routes[i], &again, &r) != 0)
			continue;
		if (hops_find(l, r, &hops, &why) != 0)
			conf_error(errors, e->file, e->line, "%s", why.text);
		hops_free(&hops);
		route_free(&r);
	}
	conf_errors_free(&again);
}
