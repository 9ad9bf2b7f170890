/*
 * The names of the algorithms we speak, and lists of them as in ssh_config(5).
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

/* Names separated by commas, in the order we like them.  Static. */
const char *algorithms_default(enum algorithms kind);
/* Those that are weak, for machines that know nothing better: only where they are named. */
const char *algorithms_weak(enum algorithms kind);

/*
 * Append what a list comes to: "NAME,NAME", or with '+' (the default and these), '-' (the
 * default without these, * and ? allowed) or '^' (these, then the default) in front.  Each
 * name once.  0; or ERR_FORMAT with what is wrong in why, for a name that is neither of the
 * above, and a list of nothing.
 */
int algorithms_expand(enum algorithms kind, const char *list, struct buf *out,
    struct reason *why) MUST_CHECK;

#endif
