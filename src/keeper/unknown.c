#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "keeper/unknown.h"

/* Different offers are few: publickey, password, keyboard-interactive, or not. */
#define OFFERS_MAX 8

struct tally {
	struct offer {
		char methods[AUTH_METHODS_NEXT_SIZE];
		size_t n;
	} offers[OFFERS_MAX];
	size_t n;
};

static void
tally_add(struct tally *t, const char *methods)
{
	size_t i;

	for (i = 0; i < t->n && strcmp(t->offers[i].methods, methods) != 0; i++)
		;
	if (i == OFFERS_MAX)
		return;
	if (i == t->n)
		snprintf(t->offers[t->n++].methods, AUTH_METHODS_NEXT_SIZE, "%s", methods);
	t->offers[i].n++;
}

/* A route that is as most are needs no second look. */
static int
is_plain(const struct conf_section *s)
{
	return conf_entry_find(s, "Passthrough") == NULL &&
	    conf_entry_find(s, "PasswordHash") == NULL &&
	    conf_entry_find(s, "AuthenticationMethods") == NULL;
}

static void
tally_route(struct keeper *k, const struct conf_section *s, struct tally *t, char cost[64])
{
	struct conf_errors errors = { 0 };
	char methods[AUTH_METHODS_NEXT_SIZE];
	struct auth_methods m;
	struct route *route;
	const char *hash;
	size_t len;

	if (route_new(k->now->conf, s, &errors, &route) != 0) {
		conf_errors_free(&errors);
		return;
	}
	auth_methods_init(&m, &route->methods);
	auth_methods_next(&m, methods);
	tally_add(t, methods);
	hash = route->password_hash;
	if (hash != NULL && cost[0] == '\0') {
		/* "$argon2id$v=19$m=65536,t=2,p=1" */
		len = strcspn(hash + strlen("$argon2id$v=19$"), "$") + strlen("$argon2id$v=19$");
		snprintf(cost, 64, "%.*s", (int)len, hash);
	}
	route_unref(&route);
}

void
unknown_init(struct keeper *k)
{
	char cost[64] = "", salt[32], sum[64];
	uint8_t noise[48];
	struct tally t = { 0 };
	size_t i, best = 0;

	for (i = 0; i < k->now->conf->n_routes; i++) {
		if (is_plain(&k->now->conf->routes[i]))
			tally_add(&t, "publickey");
		else
			tally_route(k, &k->now->conf->routes[i], &t, cost);
	}
	for (i = 0; i < t.n; i++)
		if (t.offers[i].n > t.offers[best].n)
			best = i;
	snprintf(k->unknown_methods, sizeof(k->unknown_methods), "%s",
	    t.n > 0 ? t.offers[best].methods : "publickey");
	randombytes_buf(noise, sizeof(noise));
	sodium_bin2base64(salt, sizeof(salt), noise, 16, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	sodium_bin2base64(sum, sizeof(sum), noise + 16, 32,
	    sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	snprintf(k->unknown_hash, sizeof(k->unknown_hash), "%s$%s$%s",
	    cost[0] != '\0' ? cost : "$argon2id$v=19$m=65536,t=2,p=1", salt, sum);
}
