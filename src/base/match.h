/*
 * PATTERNS of ssh_config(5): '*' matches any number of characters, '?' one; in a comma-separated
 * list a '!' in front negates.
 */
#ifndef BASE_MATCH_H
#define BASE_MATCH_H

#include "base/buf.h"

enum match_case {
	MATCH_CASE, /* letters match as they are */
	MATCH_FOLD, /* US-ASCII letters match in either case */
};

/* 1 if the pattern matches all of the text.  Takes time in proportion to the product of both
 * lengths at most, and no memory. */
int match_pattern(struct bytes text, struct bytes pattern, enum match_case letters);

/* 1 if a pattern of the list matches, -1 if a negated one does, 0 if none.  Letters match in
 * either case. (OpenSSH: match_pattern_list(), a name that libssh has taken.) */
int match_list(struct bytes text, struct bytes list);

/* Take the first element off a comma-separated list into item, without its '!', which *negated
 * tells. 0 at the end of the list. */
int match_list_next(struct bytes *list, struct bytes *item, int *negated);

#endif
