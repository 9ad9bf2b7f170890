/*
 * The names of the algorithms that the gateway supports, and lists of them as in ssh_config(5).
 */
#ifndef WIRE_ALGORITHMS_H
#define WIRE_ALGORITHMS_H

#include "base/buf.h"
#include "base/reason.h"

enum algorithms {
	ALGORITHMS_KEX,
	ALGORITHMS_HOST_KEY,
	ALGORITHMS_CIPHER,
	ALGORITHMS_MAC,
};

/* The algorithms used by default: names separated by commas, in order of preference.  Static. */
const char *algorithms_default(enum algorithms kind);

/* Weak algorithms, for upstreams that support nothing better: used only if a list names them.
 * Static.  For tests. */
const char *algorithms_weak(enum algorithms kind);

/*
 * Expand a list as ssh_config(5) does and append the result to out, each name once.  "NAME,NAME" is
 * the list itself; "+NAME,..." the default and then these; "-NAME,..." the default without these,
 * which may be patterns with * and ?; "^NAME,..." these and then the default.
 * 0; ERR_FORMAT with the reason in why: a name that is neither in the default nor weak, or an empty
 * result; ERR_NOMEM or ERR_TOOBIG.
 */
int algorithms_expand(enum algorithms kind, const char *list, struct buf *out,
    struct reason *why) MUST_CHECK;

#endif
