/*
 * Is the upstream the host that its route means?  Nothing is written down, sent or logged
 * here, so that a trial connection can ask as well as a login.
 */
#ifndef ACCESS_HOST_KEY_H
#define ACCESS_HOST_KEY_H

#include "base/reason.h"
#include "keystore/keystore.h"
#include "lookup/route.h"
#include "wire/wire.h"

#define KNOWN_HOSTS_MAX (16 * 1024 * 1024)
#define HOST_KEY_HASH_MIN 20
#define HOST_KEY_HASH_MAX 64
/* Bytes of a list of algorithms to ask a host for. */
#define HOST_KEY_ALGORITHMS_MAX 1000

/*
 * What a route's known hosts say of one host.  It is read once, before the host is asked for a
 * key, so that the algorithms asked for and the judgement come from the same lines; a line
 * that is added later counts for the next login.
 */
struct host_key_known;

/* Free it with host_key_known_free().  NULL: out of memory; the functions below take that
 * for what cannot be read. */
struct host_key_known *host_key_known_new(const struct route *r, const char *host);
void host_key_known_free(struct host_key_known **known); /* takes NULL */

/* Why the known hosts cannot be read: no key is accepted then.  NULL if they were read. */
const char *host_key_known_error(const struct host_key_known *known);

/* Append the algorithms to ask the host for: first those of the keys that are known for it. */
void host_key_algorithms(const struct route *r, const char *host,
    const struct host_key_known *known, struct buf *algorithms);

/* What a host has shown: its key or certificate, and with which algorithm it has signed the
 * exchange hash. */
struct host_key_shown {
	const struct route *route;
	const char *host; /* of route->hosts, the one that answered */
	const struct host_key_known *known;
	const char *alg;
	struct bytes hash, blob, sig;
};

struct host_key_judgement {
	enum {
		HOST_KEY_REFUSED, /* why says it */
		HOST_KEY_KNOWN,
		HOST_KEY_NEW,	  /* not known; with accept-new it is to be added */
		HOST_KEY_ANY,	  /* unknown, and StrictHostKeyChecking is no */
		HOST_KEY_CHANGED, /* another is known, and StrictHostKeyChecking is no */
	} verdict;
	enum {
		HOST_KEY_BY_LINE,
		HOST_KEY_BY_AUTHORITY,
		HOST_KEY_BY_FINGERPRINT,
	} by;		/* what it is known by */
	struct buf key; /* of a certificate the certified key */
	/* For the log.  A certificate may have a reason whatever the verdict is. */
	struct reason why;
};

/* Judge what a host has shown, its signature first.  host_key_judgement_free() it in any case. */
void host_key_judge(const struct host_key_shown *shown, struct host_key_judgement *j);
void host_key_judgement_free(struct host_key_judgement *j);

/* Refuse a HOST_KEY_NEW for good: it could not be added, or (changed) another key was. */
void host_key_refuse(struct host_key_judgement *j, int changed);

/* Append the text of the route's UserKnownHostsFiles, at most KNOWN_HOSTS_MAX in all; a
 * file that does not exist holds nothing.  0; or an ERR_*, with why, if one cannot be read:
 * it might hold a revocation. */
int host_key_read_known(const struct route *r, struct buf *text, struct reason *why) MUST_CHECK;

/* Write what the log says behind "Host key verification failed ...: ".  Returns the text of
 * out. */
const char *host_key_failed(const struct route *r, struct bytes blob, const char *why,
    struct reason *out);

#endif
