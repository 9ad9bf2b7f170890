/*
 * How the users of a route prove themselves: which login methods it can check, and the keywords about them that go
 * together (route.c).
 */
#include <stdio.h>
#include <string.h>

#include "lookup/route.h"
#include "lookup/route_types.h"
#include "wire/methods.h"

int
route_has_keys(const struct conf_section *s)
{
	return route_has(s, "AuthorizedKeysFile") || route_has(s, "AuthorizedKey") ||
	    route_has(s, "TrustedUserCAKeys");
}

/* 1 if the route has something that can check this login method. */
static int
route_has_method(const struct conf_section *s, const struct route *r, const char *method)
{
	if (strcmp(method, METHOD_PUBLICKEY) == 0)
		return route_has_keys(s);
	if (strcmp(method, METHOD_NONE) == 0)
		return r->mode == ROUTE_TUNNEL;
	return r->passthrough || route_has(s, "PasswordHash");
}

int
route_wants_nobody(const struct route *r)
{
	return r->methods.n == 1 && strcmp(r->methods.v[0], METHOD_NONE) == 0;
}

int
route_set_methods(const struct conf_section *s, struct route *r)
{
	const struct login_method *m;
	size_t i;
	int err = 0;

	for (i = 0; err == 0 && i < r->authentication_methods.n; i++)
		err = strlist_add(&r->methods, r->authentication_methods.v[i],
		    strlen(r->authentication_methods.v[i]));
	if (r->authentication_methods.n > 0)
		return err;
	for (m = login_methods; err == 0 && m->name != NULL; m++)
		if ((m->flags & METHOD_ROUTE) && (m->flags & METHOD_ASKED_FOR) == 0 &&
		    route_has_method(s, r, m->name))
			err = strlist_add(&r->methods, m->name, strlen(m->name));
	return err;
}

static const char then_key[] = ",publickey";

/* Where publickey is behind another method in a list of AuthenticationMethods, from the comma on; or
 * NULL. */
static const char *
route_key_behind(const char *list)
{
	static const char key_then[] = METHOD_PUBLICKEY ",";

	/* publickey,publickey: two keys */
	while (strncmp(list, key_then, sizeof(key_then) - 1) == 0)
		list += sizeof(key_then) - 1;
	return strstr(list, then_key);
}

/* An error for a list of AuthenticationMethods, with the list to write instead: publickey first. */
static void
route_want_key_first(const struct conf_entry *e, const char *list, const char *why,
    struct conf_errors *errors)
{
	const char *at = route_key_behind(list);

	conf_error(errors, e->file, e->line, "AuthenticationMethods: %s%s; write publickey,%.*s%s",
	    list, why, (int)(at - list), list, at + strlen(then_key));
}

/* With MatchFingerprint the key decides the route, so no other method can come before publickey. */
static void
route_check_key_first(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors)
{
	const struct conf_entry *e = conf_entry_find(s, "AuthenticationMethods");
	const char *list, *later = NULL;
	size_t i;

	if (e == NULL || !route_has(s, "MatchFingerprint"))
		return;
	for (i = 0; i < r->authentication_methods.n; i++) {
		list = r->authentication_methods.v[i];
		if (strncmp(list, METHOD_PUBLICKEY, 9) == 0)
			return;
		if (strstr(list, then_key) != NULL)
			later = list;
	}
	if (later != NULL)
		route_want_key_first(e, later,
		    " can't be completed with MatchFingerprint: the key selects the route, so "
		    "publickey must come first",
		    errors);
}

/*
 * With Passthrough the upstream checks passwords, and only the session tells the keeper of the result.  The
 * mapped key does not sign on a session's word, so publickey has to come first.
 */
static void
route_check_key_before_upstream(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors)
{
	const struct conf_entry *e = conf_entry_find(s, "AuthenticationMethods");
	size_t i;

	for (i = 0; r->passthrough && i < r->authentication_methods.n; i++)
		if (route_key_behind(r->authentication_methods.v[i]) != NULL)
			route_want_key_first(e, r->authentication_methods.v[i],
			    ": with Passthrough, the mapped key does not sign because the "
			    "upstream has accepted a password",
			    errors);
}

void
route_check_proofs(const struct conf_section *s, const struct route *r, struct conf_errors *errors)
{
	const struct conf_entry *e = conf_entry_find(s, "AuthenticationMethods");
	const char *list, *method;
	char name[64];
	size_t i, len;

	if (r->passthrough && route_has(s, "PasswordHash"))
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: PasswordHash and Passthrough cannot be combined: should "
		    "the gateway check passwords, or the upstream?",
		    s->name);
	if (r->passthrough && r->agent)
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: Key = agent and Passthrough cannot be combined: each is a "
		    "way to log in to the upstream",
		    s->name);
	else if (r->passthrough &&
	    (route_has(s, "Key") || r->key_file != NULL) != route_has_keys(s))
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: with Passthrough, Key and AuthorizedKeysFile (or "
		    "AuthorizedKey) need each other: the mapped key is for clients that log in "
		    "by key",
		    s->name);
	if (r->agent && route_has(s, "Password"))
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: Key = agent and Password cannot be combined: each is a way "
		    "to log in to the upstream",
		    s->name);
	if (r->passthrough && route_has(s, "Password"))
		conf_error(errors, s->file, s->line,
		    "[route %.100s]: Password and Passthrough cannot be combined: should the "
		    "stored password go to the upstream, or the user's?",
		    s->name);
	route_check_key_first(s, r, errors);
	route_check_key_before_upstream(s, r, errors);
	if (strlist_has(&r->authentication_methods, METHOD_NONE) &&
	    (r->mode != ROUTE_TUNNEL || r->authentication_methods.n > 1)) {
		conf_error(errors, e->file, e->line,
		    r->mode == ROUTE_TUNNEL ?
			"AuthenticationMethods: none lets everybody in: write no other beside it" :
			"AuthenticationMethods = none lets everybody in, which needs Mode = tunnel");
		return;
	}
	if (r->authentication_methods.n > 16)
		conf_error(errors, e->file, e->line, "AuthenticationMethods: more than 16 lists");
	for (i = 0; i < r->authentication_methods.n; i++) {
		list = r->authentication_methods.v[i];
		for (method = list; *method != '\0'; method += len + (method[len] == ',')) {
			len = strcspn(method, ",");
			snprintf(name, sizeof(name), "%.*s", (int)len, method);
			if (!route_has_method(s, r, name))
				conf_error(errors, e->file, e->line,
				    "AuthenticationMethods: %s: the route has nothing to check it "
				    "with",
				    name);
		}
	}
}
