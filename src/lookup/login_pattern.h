/*
 * Names of [route] sections that stand for many logins: with a * (wildcard.h), or a regular expression of
 * PCRE2 between slashes, /^(.+)\+(.+)$/.
 */
#ifndef LOOKUP_LOGIN_PATTERN_H
#define LOOKUP_LOGIN_PATTERN_H

#include "base/err.h"
#include "base/reason.h"
#include "lookup/wildcard.h"

/* Bytes of a regular expression.  A name of 255 bytes with each byte escaped is well below that. */
#define LOGIN_PATTERN_MAX 1024

struct login_pattern;

/* The length of the login or pattern in the name of a section: of NAME in [route NAME/LABEL], of
 * /EXPRESSION/ in [route /EXPRESSION/LABEL], which ends at the last slash. */
size_t route_name_len(const char *name);

/* The LABEL, or NULL if there is none. */
const char *route_name_label(const char *name);

/* 1 if the name of a section, with or without its label, is a pattern. */
int login_pattern_is(const char *name);

/* 1 if it is a regular expression. */
int login_pattern_is_regex(const char *name);

/* Compile the pattern in the name of a section.  0 with *out set, which the caller frees; ERR_FORMAT with why;
 * ERR_NOMEM. */
int login_pattern_new(const char *name, struct login_pattern **out, struct reason *why) MUST_CHECK;
void login_pattern_free(struct login_pattern **pattern); /* takes NULL */

/* The number of * or of groups: %1 to %N have a meaning. */
unsigned int login_pattern_captures(const struct login_pattern *pattern);

/*
 * Match a whole login, in bounded time and memory.  1 with *match filled, pointing into login; 0; or ERR_TOOBIG
 * with why if a regular expression takes more steps or memory than it may, which says nothing about whether
 * the login matches.
 */
int login_pattern_find(const struct login_pattern *pattern, const char *login,
    struct wildcard_match *match, struct reason *why) MUST_CHECK;

#endif
