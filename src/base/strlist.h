/*
 * A growing list of C strings; the list owns them.
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

/* Append the words of s, split at spaces and tabs.  0, or ERR_NOMEM with some of them appended. */
int strlist_add_words(struct strlist *l, const char *s) MUST_CHECK;

int strlist_has(const struct strlist *l, const char *s);

/* Free the strings and leave an empty list. */
void strlist_free(struct strlist *l);

#endif
