/*
 * PATTERNS of ssh_config(5): '*' and '?', comma-separated lists, '!' negation.
 * Letters match in either case.
 */
#ifndef FORMATS_PATTERN_H
#define FORMATS_PATTERN_H

#include "wire/wire.h"

/* 1 if all of text matches the one pattern. */
int pattern_match(struct bytes text, struct bytes pattern);

/* 1 if a pattern of the list matches, -1 if one with a '!' does, 0 if none. */
int pattern_list_match(struct bytes text, struct bytes list);

/* Take the next element off the front of a comma-separated list into item,
 * without its '!'; *negated tells.  0 at the end of the list. */
int pattern_list_next(struct bytes *list, struct bytes *item, int *negated);

#endif
