/*
 * How the users of a route prove themselves: which login methods it can check, and the keywords about them that go
 * together (route.c).
 */
#include <stdio.h>
#include <string.h>

#include "lookup/route.h"
#include "lookup/route_types.h"
#include "wire/methods.h"

/* A list of 16 methods, whatever their names. */
#define ROUTE_LIST_SIZE 512

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
	if (strcmp(method, METHOD_TOTP) == 0)
		return route_has(s, "TOTP");
	if (strcmp(method, METHOD_FACTOR) == 0)
		return route_has(s, "Factor");
	return r->passthrough || route_has(s, "PasswordHash");
}

int
route_wants_nobody(const struct route *r)
{
	return r->methods.n == 1 && strcmp(r->methods.v[0], METHOD_NONE) == 0;
}

int
route_upstream_decides(const struct route *r)
{
	return r->authentication_methods.n == 0 && r->totp == NULL && r->factor == NULL;
}

/* Does the upstream check this method of the route?  len: of the name. */
static int
route_relays(const struct route *r, const char *method, size_t len)
{
	const struct login_method *m;

	for (m = login_methods; r->passthrough && m->name != NULL; m++)
		if (strlen(m->name) == len && memcmp(m->name, method, len) == 0)
			return (m->flags & METHOD_RELAYED) != 0;
	return 0;
}

static void
route_list_add(char list[ROUTE_LIST_SIZE], const char *method, size_t len)
{
	size_t at = strlen(list);

	snprintf(list + at, ROUTE_LIST_SIZE - at, "%s%.*s", at > 0 ? "," : "", (int)len, method);
}

/* The list for this method, if AuthenticationMethods is not written: all factors come with it, but
 * before what the upstream checks. */
static void
route_default_list(const struct conf_section *s, const struct route *r, const char *method,
    char list[ROUTE_LIST_SIZE])
{
	int relayed = route_relays(r, method, strlen(method));
	const struct login_method *m;

	list[0] = '\0';
	if (!relayed)
		route_list_add(list, method, strlen(method));
	for (m = login_methods; m->name != NULL; m++)
		if ((m->flags & METHOD_DEVICE) && route_has_method(s, r, m->name))
			route_list_add(list, m->name, strlen(m->name));
	if (relayed)
		route_list_add(list, method, strlen(method));
}

int
route_set_methods(const struct conf_section *s, struct route *r)
{
	char list[ROUTE_LIST_SIZE];
	const struct login_method *m;
	size_t i;
	int err = 0;

	for (i = 0; err == 0 && i < r->authentication_methods.n; i++)
		err = strlist_add(&r->methods, r->authentication_methods.v[i],
		    strlen(r->authentication_methods.v[i]));
	if (r->authentication_methods.n > 0)
		return err;
	for (m = login_methods; err == 0 && m->name != NULL; m++) {
		if ((m->flags & METHOD_ROUTE) == 0 ||
		    (m->flags & (METHOD_ASKED_FOR | METHOD_DEVICE)) ||
		    !route_has_method(s, r, m->name))
			continue;
		route_default_list(s, r, m->name, list);
		err = strlist_add(&r->methods, list, strlen(list));
	}
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

/* The list with what the upstream checks behind the rest; returns the first method that this moves
 * to the front, or NULL if there is none. */
static const char *
route_list_upstream_last(const struct route *r, const char *list, char out[ROUTE_LIST_SIZE])
{
	const char *p, *moved = NULL;
	int relayed, seen = 0, pass;
	size_t len;

	out[0] = '\0';
	for (pass = 0; pass < 2; pass++)
		for (p = list; *p != '\0'; p += len + (p[len] == ',')) {
			len = strcspn(p, ",");
			relayed = route_relays(r, p, len);
			seen |= relayed;
			if (!relayed && seen && moved == NULL && pass == 0)
				moved = p;
			if (relayed == pass)
				route_list_add(out, p, len);
		}
	return moved;
}

/*
 * With Passthrough the upstream checks passwords, and only the session tells the keeper of the result.  The
 * mapped key does not sign on a session's word, and no upstream gets passwords of who lacks a factor: what
 * the gateway checks has to come first.
 */
static void
route_check_upstream_last(const struct conf_section *s, const struct route *r,
    struct conf_errors *errors)
{
	const struct conf_entry *e = conf_entry_find(s, "AuthenticationMethods");
	char better[ROUTE_LIST_SIZE];
	const char *list, *moved;
	size_t i;

	for (i = 0; r->passthrough && i < r->authentication_methods.n; i++) {
		list = r->authentication_methods.v[i];
		moved = route_list_upstream_last(r, list, better);
		if (moved != NULL)
			conf_error(errors, e->file, e->line,
			    "AuthenticationMethods: %s: with Passthrough, %s; write %s", list,
			    strncmp(moved, METHOD_PUBLICKEY, strlen(METHOD_PUBLICKEY)) == 0 ?
				"the mapped key does not sign because the upstream has accepted a "
				"password" :
				"the gateway asks for its own factor before the upstream gets a "
				"password",
			    better);
	}
}

/* 1 if one of the route's lists has the method, from its n-th place on. */
static int
route_lists_have(const struct route *r, const char *method, unsigned int n)
{
	unsigned int place;
	const char *p;
	size_t i, len;

	for (i = 0; i < r->authentication_methods.n; i++)
		for (p = r->authentication_methods.v[i], place = 0; *p != '\0';
		     p += len + (p[len] == ','), place++) {
			len = strcspn(p, ",");
			if (place >= n && strlen(method) == len && memcmp(p, method, len) == 0)
				return 1;
		}
	return 0;
}

/* TOTP and what goes with it. */
static void
route_check_totp(const struct conf_section *s, const struct route *r, struct conf_errors *errors)
{
	const int written = r->authentication_methods.n > 0;
	const struct conf_entry *e;

	e = conf_entry_find(s, "TotpRemember");
	if (r->totp_remember_ms > 0 && !route_has(s, "TOTP"))
		conf_error(errors, e->file, e->line,
		    "TotpRemember needs TOTP: the secret that codes are made with");
	else if (r->totp_remember_ms > 0 && !written && r->passthrough && !route_has_keys(s))
		conf_error(errors, e->file, e->line,
		    "TotpRemember remembers a key or password that came before the code, and with "
		    "Passthrough none does: remove it");
	e = conf_entry_find(s, "AuthenticationMethods");
	if (strlist_has(&r->authentication_methods, METHOD_TOTP))
		conf_error(errors, e->file, e->line,
		    "AuthenticationMethods: a code alone lets in who guesses it; write publickey," METHOD_TOTP);
	if (r->totp == NULL || !written)
		return;
	if (!route_lists_have(r, METHOD_TOTP, 0))
		conf_error(errors, e->file, e->line,
		    "AuthenticationMethods: no list has " METHOD_TOTP ", so nobody is asked for a "
		    "code of TOTP; write publickey," METHOD_TOTP);
	else if (r->totp_remember_ms > 0 && !route_lists_have(r, METHOD_TOTP, 1))
		conf_error(errors, e->file, e->line,
		    "AuthenticationMethods: with TotpRemember, " METHOD_TOTP
		    " must come after a key "
		    "or password, which is what is remembered");
}

static void
route_check_factor(const struct conf_section *s, const struct route *r, struct conf_errors *errors)
{
	const struct conf_entry *e = conf_entry_find(s, "AuthenticationMethods");

	if (r->factor != NULL && r->authentication_methods.n > 0 &&
	    !route_lists_have(r, METHOD_FACTOR, 0))
		conf_error(errors, e->file, e->line,
		    "AuthenticationMethods: no list has " METHOD_FACTOR
		    ", so the program of Factor is never run; write publickey," METHOD_FACTOR);
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
	route_check_upstream_last(s, r, errors);
	route_check_totp(s, r, errors);
	route_check_factor(s, r, errors);
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
