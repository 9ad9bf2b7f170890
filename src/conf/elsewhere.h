/*
 * Keywords of other programs, and of other sections, that users write by habit: what to write here instead.
 */
#ifndef CONF_ELSEWHERE_H
#define CONF_ELSEWHERE_H

#include <stddef.h>

/* What to say about a keyword that a section (kind and name as in struct conf_section) does not have, such as
 * "it belongs to [gateway]"; in out, or a static text.  NULL: nothing is known about it. */
const char *elsewhere(const char *kind, const char *name, const char *word, char out[64]);

/* The same for the unknown kind of a section, such as [Host alice]; static. */
const char *elsewhere_section(const char *kind);

/* The keywords that a [route] alone has, for a test that compares them with the table of routes. */
extern const char *const elsewhere_of_route[];

#endif
