/*
 * The names of the algorithms that the gateway supports, and lists of them as in sshd_config(5) and
 * ssh_config(5).
 */
#ifndef WIRE_ALGORITHMS_H
#define WIRE_ALGORITHMS_H

#include "base/buf.h"
#include "base/reason.h"

enum algorithms {
	/* towards upstreams */
	ALGORITHMS_KEX,
	ALGORITHMS_HOST_KEY,
	/* towards both sides */
	ALGORITHMS_CIPHER,
	ALGORITHMS_MAC,
	/* towards clients */
	ALGORITHMS_SERVER_KEX,
	ALGORITHMS_SERVER_HOST_KEY,
	ALGORITHMS_USER_KEY, /* of the signatures that clients log in with */
};
#define ALGORITHMS_KINDS (ALGORITHMS_USER_KEY + 1)

/* The algorithms used by default: names separated by commas, in order of preference.  Static. */
const char *algorithms_default(enum algorithms kind);

/* Algorithms that are used only if a list names them: weak, or slow.  Static; "": none.  For tests. */
const char *algorithms_optional(enum algorithms kind);

/*
 * Expand a list as OpenSSH does and append the result to out, each name once.  "NAME,NAME" is the
 * list itself; "+NAME,..." the default and then these; "-NAME,..." the default without these, which
 * may be patterns with * and ?; "^NAME,..." these and then the default.  In lists of key algorithms
 * every name may be a pattern.
 *
 * within, if not NULL, is a list that stands for the default, and outside of which nothing may be
 * named.
 *
 * 0; ERR_FORMAT with the reason in why: a name that is not supported, or an empty result;
 * ERR_NOMEM or ERR_TOOBIG.
 */
int algorithms_expand(enum algorithms kind, const char *list, const char *within, struct buf *out,
    struct reason *why) MUST_CHECK;

/* Is the name in the list?  1 or 0. */
int algorithms_named(const char *list, const char *name);

/* Append the names of list that are in the list within, too. */
void algorithms_filter(const char *list, const char *within, struct buf *out);

/* Append the signature algorithms for a list of key algorithms, each once: that of a certificate is
 * the one of the certified key. */
void algorithms_signatures(const char *list, struct buf *out);

#endif
