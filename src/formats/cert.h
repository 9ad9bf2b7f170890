/*
 * OpenSSH certificates (PROTOCOL.certkeys, "v01").  Parsing one proves nothing: the caller
 * verifies the CA's signature (access/user_key.h).
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
	struct bytes numbers; /* the rest of that key's blob after its type */
	uint64_t serial;
	uint32_t kind;		 /* enum cert_kind */
	struct bytes key_id;	 /* has no NUL in it */
	struct bytes principals; /* strings, one after the other */
	uint64_t valid_after, valid_before;
	struct bytes critical, extensions; /* names and values */
	struct bytes ca;		   /* blob of the key that signed it */
	struct bytes covered, signature;   /* what is signed, and the signature blob */
};

/* The extensions of user certificates that permit something: AUTHORIZED_*.  cert_options.c has the
 * table, sorted by name as they are written. */
#define CERT_EXTENSIONS 5
extern const struct cert_extension {
	const char *name;
	unsigned int permits;
} cert_extensions[CERT_EXTENSIONS];

/*
 * Parse a certificate.  0 if it is well-formed, both keys are good (pubkey_check()), and the
 * signature's algorithm is accepted; SHA-1 is not, nor is a CA that is a certificate.
 * ERR_FORMAT; ERR_TOOBIG: more principals or options than above; ERR_WEAK or ERR_COSTLY for
 * either key; ERR_ALGORITHM, also for a blob that is not a certificate.
 */
int cert_parse(struct cert *c, struct bytes blob) MUST_CHECK;

/* Read the certified key alone: its type (static), and the rest of its blob after the type.  0,
 * ERR_FORMAT, or ERR_ALGORITHM if the blob is not a certificate. */
int cert_key(struct bytes blob, const char **type, struct bytes *numbers) MUST_CHECK;

/* Append the blob of the certified key; a blob that is not a certificate is appended as it is. */
void cert_put_key(struct bytes blob, struct buf *out);

/* The type of the certified key for the type of a certificate; NULL if it is not a certificate's.
 * Static. */
const char *cert_key_type(const char *type);
/* The inverse: "ssh-rsa-cert-v01@openssh.com" for "ssh-rsa".  NULL if keys of this type have no
 * certificates.  Static. */
const char *cert_type_for_key(const char *key_type);

/* The signature algorithm for the public key algorithm of a login with a certificate of this
 * type: "rsa-sha2-256" for "rsa-sha2-256-cert-v01@openssh.com".  NULL if the algorithm is not
 * accepted or the type is not a certificate's.  Static. */
const char *cert_algorithm(const char *type, const char *alg);
/* 1 if cert_algorithm() accepts the name for some type. */
int cert_is_algorithm(const char *alg);
/* The inverse of cert_algorithm(): the name for a signature algorithm. */
const char *cert_algorithm_for(const char *type, const char *plain);

/* The algorithm of the CA's signature. */
void cert_signature_algorithm(const struct cert *c, char alg[64]);

/* "2026-11-20 21:00:00Z" */
void cert_show_time(uint64_t when, char out[32]);

/* 1 if the certificate is of this kind and valid now, or 0 with why: "expired on ...". */
int cert_valid(const struct cert *c, enum cert_kind kind, time_t now, struct reason *why);

/* 1 if the name is one of the principals; letter case counts. */
int cert_has_principal(const struct cert *c, const char *name);

/*
 * What a user certificate permits: as in sshd, only what it names.  1 with options filled (free
 * with authorized_options_free()), or 0 with why: source-address= does not match, or there is an
 * unknown critical option.
 */
int cert_options(const struct cert *c, const char *address, struct authorized_options *options,
    struct reason *why);

/*
 * 1 if this is a valid host certificate for this name (in lower case), or 0 with why.  As in ssh,
 * letter case of principals counts, a certificate without principals is for every host, and any
 * critical option is unknown.
 */
int cert_names_host(const struct cert *c, const char *host, time_t now, struct reason *why);

/* The certificate in the words of sshd's log: "ID alice (serial 7) CA ED25519 SHA256:...".  A
 * long ID is cut. */
#define CERT_SHOW_SIZE 512
const char *cert_show(const struct cert *c, char out[CERT_SHOW_SIZE]);

#endif
