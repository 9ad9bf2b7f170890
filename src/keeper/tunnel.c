/*
 * The registry of tunnels (tunnel.h): who may hold which name.  tunnel_connect.c leads connections into them.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/match.h"
#include "conf/forward.h"
#include "keeper/tunnel_private.h"

#define TUNNEL_PROOF_SIZE 128

/* Names that are tried for a client that leaves the choice to the gateway. */
#define TUNNEL_GIVEN_MAX 16

void
tunnels_init(struct tunnels *t)
{
	size_t i;

	t->n = 0;
	t->serial = 0;
	LIST_INIT(&t->with_port);
	for (i = 0; i < TUNNEL_BUCKETS; i++)
		LIST_INIT(&t->buckets[i]);
}

static struct tunnel_bucket *
tunnel_bucket_of(struct keeper *k, const char *name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return &k->tunnels.buckets[hash % TUNNEL_BUCKETS];
}

struct tunnel *
tunnel_find(struct keeper *k, const char *name, uint32_t port)
{
	struct tunnel *t = LIST_FIRST(tunnel_bucket_of(k, name)), *any = NULL;

	/* new ones are in front */
	for (; t != NULL; t = LIST_NEXT(t, same)) {
		if (strcmp(t->name, name) != 0 || tunnel_port_waits(t))
			continue;
		if (t->port == port)
			return t;
		any = t;
	}
	return any;
}

/* --- persons --- */

/* What makes a person besides the login: the key; where nobody has to prove anything, the address, of IPv6 the
 * network that a provider hands out to one subscriber; else, such as with a password, nothing. */
static void
tunnel_proof_of(const struct ksession *s, char out[TUNNEL_PROOF_SIZE])
{
	struct in6_addr a;

	out[0] = '\0';
	if (s->down.keys_used.n > 0) {
		snprintf(out, TUNNEL_PROOF_SIZE, "%s", s->down.keys_used.v[0]);
	} else if (route_wants_nobody(s->route)) {
		snprintf(out, TUNNEL_PROOF_SIZE, "%s", s->client);
		if (inet_pton(AF_INET6, s->client, &a) == 1) {
			memset(a.s6_addr + 8, 0, 8);
			(void)inet_ntop(AF_INET6, &a, out, TUNNEL_PROOF_SIZE);
		}
	}
}

static int
tunnel_same_person(const struct ksession *a, const struct ksession *b)
{
	char proof_a[TUNNEL_PROOF_SIZE], proof_b[TUNNEL_PROOF_SIZE];

	if (strcmp(a->route->login, b->route->login) != 0)
		return 0;
	tunnel_proof_of(a, proof_a);
	tunnel_proof_of(b, proof_b);
	return strcmp(proof_a, proof_b) == 0;
}

int
tunnel_may_enter(const struct ksession *s)
{
	const struct ksession *other;
	int n = 0;

	if (s->route->mode != ROUTE_TUNNEL || !route_wants_nobody(s->route))
		return 1;
	TAILQ_FOREACH(other, &s->keeper->sessions, entry)
		if (other != s && other->logged_in && other->route->mode == ROUTE_TUNNEL &&
		    tunnel_same_person(s, other))
			n++;
	return n < s->route->max_tunnels;
}

static unsigned int
tunnel_count_of_person(const struct ksession *s)
{
	const struct ksession *other;
	unsigned int n = 0;

	TAILQ_FOREACH(other, &s->keeper->sessions, entry)
		if (other->tunnels.n > 0 && tunnel_same_person(s, other))
			n += other->tunnels.n;
	return n;
}

/* --- answers --- */

/* The name, and how to reach it.  0 or ERR_NOMEM. */
static int
tunnel_set_line(struct tunnel *t)
{
	const char *domain = forward_tunnel_domain(t->session->keeper->now->conf);
	struct buf b;

	buf_init(&b, 512);
	buf_putf(&b, "%s port %u", t->name, t->port);
	if (t->granted != 0)
		buf_putf(&b, " (TCP port %u of the gateway)", t->granted);
	else if (domain != NULL)
		buf_putf(&b, " (%s.%.250s)", t->name, domain);
	if (buf_cstr(&b) == NULL) {
		buf_free(&b);
		return ERR_NOMEM;
	}
	t->line = (char *)b.data;
	return 0;
}

static void
tunnel_answer(struct ksession *s, int done, uint32_t port, const char *line)
{
	struct buf b;

	ipc_begin(&b, IPC_TUNNEL_ANSWER);
	wire_put_bool(&b, done);
	wire_put_u32(&b, port);
	wire_put_text(&b, line);
	(void)ksession_send(s, &b, -1);
}

void
tunnel_refuse(struct ksession *s, const char *name, uint32_t port, const char *why)
{
	char line[512];

	s->tunnels.asking = 0;
	ksession_log_tunnel(s, "tunnel_refused", name, port, why);
	snprintf(line, sizeof(line), "%.200s port %u: %s", name, port, why);
	tunnel_answer(s, 0, 0, line);
}

/* --- the end of a tunnel --- */

void
tunnel_free(struct tunnel *t, const char *why)
{
	struct ksession *s = t->session;

	if (why != NULL)
		ksession_log_tunnel(s, "tunnel_closed", t->name, t->port, why);
	tunnel_port_drop(t);
	LIST_REMOVE(t, same);
	TAILQ_REMOVE(&s->tunnels.list, t, entry);
	s->tunnels.n--;
	s->keeper->tunnels.n--;
	free(t->line);
	free(t);
}

/* Another session of the same person has asked for it. */
static void
tunnel_replace(struct tunnel *t)
{
	static const char why[] = "a newer connection of yours holds it now";
	struct ksession *s = t->session;
	struct buf b;

	if (tunnel_port_waits(t)) {
		tunnel_port_refused(t, why);
		return;
	}
	ipc_begin(&b, IPC_TUNNEL_LOST);
	wire_put_text(&b, t->line);
	wire_put_text(&b, why);
	tunnel_free(t, why);
	(void)ksession_send(s, &b, -1);
}

void
tunnels_end(struct ksession *s)
{
	struct tunnel *t, *next;

	for (t = TAILQ_FIRST(&s->tunnels.list); t != NULL; t = next) {
		next = TAILQ_NEXT(t, entry);
		tunnel_free(t, "its session has ended");
	}
}

void
tunnels_over(struct keeper *k)
{
	struct ksession *s, *next;
	struct buf b;

	for (s = TAILQ_FIRST(&k->sessions); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->route == NULL || s->route->mode != ROUTE_TUNNEL)
			continue;
		ipc_begin(&b, IPC_TUNNEL_OVER);
		wire_put_text(&b, "the gateway has been restarted: connect again");
		(void)ksession_send(s, &b, -1);
	}
}

/* --- a new tunnel --- */

enum tunnel_place {
	TUNNEL_FREE,
	TUNNEL_MINE,  /* this session has it already */
	TUNNEL_OLDER, /* another session of the same person has it, which may be dead */
	TUNNEL_TAKEN
};

/* Which session has this name and port, as asked for; older is set with TUNNEL_OLDER. */
static enum tunnel_place
tunnel_place_of(struct ksession *s, const char *name, uint32_t asked, struct tunnel **older)
{
	struct tunnel *t = LIST_FIRST(tunnel_bucket_of(s->keeper, name));

	*older = NULL;
	for (; t != NULL; t = LIST_NEXT(t, same)) {
		if (strcmp(t->name, name) != 0)
			continue;
		if (!tunnel_same_person(s, t->session))
			return TUNNEL_TAKEN;
		if (asked != 0 ? t->port != asked : t->asked != 0 || t->session == s)
			continue;
		if (t->session == s)
			return TUNNEL_MINE;
		*older = t; /* in the end the first of them */
	}
	return *older != NULL ? TUNNEL_OLDER : TUNNEL_FREE;
}

/* For port 0: the first that is not used under this name. */
static uint32_t
tunnel_port_for(struct keeper *k, const char *name)
{
	const struct tunnel *t;
	uint32_t port = 0;

	do {
		port++;
		LIST_FOREACH(t, tunnel_bucket_of(k, name), same)
			if (t->port == port && strcmp(t->name, name) == 0)
				break;
	} while (t != NULL);
	return port;
}

/* The n-th pattern of TunnelNames, or NULL. */
static const char *
tunnel_pattern(const struct ksession *s, size_t n)
{
	const struct strlist *patterns = &s->route->tunnel_names;

	if (patterns->n == 0)
		return n == 0 ? s->route->login : NULL;
	return n < patterns->n ? patterns->v[n] : NULL;
}

static int
tunnel_may_ask(const struct ksession *s, const char *name)
{
	const char *pattern;
	size_t i;

	for (i = 0; (pattern = tunnel_pattern(s, i)) != NULL; i++)
		if (match_pattern((struct bytes){ (const uint8_t *)name, strlen(name) },
			(struct bytes){ (const uint8_t *)pattern, strlen(pattern) }, MATCH_FOLD))
			return 1;
	return 0;
}

uint64_t
tunnel_number(const struct ksession *s, unsigned int turn)
{
	crypto_generichash_state state;
	char key[TUNNEL_PROOF_SIZE];
	uint64_t number;

	tunnel_proof_of(s, key);
	crypto_generichash_init(&state, NULL, 0, sizeof(number));
	crypto_generichash_update(&state, (const uint8_t *)s->route->login,
	    strlen(s->route->login) + 1);
	crypto_generichash_update(&state, (const uint8_t *)key, strlen(key) + 1);
	crypto_generichash_update(&state, (const uint8_t *)&turn, sizeof(turn));
	crypto_generichash_final(&state, (uint8_t *)&number, sizeof(number));
	return number;
}

/* The client leaves the name to the gateway: the first of TunnelNames that it can have.  NULL, or why not. */
static const char *
tunnel_give(struct ksession *s, uint32_t asked, char name[TUNNEL_NAME_SIZE], struct tunnel **older)
{
	enum tunnel_place place;
	unsigned int turn, turns;
	const char *pattern;
	size_t i;

	for (i = 0; (pattern = tunnel_pattern(s, i)) != NULL; i++) {
		turns = strpbrk(pattern, "*?") != NULL ? TUNNEL_GIVEN_MAX : 1;
		for (turn = 0; turn < turns; turn++) {
			if (tunnel_name_give(pattern, tunnel_number(s, turn), name) != 0)
				break;
			place = tunnel_place_of(s, name, asked, older);
			if (place == TUNNEL_FREE || place == TUNNEL_OLDER)
				return NULL;
		}
	}
	snprintf(name, TUNNEL_NAME_SIZE, "%s", "tunnel");
	return "no name of TunnelNames is free: ask for one, ssh -R NAME:PORT:HOST:PORT";
}

/* The client has asked for a name.  NULL, or why it cannot have it. */
static const char *
tunnel_ask(struct ksession *s, uint32_t asked, const char *name, struct tunnel **older)
{
	if (!tunnel_may_ask(s, name))
		return "TunnelNames does not permit this name";
	switch (tunnel_place_of(s, name, asked, older)) {
	case TUNNEL_TAKEN:
		return "somebody else holds this name";
	case TUNNEL_MINE:
		return "this connection holds it already";
	case TUNNEL_FREE:
	case TUNNEL_OLDER:
		break;
	}
	return NULL;
}

/* What forbids a tunnel, or NULL. */
static const char *
tunnel_limit(const struct ksession *s)
{
	if (tunnel_count_of_person(s) >= (unsigned int)s->route->max_tunnels)
		return "you hold as many tunnels as MaxTunnels permits";
	if (s->keeper->tunnels.n >= TUNNELS_MAX)
		return "the gateway holds as many tunnels as it can";
	return NULL;
}

void
tunnel_opened(struct tunnel *t)
{
	t->session->tunnels.asking = 0;
	if (tunnel_set_line(t) != 0) {
		tunnel_port_refused(t, "out of memory");
		return;
	}
	ksession_log_tunnel(t->session, "tunnel", t->name, t->port, "");
	tunnel_answer(t->session, 1, t->asked == 0 ? t->port : 0, t->line);
}

/* The session gets the tunnel; older, which may be NULL, is the one that it takes the place of. */
static void
tunnel_add(struct ksession *s, const char *name, uint32_t asked, const char *address,
    struct tunnel *older)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		tunnel_refuse(s, name, asked, "out of memory");
		return;
	}
	t->session = s;
	t->asked = asked;
	snprintf(t->name, sizeof(t->name), "%s", name);
	snprintf(t->address, sizeof(t->address), "%s", address);
	t->port = asked != 0 ? asked :
	    older != NULL    ? older->port :
			       tunnel_port_for(s->keeper, name);
	LIST_INSERT_HEAD(tunnel_bucket_of(s->keeper, name), t, same);
	TAILQ_INSERT_TAIL(&s->tunnels.list, t, entry);
	s->tunnels.n++;
	s->keeper->tunnels.n++;
	if (older != NULL) {
		tunnel_port_move(older, t);
		tunnel_replace(older);
	}
	s->tunnels.asking = t->granted == 0 && tunnel_port_wanted(t);
	if (s->tunnels.asking)
		tunnel_port_ask(t);
	else
		tunnel_opened(t);
}

/* Read TUNNEL_LISTEN or TUNNEL_CANCEL.  0, or the session has been ended. */
static int
tunnel_read(struct ksession *s, struct wire *body, char address[256], uint32_t *port)
{
	wire_text(body, address, 256);
	*port = wire_u32(body);
	if (s->route == NULL || s->route->mode != ROUTE_TUNNEL || s->tunnels.asking ||
	    wire_end(body) != 0 || *port > UINT16_MAX) {
		ksession_error(s, "ended: it asks for a tunnel out of place");
		ksession_end(s);
		return ERR_FORMAT;
	}
	return 0;
}

void
tunnel_listen(struct ksession *s, struct wire *body)
{
	char address[256], name[TUNNEL_NAME_SIZE];
	struct tunnel *older = NULL;
	const char *why;
	uint32_t port;

	if (tunnel_read(s, body, address, &port) != 0)
		return;
	if (s->tunnels.asked < 2 * s->route->max_tunnels) {
		s->tunnels.asked++;
	} else if (!bucket_take(&s->tunnels.asks, clock_ms())) {
		tunnel_answer(s, 0, 0, "too many requests at once: try again later");
		return;
	}
	if (tunnel_name_left_out(address)) {
		why = tunnel_give(s, port, name, &older);
	} else if (tunnel_name_set(address, name) != 0) {
		tunnel_refuse(s, address, port,
		    "a name has up to 63 of a-z 0-9 . _ -, with a letter or digit at both ends");
		return;
	} else {
		why = tunnel_ask(s, port, name, &older);
	}
	if (why == NULL && older == NULL)
		why = tunnel_limit(s);
	/* %u in TunnelNames is to stand for one name, and not for a pattern of the client's */
	if (strpbrk(s->route->login, "*?") != NULL)
		why = "a login with * or ? in it holds no tunnels";
	if (why != NULL) {
		tunnel_refuse(s, name, port, why);
		return;
	}
	tunnel_add(s, name, port, address, older);
}

void
tunnel_cancel(struct ksession *s, struct wire *body)
{
	char address[256];
	struct tunnel *t = TAILQ_FIRST(&s->tunnels.list);
	uint32_t port;
	char *line;

	if (tunnel_read(s, body, address, &port) != 0)
		return;
	while (t != NULL && (t->port != port || strcmp(t->address, address) != 0))
		t = TAILQ_NEXT(t, entry);
	if (t == NULL) {
		tunnel_answer(s, 0, 0, "there is no such tunnel");
		return;
	}
	line = t->line;
	t->line = NULL;
	tunnel_free(t, "its client has ended it");
	tunnel_answer(s, 1, 0, line);
	free(line);
}
