/*
 * The shapes, hashes and durations that unknown logins are answered with.  downstream.c and
 * its kin ask for them; passthrough.c and lookups record durations.
 */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "keeper/decoy.h"
#include "keeper/downstream.h"
#include "keeper/ksession.h"
#include "wire/methods.h"
#include "wire/wire.h"

/* As in sshd: a refusal takes 5 ms and, by the login, up to 4 ms more. */
#define DECOY_PACE_US 5000
#define DECOY_PACE_MORE_US 4000
/* A route that is looked up very often does not crowd out the others. */
#define DECOY_WEIGHT_MAX 100000

/* What the secret is the signature of.  It is longer than any hash that the host key signs for a
 * session, so no session can have it signed; and the text cannot change, or the shapes would. */
static const char decoy_secret_text[] =
    "sallyport: how logins that do not exist are made to look like those that do; nothing else "
    "is ever to be signed like this";

/* Until an upstream has been timed: sshd with PAM on a host nearby. */
static const uint32_t decoy_times_at_first[DECOY_NTIMES] = {
	[DECOY_CONNECT] = 150000,
	[DECOY_QUESTION] = 5000,
	[DECOY_REFUSAL] = 2000000,
	[DECOY_CODE] = 3000,
	[DECOY_FACTOR_QUESTION] = 20000,
	[DECOY_FACTOR_REFUSAL] = 20000,
};

static void
decoy_shape_hash(struct decoy_shape *s)
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
decoy_shape_add(struct decoy *d, const struct decoy_shape *like)
{
	struct decoy_shape *s;
	size_t i;

	for (i = 0; i < d->n_shapes; i++) {
		s = &d->shapes[i];
		if (s->passthrough == like->passthrough &&
		    memcmp(s->conversations, like->conversations, sizeof(s->conversations)) == 0 &&
		    strcmp(s->methods, like->methods) == 0 && strcmp(s->cost, like->cost) == 0)
			break;
	}
	if (i == DECOY_SHAPES_MAX)
		return;
	s = &d->shapes[i];
	if (i == d->n_shapes) {
		*s = *like;
		decoy_shape_hash(s);
		d->n_shapes++;
	}
	if (s->weight < DECOY_WEIGHT_MAX)
		s->weight++;
}

/* The plain shape, which most routes have, is recognized without parsing the whole section. */
static int
decoy_is_plain(const struct conf_section *s)
{
	return conf_entry_find(s, "Passthrough") == NULL &&
	    conf_entry_find(s, "PasswordHash") == NULL &&
	    conf_entry_find(s, "AuthenticationMethods") == NULL;
}

static void
decoy_route_add(struct decoy *d, const struct route *route)
{
	static const char kind[] = "$argon2id$v=19$";
	struct decoy_shape s = { .passthrough = route->passthrough };
	const char *hash = route->password_hash;
	struct auth_methods m;

	/* a login that does not exist lets nobody in */
	if (route_wants_nobody(route))
		return;
	auth_methods_init(&m, &route->methods);
	auth_methods_next(&m, s.methods);
	s.n_conversations = auth_methods_conversations(&m, s.conversations);
	if (hash != NULL && strncmp(hash, kind, strlen(kind)) == 0)
		snprintf(s.cost, sizeof(s.cost), "%.*s",
		    (int)(strlen(kind) + strcspn(hash + strlen(kind), "$")), hash);
	decoy_shape_add(d, &s);
}

static void
decoy_section_add(struct keeper *k, const struct conf_section *s)
{
	const struct decoy_shape plain = { .methods = METHOD_PUBLICKEY };
	struct conf_errors errors = { 0 };
	struct route *route;

	/* a client without the key of MatchFingerprint does not see the route */
	if (decoy_is_plain(s) || conf_entry_find(s, "MatchFingerprint") != NULL) {
		decoy_shape_add(&k->decoy, &plain);
		return;
	}
	if (route_new(k->now->conf, s, &errors, &route) == 0) {
		decoy_route_add(&k->decoy, route);
		route_free(&route);
	}
	conf_errors_free(&errors);
}

/* The secret is the same after a restart, if there is a host key whose signatures are always
 * the same: unknown logins would be known by a shape that changes. */
static void
decoy_secret_make(struct keeper *k)
{
	const struct identity *id = k->now->identity;
	uint8_t *secret = k->decoy.secret;
	const struct host_key *key;
	struct reason why;
	struct buf sig;
	size_t i;

	randombytes_buf(secret, sizeof(k->decoy.secret));
	for (i = 0; i < id->n_host_keys; i++) {
		key = &id->host_keys[i];
		if (strncmp(key->type, "ecdsa", 5) == 0)
			continue;
		buf_init(&sig, 8192);
		if (keystore_sign_with(id->keystore, key->name, &key->sealed, NULL,
			decoy_secret_text, sizeof(decoy_secret_text), &sig, &why) == 0) {
			crypto_generichash(secret, sizeof(k->decoy.secret), sig.data, sig.len, NULL,
			    0);
			i = id->n_host_keys;
		}
		buf_wipe(&sig);
	}
}

void
decoy_init(struct keeper *k)
{
	const struct decoy_shape plain = { .methods = METHOD_PUBLICKEY };
	struct decoy *d = &k->decoy;
	size_t i;

	d->n_shapes = 0;
	memset(d->shapes, 0, sizeof(d->shapes));
	for (i = 0; i < k->now->conf->n_routes; i++)
		decoy_section_add(k, &k->now->conf->routes[i]);
	if (d->n_shapes == 0)
		decoy_shape_add(d, &plain);
	decoy_secret_make(k);
}

void
decoy_free(struct decoy *d)
{
	size_t i;

	for (i = 0; i < DECOY_ROUNDS; i++)
		buf_free(&d->factor_questions[i]);
}

void
decoy_learn(struct keeper *k, const struct route *route)
{
	if (strcmp(route->backend, "ini") != 0)
		decoy_route_add(&k->decoy, route);
}

/* Two evenly spread numbers, which depend on the login and the secret.  A login that exists is the
 * same with any style, so an unknown one is, too. */
static void
decoy_hash_login(const struct keeper *k, const char *login, uint64_t out[2])
{
	crypto_generichash((uint8_t *)out, 2 * sizeof(*out), (const uint8_t *)login,
	    lookup_style(login), k->decoy.secret, sizeof(k->decoy.secret));
}

/* How many logins have this shape; none, if a shape that offers publickey is wanted and it
 * does not. */
static double
decoy_weight(const struct decoy_shape *s, int wants_key)
{
	return wants_key && !namelist_has(s->methods, METHOD_PUBLICKEY) ? 0 : (double)s->weight;
}

static const struct decoy_shape *
decoy_shape_find(const struct keeper *k, const char *login, int wants_key)
{
	const struct decoy *d = &k->decoy;
	size_t i, last = 0;
	double at, total = 0;
	uint64_t h[2];

	for (i = 0; i < d->n_shapes; i++)
		total += decoy_weight(&d->shapes[i], wants_key);
	/* the route is of a backend that cannot list its routes, and none was found yet */
	if (total == 0)
		return decoy_shape_find(k, login, 0);
	decoy_hash_login(k, login, h);
	/* a share, not a remainder: one route more moves few logins to another shape */
	at = (double)(h[0] >> 11) / (double)(UINT64_C(1) << 53) * total;
	for (i = 0; i < d->n_shapes; i++) {
		if (decoy_weight(&d->shapes[i], wants_key) == 0)
			continue;
		last = i;
		if (at < decoy_weight(&d->shapes[i], wants_key))
			break;
		at -= decoy_weight(&d->shapes[i], wants_key);
	}
	return &d->shapes[last];
}

const struct decoy_shape *
decoy_of(const struct ksession *s)
{
	return decoy_shape_find(s->keeper, auth_server_login(s->down.auth),
	    s->down.by_key == LOOKUP_WANTS_KEY);
}

const struct decoy_shape *
decoy_common(const struct keeper *k)
{
	const struct decoy *d = &k->decoy;
	size_t i, best = 0;

	for (i = 1; i < d->n_shapes; i++)
		if (d->shapes[i].weight > d->shapes[best].weight)
			best = i;
	return &d->shapes[best];
}

uint32_t
decoy_pace(const struct keeper *k, const char *login)
{
	uint64_t h[2];

	decoy_hash_login(k, login, h);
	return DECOY_PACE_US + (uint32_t)(h[1] % DECOY_PACE_MORE_US);
}

void
decoy_note(struct keeper *k, enum decoy_time what, int64_t us)
{
	struct decoy_times *t = &k->decoy.times[what];

	/* longer than most LoginGraceTimes: nobody waits that long for an answer */
	if (us < 0 || us > INT64_C(60) * 1000 * 1000)
		return;
	t->us[t->next] = (uint32_t)us;
	t->next = (t->next + 1) % DECOY_TIMES;
	if (t->n < DECOY_TIMES)
		t->n++;
}

void
decoy_note_methods(struct keeper *k, const char *methods)
{
	k->decoy.upstream_methods[0] = '\0';
	auth_methods_add_relayed(k->decoy.upstream_methods, methods, methods);
}

uint32_t
decoy_draw(const struct keeper *k, enum decoy_time what)
{
	const struct decoy_times *t = &k->decoy.times[what];
	uint32_t us = t->n > 0 ? t->us[randombytes_uniform((uint32_t)t->n)] :
				 decoy_times_at_first[what];

	/* an upstream does not take the very same time twice */
	return us - us / 32 + us / 64 * randombytes_uniform(5);
}

/* Of the methods offered so far, those that are left once an upstream has said what it offers. */
static void
decoy_methods_left(const char *methods, const char *upstream, char out[AUTH_METHODS_NEXT_SIZE])
{
	out[0] = '\0';
	if (namelist_has(methods, METHOD_PUBLICKEY))
		auth_methods_add(out, AUTH_METHODS_NEXT_SIZE, METHOD_PUBLICKEY);
	auth_methods_add_relayed(out, methods, upstream);
}

void
decoy_answer(struct ksession *s)
{
	const struct keeper *k = s->keeper;
	char methods[AUTH_METHODS_NEXT_SIZE];
	struct bytes message;

	s->down.reply_min_us = s->down.decoy_connected ? 0 : decoy_draw(k, DECOY_CONNECT);
	s->down.decoy_connected = 1;
	decoy_methods_left(decoy_of(s)->methods, k->decoy.upstream_methods, methods);
	if (strcmp(methods, "") != 0 && strcmp(methods, METHOD_PUBLICKEY) != 0) {
		if (auth_server_set_methods(s->down.auth, methods) != 0) {
			ksession_end(s);
			return;
		}
		if (!namelist_has(methods, auth_server_method(s->down.auth))) {
			downstream_declined(s);
			return;
		}
	}
	if (auth_server_pending(s->down.auth, &message) == AUTH_SERVER_CONVERSATION) {
		s->down.reply_min_us += decoy_draw(k, DECOY_QUESTION);
		downstream_ask_password(s);
	} else {
		s->down.reply_min_us += decoy_draw(k, DECOY_REFUSAL);
		downstream_failed(s);
	}
}
