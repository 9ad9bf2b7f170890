#include <stdint.h>

#include "base/glob.h"

/* tolower(3) without the locale. */
static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static int
same(uint8_t a, uint8_t b, enum glob_case letters)
{
	return letters == GLOB_FOLD ? lower(a) == lower(b) : a == b;
}

int
glob_match(const void *text, size_t text_len, const void *pattern, size_t pattern_len,
    enum glob_case letters)
{
	const uint8_t *s = text, *g = pattern;
	size_t t = 0, p = 0, star = 0, resume = 0;
	int starred = 0;

	/* Only the last '*' is ever gone back to: those before it have done all
	 * they can with what they took first. */
	while (t < text_len) {
		if (p < pattern_len && g[p] == '*') {
			starred = 1;
			star = ++p;
			resume = t;
		} else if (p < pattern_len && (g[p] == '?' || same(g[p], s[t], letters))) {
			p++;
			t++;
		} else if (starred) {
			p = star;
			t = ++resume;
		} else {
			return 0;
		}
	}
	while (p < pattern_len && g[p] == '*')
		p++;
	return p == pattern_len;
}
