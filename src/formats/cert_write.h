/*
 * Writing OpenSSH certificates, byte for byte as ssh-keygen -s does for the same order.  The caller
 * signs: its CA key may be in the key store or in an agent.
 *
 *	cert_begin(&out, &order, ca_blob);		what is to be signed is buf_bytes(&out)
 *	... sign it with cert_ca_algorithm(ca_type) ...
 *	cert_end(&out, signature);			out is the certificate
 */
#ifndef FORMATS_CERT_WRITE_H
#define FORMATS_CERT_WRITE_H

#include "base/strlist.h"
#include "formats/cert.h"

/* Bytes of a certificate, for buf_init(): with a key and a CA of RSA 16384 and the longest lists. */
#define CERT_WRITE_MAX 65536
/* Bytes of a key id or of the text of a critical option: sshd logs the id and passes the command to
 * a shell, and both have to fit a login message with the rest. */
#define CERT_TEXT_MAX 8192

/* What the certificate is to say.  All is borrowed for the call.  The options are for a user's
 * certificate; a host's has none. */
struct cert_order {
	enum cert_kind kind;
	struct bytes key; /* public blob of the key to be certified; not a certificate */
	uint64_t serial;
	const char *key_id;
	const struct strlist *principals;   /* at most CERT_PRINCIPALS_MAX */
	uint64_t valid_after, valid_before; /* of time(2); UINT64_MAX as the latter: for ever */

	const char *force_command;  /* or NULL */
	const char *source_address; /* CIDR blocks with commas, or NULL */
	int verify_required;	    /* of a key on a token: PIN or fingerprint */
	int no_touch_required;
	unsigned int permits; /* AUTHORIZED_*: the extensions */
};

/*
 * Append the certificate up to its signature, with a random nonce, to an empty buffer.  0;
 * ERR_ALGORITHM: there is no certificate for a key of this type, or the CA is a certificate or a
 * key that no CA can be; ERR_FORMAT: the order is not one: no kind, no principal or a text that is
 * too long, options of a host, or a time that ends before it begins; ERR_TOOBIG, ERR_NOMEM.
 */
int cert_begin(struct buf *out, const struct cert_order *order, struct bytes ca) MUST_CHECK;

/* Append the signature blob.  0 if cert_parse() then takes the certificate; else as that says. */
int cert_end(struct buf *out, struct bytes signature) MUST_CHECK;

/* The algorithm that a CA key of this type ("ssh-rsa") signs certificates with: "rsa-sha2-512", or
 * the type itself.  NULL if no CA can have such a key.  Static. */
const char *cert_ca_algorithm(const char *type);

#endif
