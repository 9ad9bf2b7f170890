#include <string.h>

#include "auth/pattern.h"

/* tolower(3) without the locale. */
static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

int
pattern_match(struct bytes text, struct bytes pattern)
{
	size_t t = 0, p = 0, star = 0, resume = 0;
	int starred = 0;

	/* Only the last '*' is ever gone back to: those before it have done all
	 * they can with what they took first. */
	while (t < text.len) {
		if (p < pattern.len && pattern.p[p] == '*') {
			starred = 1;
			star = ++p;
			resume = t;
		} else if (p < pattern.len &&
		    (pattern.p[p] == '?' || lower(pattern.p[p]) == lower(text.p[t]))) {
			p++;
			t++;
		} else if (starred) {
			p = star;
			t = ++resume;
		} else {
			return 0;
		}
	}
	while (p < pattern.len && pattern.p[p] == '*')
		p++;
	return p == pattern.len;
}

int
pattern_list_next(struct bytes *list, struct bytes *item, int *negated)
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
pattern_list_match(struct bytes text, struct bytes list)
{
	struct bytes item;
	int negated, found = 0;

	while (pattern_list_next(&list, &item, &negated)) {
		if (!pattern_match(text, item))
			continue;
		if (negated)
			return -1;
		found = 1;
	}
	return found;
}
