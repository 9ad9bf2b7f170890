/*
 * Patterns in the names of [route] sections: each * matches any text, also none, and as little as possible;
 * the last * matches the rest.
 */
#ifndef LOOKUP_WILDCARD_H
#define LOOKUP_WILDCARD_H

#include <stddef.h>

#define WILDCARD_CAPTURES 9 /* %1 to %9 */

/* A login, and the parts of it that each * (or group, login_pattern.h) of the pattern matched. */
struct wildcard_match {
	const char *login;
	const char *host; /* that the connection names outside of SSH; NULL or "": none */
	struct {
		const char *text;
		size_t len;
	} captures[WILDCARD_CAPTURES];
	unsigned int n;
};

/* The number of * in the pattern. */
unsigned int wildcard_stars(const char *pattern);

/* 1 with *match filled, pointing into login, or 0.  Takes time in proportion to
 * the lengths, whatever the pattern.  At most WILDCARD_CAPTURES stars. */
int wildcard_find(const char *pattern, const char *login, struct wildcard_match *match);

#endif
