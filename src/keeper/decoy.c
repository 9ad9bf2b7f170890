#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "keeper/decoy.h"
#include "keeper/ksession.h"
#include "wire/wire.h"

/* As in sshd: a refusal takes 5 ms and, by the login, up to 4 ms more. */
#define PACE_US 5000
#define PACE_MORE_US 4000
/* One that many log in as does not crowd out the others. */
#define WEIGHT_MAX 100000

/* Longer than any hash the host key signs for a session: no session can have it signed. */
static const char secret_of[] =
    "sallyport: how logins that do not exist are made to look like those that do; nothing else "
    "is ever to be signed like this";

/* Until a machine has been seen: sshd with PAM on a machine nearby. */
static const uint32_t times_at_first[DECOY_NTIMES] = {
	[DECOY_CONNECT] = 150000,
	[DECOY_QUESTION] = 5000,
	[DECOY_REFUSAL] = 2000000,
};

static void
shape_hash(struct decoy_shape *s)
{
	uint8_t noise[48];
	char salt[24], sum[48];

	randombytes_buf(noise, sizeof(noise));
	sodium_bin2base64(salt, sizeof(salt), noise, 16, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	sodium_bin2base64(sum, sizeof(sum), noise + 16, 32,
	    sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	snprintf(s->hash, sizeof(s->hash), "%s$%s$%s",
	    s->cost[0] != '\0' ? s->cost : "$argon2id$v=19$m=65536,t=2,p=1", salt, sum);
}

static void
shape_add(struct decoy *u, const struct decoy_shape *like)
{
	struct decoy_shape *s;
	size_t i;

	for (i = 0; i < u->n_shapes; i++) {
		s = &u->shapes[i];
		if (s->passthrough == like->passthrough && strcmp(s->methods, like->methods) == 0 &&
		    strcmp(s->cost, like->cost) == 0)
			break;
	}
	if (i == DECOY_SHAPES_MAX)
		return;
	s = &u->shapes[i];
	if (i == u->n_shapes) {
		*s = *like;
		shape_hash(s);
		u->n_shapes++;
	}
	if (s->weight < WEIGHT_MAX)
		s->weight++;
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
route_add(struct decoy *u, const struct route *route)
{
	static const char kind[] = "$argon2id$v=19$";
	struct decoy_shape s = { .passthrough = route->passthrough };
	const char *hash = route->password_hash;
	struct auth_methods m;

	auth_methods_init(&m, &route->methods);
	auth_methods_next(&m, s.methods);
	if (hash != NULL && strncmp(hash, kind, strlen(kind)) == 0)
		snprintf(s.cost, sizeof(s.cost), "%.*s",
		    (int)(strlen(kind) + strcspn(hash + strlen(kind), "$")), hash);
	shape_add(u, &s);
}

static void
section_add(struct keeper *k, const struct conf_section *s)
{
	const struct decoy_shape plain = { .methods = "publickey" };
	struct conf_errors errors = { 0 };
	struct route *route;

	/* without the key of MatchFingerprint, it is not seen */
	if (is_plain(s) || conf_entry_find(s, "MatchFingerprint") != NULL) {
		shape_add(&k->unknown, &plain);
		return;
	}
	if (route_new(k->now->conf, s, &errors, &route) == 0) {
		route_add(&k->unknown, route);
		route_unref(&route);
	}
	conf_errors_free(&errors);
}

/* The same after a restart, if a host key signs the same twice: with other shapes for them,
 * those that do not exist would be known by it. */
static void
secret_make(struct keeper *k)
{
	const struct identity *id = k->now->identity;
	uint8_t *secret = k->unknown.secret;
	const struct host_key *key;
	struct reason why;
	struct buf sig;
	size_t i;

	randombytes_buf(secret, sizeof(k->unknown.secret));
	for (i = 0; i < id->n_host_keys; i++) {
		key = &id->host_keys[i];
		if (strncmp(key->type, "ecdsa", 5) == 0)
			continue;
		buf_init(&sig, 8192);
		if (keystore_sign_with(id->keystore, key->name, &key->sealed, NULL, secret_of,
			sizeof(secret_of), &sig, &why) == 0) {
			crypto_generichash(secret, sizeof(k->unknown.secret), sig.data, sig.len,
			    NULL, 0);
			i = id->n_host_keys;
		}
		buf_wipe(&sig);
	}
}

void
decoy_init(struct keeper *k)
{
	const struct decoy_shape plain = { .methods = "publickey" };
	struct decoy *u = &k->unknown;
	size_t i;

	u->n_shapes = 0;
	memset(u->shapes, 0, sizeof(u->shapes));
	for (i = 0; i < k->now->conf->n_routes; i++)
		section_add(k, &k->now->conf->routes[i]);
	if (u->n_shapes == 0)
		shape_add(u, &plain);
	secret_make(k);
}

void
decoy_learn(struct keeper *k, const struct route *route)
{
	if (strcmp(route->backend, "ini") != 0)
		route_add(&k->unknown, route);
}

/* Two numbers that nobody can tell from the login: evenly spread. */
static void
hash_login(const struct keeper *k, const char *login, uint64_t out[2])
{
	crypto_generichash((uint8_t *)out, 2 * sizeof(*out), (const uint8_t *)login, strlen(login),
	    k->unknown.secret, sizeof(k->unknown.secret));
}

/* How many logins have this shape; of those that ask for a key, if that is what is wanted. */
static double
weight(const struct decoy_shape *s, int wants_key)
{
	return wants_key && !namelist_has(s->methods, "publickey") ? 0 : (double)s->weight;
}

const struct decoy_shape *
decoy_shape(const struct keeper *k, const char *login, int wants_key)
{
	const struct decoy *u = &k->unknown;
	size_t i, last = 0;
	double at, total = 0;
	uint64_t h[2];

	for (i = 0; i < u->n_shapes; i++)
		total += weight(&u->shapes[i], wants_key);
	/* the route is of a backend that can't be looked through, and none was seen yet */
	if (total == 0)
		return decoy_shape(k, login, 0);
	hash_login(k, login, h);
	/* a share, not a remainder: one route more moves few logins to another shape */
	at = (double)(h[0] >> 11) / (double)(UINT64_C(1) << 53) * total;
	for (i = 0; i < u->n_shapes; i++) {
		if (weight(&u->shapes[i], wants_key) == 0)
			continue;
		last = i;
		if (at < weight(&u->shapes[i], wants_key))
			break;
		at -= weight(&u->shapes[i], wants_key);
	}
	return &u->shapes[last];
}

const struct decoy_shape *
decoy_common(const struct keeper *k)
{
	const struct decoy *u = &k->unknown;
	size_t i, best = 0;

	for (i = 1; i < u->n_shapes; i++)
		if (u->shapes[i].weight > u->shapes[best].weight)
			best = i;
	return &u->shapes[best];
}

uint32_t
decoy_pace(const struct keeper *k, const char *login)
{
	uint64_t h[2];

	hash_login(k, login, h);
	return PACE_US + (uint32_t)(h[1] % PACE_MORE_US);
}

void
decoy_note(struct keeper *k, enum decoy_time what, int64_t us)
{
	struct decoy_times *t = &k->unknown.times[what];

	/* longer than any grace time: nothing to learn from */
	if (us < 0 || us > INT64_C(60) * 1000 * 1000)
		return;
	t->us[t->next] = (uint32_t)us;
	t->next = (t->next + 1) % DECOY_TIMES;
	if (t->n < DECOY_TIMES)
		t->n++;
}

uint32_t
decoy_draw(const struct keeper *k, enum decoy_time what)
{
	const struct decoy_times *t = &k->unknown.times[what];
	uint32_t us = t->n > 0 ? t->us[randombytes_uniform((uint32_t)t->n)] : times_at_first[what];

	/* a machine does not take the very same time twice */
	return us - us / 32 + us / 64 * randombytes_uniform(5);
}
