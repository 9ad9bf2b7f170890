/*
 * Matching logins with names that hold a *.  Called by login_pattern.c; percent.c inserts what each * matched.
 */
#include <string.h>

#include "lookup/wildcard.h"

unsigned int
wildcard_stars(const char *pattern)
{
	unsigned int n = 0;

	for (; *pattern != '\0'; pattern++)
		n += *pattern == '*';
	return n;
}

/*
 * The text before the first * must begin the login, and the text after the last must end it.  The texts
 * between are searched one after the other, each at its leftmost place, which leaves most room for the
 * next: so no backtracking is needed.
 */
int
wildcard_find(const char *pattern, const char *login, struct wildcard_match *match)
{
	const char *star, *last = strrchr(pattern, '*'), *p = login, *found, *end;
	size_t head, tail, len = strlen(login), piece;

	match->login = login;
	match->n = 0;
	if (last == NULL)
		return strcmp(pattern, login) == 0;
	star = strchr(pattern, '*');
	head = (size_t)(star - pattern);
	tail = strlen(last + 1);
	if (head + tail > len || strncmp(pattern, login, head) != 0 ||
	    strcmp(last + 1, login + len - tail) != 0)
		return 0;
	p = login + head;
	end = login + len - tail;
	while (star != last) {
		if (match->n >= WILDCARD_CAPTURES - 1)
			return 0;
		piece = strcspn(star + 1, "*");
		found = memmem(p, (size_t)(end - p), star + 1, piece);
		if (found == NULL)
			return 0;
		match->captures[match->n].text = p;
		match->captures[match->n++].len = (size_t)(found - p);
		p = found + piece;
		star += 1 + piece;
	}
	match->captures[match->n].text = p;
	match->captures[match->n++].len = (size_t)(end - p);
	return 1;
}
