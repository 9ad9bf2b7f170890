/*
 * OpenSSH certificates (PROTOCOL.certkeys, "v01"): a user's key with what a CA says of
 * it.  Reading one proves nothing: its signature is checked apart, by who can.
 */
#ifndef FORMATS_CERT_H
#define FORMATS_CERT_H

#include <time.h>

#include "base/reason.h"
#include "formats/authorized_keys.h"

enum cert_kind {
	CERT_USER = 1,
	CERT_HOST = 2,
};

#define CERT_PRINCIPALS_MAX 256 /* as in sshd */
#define CERT_OPTIONS_MAX 128	/* critical options, and again extensions */

/* All borrowed from the blob. */
struct cert {
	const char *key_type; /* of the certified key: "ssh-ed25519"; static */
	struct bytes numbers; /* what stands behind the type in the blob of that key */
	uint64_t serial;
	uint32_t kind;		 /* enum cert_kind */
	struct bytes key_id;	 /* holds no NUL */
	struct bytes principals; /* strings, one after the other */
	uint64_t valid_after, valid_before;
	struct bytes critical, extensions; /* names and values */
	struct bytes ca;		   /* blob of the key that has signed it */
	struct bytes covered, signature;   /* over what, and the signature blob */
};

/*
 * Take it apart.  0 if it is well-formed, the key and the CA's are good (pubkey_check()) and
 * of a type that is taken, and it is signed with an algorithm that is: SHA-1 is not, nor is
 * a CA that is a certificate.  ERR_FORMAT, ERR_TOOBIG (more than the above), ERR_WEAK or
 * ERR_COSTLY for either key, or ERR_ALGORITHM, also for what is no certificate.
 */
int cert_parse(struct cert *c, struct bytes blob) MUST_CHECK;

/* The certified key of a blob: its type (static), and what stands behind that in the key's
 * own blob.  Looks no further.  0, ERR_FORMAT, or ERR_ALGORITHM if it is no certificate. */
int cert_key(struct bytes blob, const char **type, struct bytes *numbers) MUST_CHECK;

/* Append the blob of the certified key; what is no certificate, as it is. */
void cert_put_key(struct bytes blob, struct buf *out);

/* The type of the certified key, for that of a certificate; NULL if it is none.  Static. */
const char *cert_key_type(const char *type);

/* The algorithm the client signs with, for the name by which it asks to log in with a
 * certificate of this type: "rsa-sha2-256" for "rsa-sha2-256-cert-v01@openssh.com".  NULL if
 * it is not to be taken, or the type is not that of a certificate.  Static. */
const char *cert_algorithm(const char *type, const char *alg);
/* 1 if that takes the name, for a type. */
int cert_is_algorithm(const char *alg);
/* The other way round, for a plain algorithm. */
const char *cert_algorithm_for(const char *type, const char *plain);

/* The algorithm inside its signature, as the CA made it. */
void cert_signature_algorithm(const struct cert *c, char alg[64]);

/* 1 if it is of the kind and valid now, or 0 with why: "expired on ...". */
int cert_valid(const struct cert *c, enum cert_kind kind, time_t now, struct reason *why);

/* 1 if the name is one of its principals, letter by letter. */
int cert_has_principal(const struct cert *c, const char *name);

/*
 * What it lets its bearer do: nothing that it does not name, as in sshd.  1 with options
 * filled (free with authorized_options_free()), or 0 with why: it is not for this address, or
 * there is a critical option we do not know.
 */
int cert_options(const struct cert *c, const char *address, struct authorized_options *options,
    struct reason *why);

/*
 * Is it a host's, for the host of this name (as it is connected to, in lower case), and good
 * now?  As in ssh: principals are compared letter by letter, without any it is for all hosts,
 * and a critical option is one more than we know.  1, or 0 with why.
 */
int cert_names_host(const struct cert *c, const char *host, time_t now, struct reason *why);

/* What sshd says of it in its log: "ID alice (serial 7) CA ED25519 SHA256:...".  A long
 * ID is cut. */
#define CERT_SHOW_SIZE 512
const char *cert_show(const struct cert *c, char out[CERT_SHOW_SIZE]);

#endif
