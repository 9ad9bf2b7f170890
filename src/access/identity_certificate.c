/*
 * The certificates of the gateway's own host keys (HostCertificate), which spare clients that trust
 * their authority the question for a fingerprint.  Called by identity.c, by cli/check.c, and by the
 * keeper, which signs with the certified key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/identity.h"
#include "access/user_key.h"
#include "formats/cert.h"
#include "formats/pubkey.h"

/* One line of base64. */
#define CERTIFICATE_TEXT_MAX (2 * IDENTITY_BLOBS_MAX)

/* The index of the host key with this public blob, or the number of keys. */
static size_t
identity_find_key(const struct identity *id, struct bytes blob)
{
	size_t i;

	for (i = 0; i < id->n_host_keys; i++)
		if (bytes_equal(buf_bytes(&id->host_keys[i].blob), blob))
			return i;
	return i;
}

/* Is the blob a certificate of one of the host keys?  0, or an ERR_* with why. */
static int
identity_certificate_parse(const struct identity *id, struct host_certificate *c,
    struct reason *why)
{
	const struct bytes blob = buf_bytes(&c->blob);
	struct cert cert;
	struct buf key;

	reason_set(why, "is no certificate that can be used; make one with: ssh-keygen -s CA -h");
	if (cert_parse(&cert, blob) != 0 || pubkey_type(blob, c->type) != 0)
		return ERR_FORMAT;
	if (cert.kind != CERT_HOST) {
		reason_set(why,
		    "is a user's certificate, not a host's: sign it with ssh-keygen -h");
		return ERR_FORMAT;
	}
	if (cert.critical.len > 0) {
		reason_set(why, "has a critical option, which no client accepts of a host");
		return ERR_FORMAT;
	}
	if (!user_key_ca_signed(&cert)) {
		reason_set(why, "its signature is not by its CA");
		return ERR_FORMAT;
	}
	c->valid_after = cert.valid_after;
	c->valid_before = cert.valid_before;
	buf_init(&key, IDENTITY_BLOBS_MAX);
	cert_put_key(blob, &key);
	c->key = identity_find_key(id, buf_bytes(&key));
	buf_free(&key);
	if (c->key == id->n_host_keys) {
		reason_set(why, "is not for a key in HostKey");
		return ERR_NOTFOUND;
	}
	return 0;
}

/* May it join those before it? */
static int
identity_certificate_fits(const struct identity *id, const struct host_certificate *c,
    struct reason *why)
{
	size_t i, size = c->blob.len;

	for (i = 0; i < id->n_host_keys; i++)
		size += id->host_keys[i].blob.len;
	for (i = 0; i < id->n_certificates; i++) {
		size += id->certificates[i].blob.len;
		if (id->certificates[i].key != c->key)
			continue;
		reason_set(why, "a second certificate for %s, beside %.300s",
		    id->host_keys[c->key].name, id->certificates[i].path);
		return ERR_EXISTS;
	}
	if (size <= IDENTITY_BLOBS_MAX)
		return 0;
	reason_set(why, "the host keys and their certificates are larger than %d KiB together",
	    IDENTITY_BLOBS_MAX / 1024);
	return ERR_TOOBIG;
}

int
identity_add_certificate(struct identity *id, const struct conf *conf, const char *path,
    struct reason *why)
{
	struct host_certificate c = { 0 };
	struct reason reason;
	struct buf text;
	size_t len = 0;
	int r;

	buf_init(&text, CERTIFICATE_TEXT_MAX);
	buf_init(&c.blob, IDENTITY_BLOBS_MAX);
	r = safe_path_read(&conf->file_rule, path, &text, why);
	if (r != 0)
		goto out; /* with the path in why */
	while (len < text.len && text.data[len] != '\n')
		len++;
	reason_set(&reason, "is not an OpenSSH certificate");
	r = pubkey_parse((const char *)text.data, len, &c.blob);
	if (r == 0)
		r = identity_certificate_parse(id, &c, &reason);
	if (r == 0)
		r = identity_certificate_fits(id, &c, &reason);
	if (r == 0 && (c.path = strdup(path)) == NULL) {
		reason_set(&reason, "%s", err_str(ERR_NOMEM));
		r = ERR_NOMEM;
	}
	if (r == 0)
		id->certificates[id->n_certificates++] = c;
	else
		reason_set(why, "%.300s: %s", path, reason.text);
out:
	if (r != 0)
		buf_free(&c.blob);
	buf_free(&text);
	return r;
}

void
identity_certificates_free(struct identity *id)
{
	size_t i;

	for (i = 0; i < id->n_certificates; i++) {
		free(id->certificates[i].path);
		buf_free(&id->certificates[i].blob);
	}
	id->n_certificates = 0;
}

int
identity_certificate_valid(const struct host_certificate *c, time_t now, struct reason *why)
{
	const struct cert validity = { .kind = CERT_HOST,
		.valid_after = c->valid_after,
		.valid_before = c->valid_before };
	struct reason reason;

	if (cert_valid(&validity, CERT_HOST, now, &reason))
		return 1;
	reason_set(why, "%.300s: %s", c->path, reason.text);
	return 0;
}

size_t
identity_offer(const struct identity *id, time_t now, struct bytes out[IDENTITY_OFFER_MAX],
    size_t *certificates)
{
	struct reason why;
	size_t i, n = 0;

	for (i = 0; i < id->n_certificates; i++)
		if (identity_certificate_valid(&id->certificates[i], now, &why))
			out[n++] = buf_bytes(&id->certificates[i].blob);
	*certificates = n;
	for (i = 0; i < id->n_host_keys; i++)
		out[n++] = buf_bytes(&id->host_keys[i].blob);
	return n;
}

int
identity_use(const struct identity *id, const char *alg, struct host_key_use *use)
{
	const struct host_certificate *c;
	size_t i;

	*use = (struct host_key_use){ .key = identity_host_key(id, alg), .alg = alg };
	if (use->key != NULL) {
		use->shown = buf_bytes(&use->key->blob);
		return 1;
	}
	for (i = 0; i < id->n_certificates; i++) {
		c = &id->certificates[i];
		use->alg = cert_algorithm(c->type, alg);
		if (use->alg == NULL)
			continue;
		use->key = &id->host_keys[c->key];
		use->shown = buf_bytes(&c->blob);
		return 1;
	}
	return 0;
}
