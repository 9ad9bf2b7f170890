/*
 * Connections whose first bytes are looked at (DetectOn of [edge]): edge says what they are (arrivals.h), and
 * they go to a session, or to the section [forward NAME] that takes them.
 */
#ifndef MASTER_DETECT_H
#define MASTER_DETECT_H

#include <stdint.h>

#include "base/buf.h"
#include "ipc/messages.h"
#include "master/choose.h"
#include "master/listener.h"
#include "wire/wire.h"

/* FORWARDS_MAX of conf/forward.c */
#define DETECT_PATTERNS_MAX 128

/* What edge looks for: the FirstBytes of the sections. */
struct detect {
	uint32_t base; /* index of the first one, another for each configuration */
	uint32_t n;
	uint8_t of[DETECT_PATTERNS_MAX]; /* the index of the section */
};

/* The configuration is another. */
void detect_configure(struct master *m);

/* The body of PATTERNS; 0 if it would say that there is nothing to look for. */
int detect_has_patterns(const struct master *m);
void detect_put_patterns(const struct master *m, struct buf *b);

/* What choose() asks about a connection whose texts are set, without the first bytes. */
void detect_facts(const struct connection *c, const struct ipc_opening *o,
    struct choose_facts *facts);

/* Have a connection looked at.  It is the callee's from now on. */
void detect_take(struct master *m, struct connection *c);

/* KIND.  0, or ERR_FORMAT. */
int detect_kind(struct master *m, struct wire *body) MUST_CHECK;

/* Decide about those that have waited for DetectTimeout.  Returns when to call it next, or CLOCK_NEVER. */
int64_t detect_timers(struct master *m, int64_t now);

#endif
