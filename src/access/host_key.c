/*
 * The judgement of an upstream's host key or certificate by its route: known_hosts,
 * HostKeyFingerprint and StrictHostKeyChecking.  Called for each login by
 * keeper/upstream_host_key.c, and by cli/keyscan.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/cert.h"
#include "formats/known_hosts.h"
#include "formats/pubkey.h"
#include "formats/text.h"
#include "wire/algorithms.h"
#include "access/user_key.h"
#include "access/host_key.h"
#include "access/route_files.h"
#include "transport/keys.h"

#define HOST_KEY_MAX 65536

struct host_key_known {
	struct buf lines; /* for the host, of all UserKnownHostsFiles; empty after an error */
	int err;	  /* 0, or an ERR_* with why */
	struct reason why;
};

int
host_key_read_known(const struct route *r, struct buf *text, struct reason *why)
{
	size_t i;
	int err;

	for (i = 0; i < r->known_hosts_files.n; i++) {
		err = route_file_read(r, r->known_hosts_files.v[i], text, why);
		if (err != 0 && err != ERR_NOTFOUND)
			return err;
		buf_put(text, "\n", 1);
	}
	err = buf_err(text);
	if (err != 0)
		reason_set(why, "the known hosts: %s",
		    err == ERR_TOOBIG ? "are too large" : err_str(err));
	return err;
}

struct host_key_known *
host_key_known_new(const struct route *r, const char *host)
{
	struct host_key_known *known = calloc(1, sizeof(*known));
	struct buf text;

	if (known == NULL)
		return NULL;
	buf_init(&known->lines, KNOWN_HOSTS_MAX);
	buf_init(&text, KNOWN_HOSTS_MAX);
	known->err = host_key_read_known(r, &text, &known->why);
	if (known->err == 0) {
		known_hosts_lines((const char *)text.data, text.len, host, r->port, &known->lines);
		known->err = buf_err(&known->lines);
		if (known->err != 0)
			reason_set(&known->why, "the known hosts: %s", err_str(known->err));
	}
	if (known->err != 0)
		buf_free(&known->lines);
	buf_free(&text);
	return known;
}

void
host_key_known_free(struct host_key_known **known)
{
	if (*known != NULL)
		buf_free(&(*known)->lines);
	free(*known);
	*known = NULL;
}

const char *
host_key_known_error(const struct host_key_known *known)
{
	if (known == NULL)
		return err_str(ERR_NOMEM);
	return known->err != 0 ? known->why.text : NULL;
}

void
host_key_algorithms(const struct route *r, const char *host, const struct host_key_known *known,
    struct buf *algorithms)
{
	const char *all = r->host_key_algorithms != NULL ? r->host_key_algorithms :
							   algorithms_default(ALGORITHMS_HOST_KEY);

	known_hosts_algorithms(known == NULL ? NULL : (const char *)known->lines.data,
	    known == NULL ? 0 : known->lines.len, host, r->port, all, 0, algorithms);
}

static int
host_key_has_fingerprint(const struct route *route, struct bytes blob)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];

	pubkey_fingerprint(blob, fingerprint);
	return strlist_has(&route->host_key_fingerprints, fingerprint);
}

/* What is the host's certificate good for?  KNOWN_HOST_NEW: nothing, with why if known_hosts
 * has an authority for the host that has not signed it properly; as with ssh, its key counts
 * for itself then. */
static enum known_hosts_result
host_key_check_certificate(const struct host_key_shown *shown, struct reason *why)
{
	const struct buf *lines = &shown->known->lines;
	enum known_hosts_result result;
	char name[256];
	struct cert cert;
	int r = cert_parse(&cert, shown->blob);

	if (r != 0) {
		reason_set(why, "%s",
		    r == ERR_WEAK ?
			"the RSA key of the certificate's CA is shorter than 2048 bits" :
			r == ERR_COSTLY ?
			"the RSA key of the certificate's CA is larger than 8192 bits, or its "
			"exponent is larger than 5 bytes" :
			"the certificate is malformed, too large, or signed with an "
			"algorithm that is not accepted");
		return KNOWN_HOST_NEW;
	}
	result = known_hosts_authority((const char *)lines->data, lines->len, shown->host,
	    shown->route->port, &cert);
	if (result != KNOWN_HOST_OK)
		return result;
	/* the form in which it has to be among the principals */
	snprintf(name, sizeof(name), "%s", shown->host);
	text_lower(name);
	if (!user_key_ca_signed(&cert))
		reason_set(why, "the certificate's signature is not by its CA");
	else if (cert_names_host(&cert, name, time(NULL), why))
		return KNOWN_HOST_OK;
	return KNOWN_HOST_NEW;
}

/* Do the known hosts have what was shown, a key or the certificate of a key? */
static enum known_hosts_result
host_key_look_up(const struct host_key_shown *shown, struct bytes key, struct host_key_judgement *j)
{
	const char *error = host_key_known_error(shown->known);
	enum known_hosts_result result = KNOWN_HOST_NEW;
	const struct buf *lines;

	if (error != NULL) {
		reason_set(&j->why, "the known hosts cannot be read: %s", error);
		return KNOWN_HOST_REVOKED;
	}
	lines = &shown->known->lines;
	if (!bytes_equal(shown->blob, key))
		result = host_key_check_certificate(shown, &j->why);
	if (result == KNOWN_HOST_OK)
		j->by = HOST_KEY_BY_AUTHORITY;
	if (result == KNOWN_HOST_NEW)
		result = known_hosts_check((const char *)lines->data, lines->len, shown->host,
		    shown->route->port, key);
	if (result == KNOWN_HOST_REVOKED)
		reason_set(&j->why, "the key is marked @revoked");
	return result;
}

void
host_key_refuse(struct host_key_judgement *j, int changed)
{
	j->verdict = HOST_KEY_REFUSED;
	reason_add(&j->why, "%s%s", j->why.text[0] != '\0' ? ", and " : "",
	    changed ?
		"the key has CHANGED: this may be an attack, or the upstream was reinstalled" :
		"the key is not known");
}

/* A host that is known by its authority has to show a certificate. */
static void
host_key_want_certificate(const struct host_key_shown *shown, struct host_key_judgement *j)
{
	const struct buf *lines = &shown->known->lines;

	if (bytes_equal(shown->blob, buf_bytes(&j->key)) &&
	    known_hosts_has_authority((const char *)lines->data, lines->len, shown->host,
		shown->route->port))
		reason_set(&j->why,
		    "it has shown no certificate by the authority that is known (HostCertificate in "
		    "its sshd_config)");
}

/* The verdict by known_hosts, the fingerprints of the route and StrictHostKeyChecking. */
static void
host_key_decide(const struct host_key_shown *shown, struct host_key_judgement *j)
{
	const struct bytes key = buf_bytes(&j->key);
	const struct route *route = shown->route;
	enum known_hosts_result result;

	j->why.text[0] = '\0';
	result = host_key_look_up(shown, key, j);
	if (result == KNOWN_HOST_REVOKED)
		return;
	if (result == KNOWN_HOST_OK) {
		j->verdict = HOST_KEY_KNOWN;
		return;
	}
	if (host_key_has_fingerprint(route, key)) {
		j->verdict = HOST_KEY_KNOWN;
		j->by = HOST_KEY_BY_FINGERPRINT;
		return;
	}
	if (result == KNOWN_HOST_NEW && route->host_key_fingerprints.n > 0)
		result = KNOWN_HOST_CHANGED; /* the route says what it should be, and it is not */
	if (result == KNOWN_HOST_NEW && route->strict == ROUTE_STRICT_ACCEPT_NEW)
		j->verdict = HOST_KEY_NEW;
	else if (route->strict == ROUTE_STRICT_NO)
		j->verdict = result == KNOWN_HOST_CHANGED ? HOST_KEY_CHANGED : HOST_KEY_ANY;
	else {
		host_key_want_certificate(shown, j);
		host_key_refuse(j, result == KNOWN_HOST_CHANGED);
	}
}

/* Append the key that signs: of a certificate the certified key.  alg, the algorithm of the
 * key exchange, becomes the one that such a signature has. */
static int
host_key_signing_key(struct bytes blob, char alg[64], struct buf *key)
{
	const char *plain;
	char type[64];

	cert_put_key(blob, key);
	if (buf_err(key) != 0 || pubkey_type(blob, type) != 0)
		return ERR_FORMAT;
	if (cert_key_type(type) == NULL)
		return 0;
	plain = cert_algorithm(type, alg);
	if (plain == NULL)
		return ERR_ALGORITHM;
	snprintf(alg, 64, "%s", plain);
	return 0;
}

/* ssh-rsa is accepted only if the route names it, as it is only then in the list that the
 * host was asked for. */
static int
host_key_verify(const struct host_key_shown *shown, struct bytes key, const char *alg)
{
	const char *list = shown->route->host_key_algorithms;
	const struct bytes hash = shown->hash;
	uint8_t flags;

	if (strcmp(alg, "ssh-rsa") == 0 && list != NULL && namelist_has(list, alg))
		return key_verify_sha1(key, shown->sig, hash.p, hash.len);
	return key_verify(key, alg, shown->sig, hash.p, hash.len, &flags);
}

void
host_key_judge(const struct host_key_shown *shown, struct host_key_judgement *j)
{
	char alg[64];
	int r;

	*j = (struct host_key_judgement){ .verdict = HOST_KEY_REFUSED };
	buf_init(&j->key, HOST_KEY_MAX);
	reason_set(&j->why, "bad signature");
	if (shown->hash.len < HOST_KEY_HASH_MIN || shown->hash.len > HOST_KEY_HASH_MAX ||
	    strlen(shown->alg) >= sizeof(alg))
		return;
	snprintf(alg, sizeof(alg), "%s", shown->alg);
	r = host_key_signing_key(shown->blob, alg, &j->key);
	if (r == 0)
		r = host_key_verify(shown, buf_bytes(&j->key), alg);
	if (r == ERR_WEAK || r == ERR_COSTLY)
		reason_set(&j->why, "%s", err_str(r));
	if (r == 0)
		host_key_decide(shown, j);
}

void
host_key_judgement_free(struct host_key_judgement *j)
{
	buf_free(&j->key);
}

const char *
host_key_failed(const struct route *r, struct bytes blob, const char *why, struct reason *out)
{
	char fingerprint[PUBKEY_FINGERPRINT_SIZE], type[64];

	pubkey_fingerprint(blob, fingerprint);
	if (pubkey_type(blob, type) != 0)
		type[0] = '\0';
	reason_set(out, "%s %s: %s; known keys are in %s", pubkey_type_short(type), fingerprint,
	    why, r->known_hosts_files.n > 0 ? r->known_hosts_files.v[0] : "HostKeyFingerprint");
	return out->text;
}
