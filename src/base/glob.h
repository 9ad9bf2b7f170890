/*
 * The two wildcards of PATTERNS in ssh_config(5): '*' any number of characters, '?' one.
 */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include <stddef.h>

enum glob_case {
	GLOB_CASE, /* letters as they are */
	GLOB_FOLD, /* US-ASCII letters match in either case */
};

/* 1 if all of text matches the one pattern; neither is terminated.  Takes time in
 * proportion to the product of both lengths at most, and no memory. */
int glob_match(const void *text, size_t text_len, const void *pattern, size_t pattern_len,
    enum glob_case letters);

#endif
