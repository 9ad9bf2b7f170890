/*
 * A growing list of C strings that it owns.
 */
#ifndef BASE_STRLIST_H
#define BASE_STRLIST_H

#include <stddef.h>

#include "base/err.h"

struct strlist {
	char **v; /* ends with NULL; NULL itself while the list is empty */
	size_t n;
};

/* Append a copy of the len bytes at s (which hold no NUL).  0 or ERR_NOMEM. */
int strlist_add(struct strlist *l, const char *s, size_t len) MUST_CHECK;

/* Append the words of s, split at blanks. */
int strlist_add_words(struct strlist *l, const char *s) MUST_CHECK;

int strlist_has(const struct strlist *l, const char *s);

/* Free all; the list is empty then. */
void strlist_free(struct strlist *l);

#endif
