/*
 * Patterns and lists of them, as match.c of OpenSSH.  Called for known_hosts, the options of
 * authorized_keys, addresses, lists of algorithms, and PermitListen and AcceptEnv.  The patterns
 * of [route] sections, which remember what each '*' matched, are in lookup/wildcard.c.
 */
#include <string.h>

#include "base/match.h"

/* tolower(3) without the locale. */
static uint8_t
match_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static int
match_char(uint8_t a, uint8_t b, enum match_case letters)
{
	return letters == MATCH_FOLD ? match_lower(a) == match_lower(b) : a == b;
}

int
match_pattern(struct bytes text, struct bytes pattern, enum match_case letters)
{
	const uint8_t *s = text.p, *g = pattern.p;
	size_t t = 0, p = 0, star = 0, resume = 0;
	int starred = 0;

	/* Going back to the last '*' is enough: if the rest matches anywhere, then also after the
	 * shortest texts that the stars before it can take. */
	while (t < text.len) {
		if (p < pattern.len && g[p] == '*') {
			starred = 1;
			star = ++p;
			resume = t;
		} else if (p < pattern.len && (g[p] == '?' || match_char(g[p], s[t], letters))) {
			p++;
			t++;
		} else if (starred) {
			p = star;
			t = ++resume;
		} else {
			return 0;
		}
	}
	while (p < pattern.len && g[p] == '*')
		p++;
	return p == pattern.len;
}

int
match_list_next(struct bytes *list, struct bytes *item, int *negated)
{
	const uint8_t *comma;

	*negated = 0;
	if (list->len == 0)
		return 0;
	comma = memchr(list->p, ',', list->len);
	item->p = list->p;
	item->len = comma == NULL ? list->len : (size_t)(comma - list->p);
	list->p += item->len + (comma != NULL);
	list->len -= item->len + (comma != NULL);
	if (item->len > 0 && item->p[0] == '!') {
		*negated = 1;
		item->p++;
		item->len--;
	}
	return 1;
}

int
match_list(struct bytes text, struct bytes list)
{
	struct bytes item;
	int negated, found = 0;

	while (match_list_next(&list, &item, &negated)) {
		if (!match_pattern(text, item, MATCH_FOLD))
			continue;
		if (negated)
			return -1;
		found = 1;
	}
	return found;
}
