/*
 * Which keys and certificates a route lets in: its lists, its CAs, and what is revoked.
 */
#ifndef ACCESS_USER_KEY_H
#define ACCESS_USER_KEY_H

#include <time.h>

#include "base/reason.h"
#include "formats/authorized_keys.h"
#include "formats/cert.h"
#include "lookup/route.h"

/* Lists of keys are read at each login; this is a lot of keys. */
#define AUTHORIZED_KEYS_MAX (1024 * 1024)
#define REVOKED_MAX (16 * 1024 * 1024)

struct user_key_request {
	const struct route *route;
	const char *login;
	const char *address; /* numeric, of the client */
	time_t now;
};

struct user_key_answer {
	struct authorized_options options; /* of who is let in; free them then */
	char where[512];		   /* what lets it in: "line 3 of FILE" */
	struct reason why;		   /* or why not, if there is a reason worth telling */
};

/* 1 if the CA has signed the certificate.  That a token had to be touched for it is the CA's
 * affair. */
int user_key_ca_signed(const struct cert *cert);

/*
 * May the key, or the certificate, log in?  1, or 0.  Files are read, all of them small or
 * bounded.  The route may be NULL, for a login that does not exist: that takes as much
 * reckoning, and is 0.
 */
int user_key_allowed(const struct user_key_request *request, struct bytes blob,
    struct user_key_answer *answer);

/* A file of a route's that decides which keys are let in; of those that the route has. */
enum user_key_list {
	USER_KEY_AUTHORIZED, /* AuthorizedKeysFile */
	USER_KEY_TRUSTED,    /* TrustedUserCAKeys */
	USER_KEY_REVOKED,    /* RevokedKeys */
};

/*
 * Would user_key_allowed() be able to use the list?  0; an ERR_* of route_file_open(), for ERR_SYS with
 * errno; ERR_TOOBIG; or ERR_FORMAT: it is not understood.  why is a line that begins with the path.
 */
int user_key_list_check(const struct route *r, enum user_key_list list,
    struct reason *why) MUST_CHECK;

#endif
