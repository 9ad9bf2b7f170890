/*
 * Values with holes: %u is the login, %1 to %9 what the * of the pattern matched,
 * %% a percent sign.
 */
#ifndef LOOKUP_PERCENT_H
#define LOOKUP_PERCENT_H

#include "base/err.h"
#include "lookup/wildcard.h"

/* 1 if there is a %. */
int percent_has(const char *template);

/* Is it well-formed, for a pattern with so many *?  0, or ERR_FORMAT with *why
 * (static) saying what is wrong. */
int percent_check(const char *template, unsigned int captures, const char **why) MUST_CHECK;

/*
 * Fill the holes.  What is filled in is never looked at for % again.  With
 * as_path, what goes in must not be empty, hold a '/' or begin with '.': so it
 * can't lead to another directory.  0 with *out set (the caller frees it),
 * ERR_FORMAT or ERR_NOMEM.
 */
int percent_fill(const char *template, const struct wildcard_match *match, int as_path,
    char **out) MUST_CHECK;

/* A copy with each % doubled: what percent_fill() turns back into text.  NULL:
 * out of memory. */
char *percent_quote(const char *text);

#endif
