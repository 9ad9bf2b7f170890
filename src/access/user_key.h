/*
 * Which keys and certificates may log in by a route: by its lists, its certificate
 * authorities, and its revoked keys.
 */
#ifndef ACCESS_USER_KEY_H
#define ACCESS_USER_KEY_H

#include <time.h>

#include "base/reason.h"
#include "formats/authorized_keys.h"
#include "formats/cert.h"
#include "lookup/lookup.h"

/* Bytes of AuthorizedKeysFile and of TrustedUserCAKeys, which is some 10,000 keys; and of
 * RevokedKeys, a list or a KRL. */
#define AUTHORIZED_KEYS_MAX (1024 * 1024)
#define REVOKED_MAX (16 * 1024 * 1024)

struct user_key_request {
	const struct route *route;
	const char *login;
	const char *address; /* numeric, of the client */
	time_t now;
};

struct user_key_answer {
	/* of the key that may log in, with PubkeyAuthOptions of the route; the caller frees them */
	struct authorized_options options;
	char where[512];   /* what allows it: "line 3 of FILE" */
	struct reason why; /* or why not, or "" */
};

/* 1 if the signature of the certificate is its CA's.  Whether a security key was touched for
 * it is not asked. */
int user_key_ca_signed(const struct cert *cert);

/* May the key, or the certificate, log in?  1 or 0.  Files of bounded size are read.  route is
 * NULL for an unknown login: the signature takes the same time then, and the answer is 0. */
int user_key_allowed(const struct user_key_request *request, struct bytes blob,
    struct user_key_answer *answer);

/* PubkeyAcceptedAlgorithms, of the route or else of [gateway]: names separated by commas.  Valid as
 * long as both. */
const char *user_key_algorithms(const struct route *route, const struct conf *conf);

/* 1 if a key of this type has an algorithm among them. */
int user_key_type_accepted(const char *type, const char *algorithms);

/* Do the lists of keys, or the certificate authorities, of the route have the key that the client offers?  1 or
 * 0.  That selects a route; whether the key may log in is for user_key_allowed() to say. */
int user_key_listed(const struct lookup_request *request, const struct route *route);

/* A file of a route that says which keys may log in. */
enum user_key_list {
	USER_KEY_AUTHORIZED, /* AuthorizedKeysFile */
	USER_KEY_TRUSTED,    /* TrustedUserCAKeys */
	USER_KEY_REVOKED,    /* RevokedKeys */
};

/* Could user_key_allowed() use the list, which the route has?  0; an ERR_* of
 * route_file_open(), for ERR_SYS with errno; ERR_TOOBIG; or ERR_FORMAT: it makes no sense.
 * why is a line that begins with the path. */
int user_key_list_check(const struct route *r, enum user_key_list list,
    struct reason *why) MUST_CHECK;

#endif
