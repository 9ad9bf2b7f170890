/*
 * Parsing OpenSSH certificates and checking their validity and names.  Called by access/ for
 * users and hosts, and by the login machines of auth/.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "formats/cert.h"
#include "formats/pubkey.h"
#include "base/log.h"

/* The types of certificates.  Their algorithms have the same names, except for RSA. */
static const struct cert_type {
	const char *name;
	const char *key;      /* type of the certified key */
	unsigned int numbers; /* strings after the type in that key's blob */
} types[] = {
	{ "ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", 1 },
	{ "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256", 2 },
	{ "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp384", 2 },
	{ "ecdsa-sha2-nistp521-cert-v01@openssh.com", "ecdsa-sha2-nistp521", 2 },
	{ "ssh-rsa-cert-v01@openssh.com", "ssh-rsa", 2 },
	{ "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com", 2 },
	{ "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", 3 },
};

static const struct {
	const char *name;
	const char *plain;
} rsa_algorithms[] = {
	{ "rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-512" },
	{ "rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-256" },
};

static const struct cert_type *
cert_type_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

const char *
cert_key_type(const char *type)
{
	const struct cert_type *t = cert_type_find(type);

	return t == NULL ? NULL : t->key;
}

const char *
cert_type_for_key(const char *key_type)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].key, key_type) == 0)
			return types[i].name;
	return NULL;
}

const char *
cert_algorithm(const char *type, const char *alg)
{
	const struct cert_type *t = cert_type_find(type);
	size_t i;

	if (t == NULL)
		return NULL;
	if (strcmp(t->key, "ssh-rsa") != 0)
		return strcmp(alg, type) == 0 ? t->key : NULL;
	for (i = 0; i < sizeof(rsa_algorithms) / sizeof(rsa_algorithms[0]); i++)
		if (strcmp(rsa_algorithms[i].name, alg) == 0)
			return rsa_algorithms[i].plain;
	return NULL;
}

int
cert_is_algorithm(const char *alg)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (cert_algorithm(types[i].name, alg) != NULL)
			return 1;
	return 0;
}

const char *
cert_algorithm_for(const char *type, const char *plain)
{
	const struct cert_type *t = cert_type_find(type);
	size_t i;

	if (t == NULL)
		return NULL;
	if (strcmp(t->key, "ssh-rsa") != 0)
		return strcmp(t->key, plain) == 0 ? t->name : NULL;
	for (i = 0; i < sizeof(rsa_algorithms) / sizeof(rsa_algorithms[0]); i++)
		if (strcmp(rsa_algorithms[i].plain, plain) == 0)
			return rsa_algorithms[i].name;
	return NULL;
}

/* Parse the beginning of a certificate, up to the end of the certified key. */
static int
cert_take_key(struct wire *w, const char **type, struct bytes *numbers)
{
	const struct cert_type *t;
	const uint8_t *start;
	unsigned int i;
	char name[64];

	*type = "";
	*numbers = (struct bytes){ NULL, 0 };
	if (pubkey_type((struct bytes){ w->p, w->left }, name) != 0)
		return ERR_FORMAT;
	t = cert_type_find(name);
	if (t == NULL)
		return ERR_ALGORITHM;
	(void)wire_string(w); /* type */
	(void)wire_string(w); /* nonce */
	start = w->p;
	for (i = 0; i < t->numbers; i++)
		(void)wire_string(w);
	if (wire_err(w) != 0)
		return ERR_FORMAT;
	*type = t->key;
	*numbers = (struct bytes){ start, (size_t)(w->p - start) };
	return 0;
}

int
cert_key(struct bytes blob, const char **type, struct bytes *numbers)
{
	struct wire w;

	wire_init(&w, blob.p, blob.len);
	return cert_take_key(&w, type, numbers);
}

void
cert_put_key(struct bytes blob, struct buf *out)
{
	struct bytes numbers;
	const char *type;

	if (cert_key(blob, &type, &numbers) != 0) {
		buf_put(out, blob.p, blob.len);
		return;
	}
	wire_put_text(out, type);
	buf_put(out, numbers.p, numbers.len);
}

/* Check the certified key by the rules for plain keys. */
static int
cert_key_check(struct bytes blob)
{
	struct buf key;
	int r;

	buf_init(&key, blob.len + 64);
	cert_put_key(blob, &key);
	r = buf_err(&key);
	if (r == 0)
		r = pubkey_check(buf_bytes(&key));
	buf_free(&key);
	return r;
}

/* Check the CA's key and the algorithm of its signature. */
static int
cert_ca_check(const struct cert *c)
{
	char type[64], alg[64];
	int r;

	r = pubkey_check(c->ca);
	if (r != 0)
		return r;
	if (pubkey_type(c->ca, type) != 0)
		return ERR_FORMAT;
	cert_signature_algorithm(c, alg);
	return pubkey_algorithm_ok(type, alg) ? 0 : ERR_ALGORITHM;
}

/* Check a list of at most so many strings without NUL, each followed by a value if values is set. */
static int
cert_strings_check(struct bytes list, int values, unsigned int max)
{
	struct bytes s;
	struct wire w;

	wire_init(&w, list.p, list.len);
	while (w.left > 0 && wire_err(&w) == 0) {
		if (max-- == 0)
			return ERR_TOOBIG;
		s = wire_string(&w);
		if (values)
			(void)wire_string(&w);
		if (s.len > 0 && memchr(s.p, '\0', s.len) != NULL)
			return ERR_FORMAT;
	}
	return wire_end(&w);
}

int
cert_parse(struct cert *c, struct bytes blob)
{
	struct wire w;
	int r;

	*c = (struct cert){ 0 };
	wire_init(&w, blob.p, blob.len);
	r = cert_take_key(&w, &c->key_type, &c->numbers);
	if (r != 0)
		return r;
	c->serial = wire_u64(&w);
	c->kind = wire_u32(&w);
	c->key_id = wire_string(&w);
	c->principals = wire_string(&w);
	c->valid_after = wire_u64(&w);
	c->valid_before = wire_u64(&w);
	c->critical = wire_string(&w);
	c->extensions = wire_string(&w);
	(void)wire_string(&w); /* reserved */
	c->ca = wire_string(&w);
	if (wire_err(&w) != 0)
		return ERR_FORMAT;
	c->covered = (struct bytes){ blob.p, blob.len - w.left };
	c->signature = wire_string(&w);
	if (wire_end(&w) != 0 || (c->kind != CERT_USER && c->kind != CERT_HOST) ||
	    (c->key_id.len > 0 && memchr(c->key_id.p, '\0', c->key_id.len) != NULL))
		return ERR_FORMAT;
	if ((r = cert_strings_check(c->principals, 0, CERT_PRINCIPALS_MAX)) != 0 ||
	    (r = cert_strings_check(c->critical, 1, CERT_OPTIONS_MAX)) != 0 ||
	    (r = cert_strings_check(c->extensions, 1, CERT_OPTIONS_MAX)) != 0 ||
	    (r = cert_key_check(blob)) != 0)
		return r;
	return cert_ca_check(c);
}

void
cert_signature_algorithm(const struct cert *c, char alg[64])
{
	/* a signature blob, like a key's, begins with a name */
	if (pubkey_type(c->signature, alg) != 0)
		alg[0] = '\0';
}

void
cert_show_time(uint64_t when, char out[32])
{
	time_t t = (time_t)when;
	struct tm tm;

	if (when > INT64_MAX || gmtime_r(&t, &tm) == NULL ||
	    strftime(out, 32, "%Y-%m-%d %H:%M:%SZ", &tm) == 0)
		snprintf(out, 32, "a distant day");
}

int
cert_valid(const struct cert *c, enum cert_kind kind, time_t now, struct reason *why)
{
	char when[32], present[32];

	cert_show_time((uint64_t)now, present);
	if (c->kind != (uint32_t)kind) {
		reason_set(why, "the certificate is a %s's, not a %s's",
		    kind == CERT_USER ? "host" : "user", kind == CERT_USER ? "user" : "host");
		return 0;
	}
	if (now < 0 || (uint64_t)now < c->valid_after) {
		cert_show_time(c->valid_after, when);
		reason_set(why, "the certificate is not valid before %s; this host's clock says %s",
		    when, present);
		return 0;
	}
	if ((uint64_t)now >= c->valid_before) {
		cert_show_time(c->valid_before, when);
		reason_set(why,
		    "the certificate has expired: it was valid until %s; this host's clock says %s",
		    when, present);
		return 0;
	}
	return 1;
}

int
cert_has_principal(const struct cert *c, const char *name)
{
	struct wire w;

	wire_init(&w, c->principals.p, c->principals.len);
	while (w.left > 0 && wire_err(&w) == 0)
		if (bytes_is(wire_string(&w), name))
			return 1;
	return 0;
}

int
cert_names_host(const struct cert *c, const char *host, time_t now, struct reason *why)
{
	if (!cert_valid(c, CERT_HOST, now, why))
		return 0;
	if (c->principals.len > 0 && !cert_has_principal(c, host)) {
		reason_set(why, "%s is not a principal of the certificate", host);
		return 0;
	}
	if (c->critical.len > 0) {
		reason_set(why, "the certificate has a critical option, and hosts have none");
		return 0;
	}
	return 1;
}

const char *
cert_show(const struct cert *c, char out[CERT_SHOW_SIZE])
{
	char id[256], fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];

	pubkey_fingerprint(c->ca, fingerprint);
	if (pubkey_type(c->ca, type) != 0)
		type[0] = '\0';
	snprintf(out, CERT_SHOW_SIZE, "ID %s (serial %" PRIu64 ") CA %s %s",
	    log_vis(id, sizeof(id), c->key_id.p, c->key_id.len), c->serial, pubkey_type_short(type),
	    fingerprint);
	return out;
}
