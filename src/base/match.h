/*
 * PATTERNS of ssh_config(5): '*' matches any number of characters, '?' one; in a comma-separated
 * list a '!' in front negates.
 */
#ifndef BASE_MATCH_H
#define BASE_MATCH_H

#include "base/buf.h"

enum match_case {
	MATCH_CASE, /* letters match in their own case */
	MATCH_FOLD, /* US-ASCII letters match in either case */
};

/* 1 if the pattern matches all of the text.  Takes time in proportion to the product of both
 * lengths at most, and no memory. */
int match_pattern(struct bytes text, struct bytes pattern, enum match_case letters);

/* Match text with a comma-separated list of patterns; letters match in either case.  -1 if a
 * negated pattern matches; else 1 if any other does; else 0.  (As match_pattern_list() of OpenSSH,
 * a name that libssh has taken.) */
int match_list(struct bytes text, struct bytes list);

/* Take the first element off a comma-separated list: item is it without a '!' in front, *negated is
 * 1 if there was one.  1, or 0 at the end of the list. */
int match_list_next(struct bytes *list, struct bytes *item, int *negated);

#endif
