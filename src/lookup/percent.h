/*
 * Expansion of percent sequences in values of a route: %u is the login, %1 to %9 are what each * or group of the
 * pattern matched, %n is the host that the connection names outside of SSH, %% is a percent sign.
 */
#ifndef LOOKUP_PERCENT_H
#define LOOKUP_PERCENT_H

#include "base/err.h"
#include "lookup/wildcard.h"

/* 1 if there is a %. */
int percent_has(const char *value);

/* 1 if it has % with this letter. */
int percent_uses(const char *value, char letter);

/* Check the sequences of a value, for a pattern with so many captures.  0, or ERR_FORMAT with *why (static). */
int percent_check(const char *value, unsigned int captures, const char **why) MUST_CHECK;

/*
 * Expand a value.  The inserted text is not searched for % again.  With as_path it must not be empty, hold a
 * '/' or begin with '.', so that it cannot lead to another directory.  0 with *out set, which the caller
 * frees; ERR_FORMAT or ERR_NOMEM.
 */
int percent_expand(const char *value, const struct wildcard_match *match, int as_path,
    char **out) MUST_CHECK;

/* A copy with each % doubled, which percent_expand() turns back into the text.  NULL: out of memory. */
char *percent_quote(const char *text);

#endif
