/*
 * A USERAUTH_REQUEST (RFC 4252 section 5), taken apart.
 */
#ifndef AUTH_AUTH_REQUEST_H
#define AUTH_AUTH_REQUEST_H

#include "base/buf.h"
#include "wire/wire.h"

/* All borrowed from the message. */
struct auth_request {
	struct bytes user, service, method;
	int publickey; /* the rest is set */
	int hostbound;
	int has_signature;
	struct bytes alg, blob, host_key, signature;
	struct bytes rest; /* of other methods */
};

/*
 * RFC 4252 section 7, and PROTOCOL section 3.1 of OpenSSH for the hostbound form.  What
 * follows the names of other methods is not looked at.  0 or ERR_FORMAT.
 */
int auth_request_parse(struct auth_request *r, const uint8_t *payload, size_t len) MUST_CHECK;

/* Append what the signature of a publickey request covers (RFC 4252 section 7). */
void auth_request_signed(const struct auth_request *r, struct bytes session_id, struct buf *data);

/* The rest of a password request (RFC 4252 section 8): *change if a new one comes with it.
 * 0 or ERR_FORMAT. */
int auth_request_password(struct bytes rest, int *change, struct bytes *password) MUST_CHECK;

/* 1 if s is printable US-ASCII without blanks, and fits size bytes with a NUL. */
int auth_name_ok(struct bytes s, size_t size);

#endif
