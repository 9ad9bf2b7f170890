/*
 * What one CA takes back of what it has signed: the list that `sallyport ca revoke` keeps as a record of the
 * state directory, and from which krl_write.h makes a KRL.  The record is text, a word and a value in each
 * line:
 *
 *	ca ssh-ed25519 AAAA...		the CA's public key: once
 *	name NAME			what it is called: once at most
 *	serial 7			serial numbers of certificates
 *	serial 10 20			the same, from 10 to 20
 *	id alice's laptop		key ID of certificates
 *	key SHA256:...			a key: with each of its certificates, of any CA
 */
#ifndef FORMATS_REVOKED_H
#define FORMATS_REVOKED_H

#include "base/reason.h"
#include "base/strlist.h"
#include "wire/wire.h"

#define REVOKED_ID_MAX 1024 /* bytes of a key ID, which is a line of the record */

struct revoked_range {
	uint64_t first,
	    last; /* both included; never 0, which stands for a certificate without a number */
};

struct revoked {
	struct buf ca;		       /* blob */
	char *name;		       /* or NULL */
	struct revoked_range *serials; /* in order, and no two that touch */
	size_t n_serials;
	struct strlist ids;
	struct strlist keys; /* "SHA256:..." */
};

/* An empty list; then revoked_free() it. */
void revoked_init(struct revoked *r);
void revoked_free(struct revoked *r);

/* Read lines into an empty list.  0; ERR_FORMAT with the number of the line in why; or ERR_NOMEM. */
int revoked_get(struct revoked *r, struct bytes text, struct reason *why) MUST_CHECK;
/* Append the lines.  Errors are left to buf_err(). */
void revoked_put(const struct revoked *r, struct buf *out);

/* 0; ERR_EXISTS: all of that is in the list already; ERR_FORMAT: no such number, ID or fingerprint; or
 * ERR_NOMEM. */
int revoked_add_serials(struct revoked *r, uint64_t first, uint64_t last) MUST_CHECK;
int revoked_add_id(struct revoked *r, const char *id) MUST_CHECK;
int revoked_add_key(struct revoked *r, const char *fingerprint) MUST_CHECK;

/* Parse "7" or "10-20".  0 or ERR_FORMAT. */
int revoked_serials(const char *text, uint64_t *first, uint64_t *last) MUST_CHECK;

/* The 32 bytes of a fingerprint, "SHA256:...".  0 or ERR_FORMAT. */
int revoked_fingerprint(const char *text, uint8_t out[32]) MUST_CHECK;

#endif
