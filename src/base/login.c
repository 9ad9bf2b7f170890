#include <stdint.h>
#include <string.h>

#include "base/login.h"

/* Code points that are never printed, or that change how others are: C0 and C1
 * controls, soft hyphen, zero-width and direction marks, line and paragraph
 * separators, surrogates, private use, variation selectors, noncharacters, tags. */
static const struct {
	uint32_t first, last;
} unseen[] = {
	{ 0x0000, 0x001f },
	{ 0x007f, 0x00a0 },
	{ 0x00ad, 0x00ad },
	{ 0x061c, 0x061c },
	{ 0x180e, 0x180e },
	{ 0x200b, 0x200f },
	{ 0x2028, 0x202e },
	{ 0x2060, 0x206f },
	{ 0xd800, 0xf8ff },
	{ 0xfdd0, 0xfdef },
	{ 0xfe00, 0xfe0f },
	{ 0xfeff, 0xfeff },
	{ 0xfff0, 0xfffb },
	{ 0xfffe, 0xffff },
	{ 0xe0000, 0x10ffff },
};

static int
codepoint_seen(uint32_t c)
{
	size_t i;

	for (i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++)
		if (c >= unseen[i].first && c <= unseen[i].last)
			return 0;
	return (c & 0xfffe) != 0xfffe;
}

/* Decode one UTF-8 sequence (RFC 3629) into *c.  Its length, or 0 if there is
 * no valid one. */
static size_t
utf8_get(const uint8_t *p, size_t len, uint32_t *c)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n, i;

	if (p[0] < 0x80) {
		*c = p[0];
		return 1;
	}
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
		return 0;
	*c = p[0] & (0xffU >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3fU);
	}
	return *c < lowest[n] || *c > 0x10ffff ? 0 : n;
}

int
login_name_ok(const void *name, size_t len)
{
	const uint8_t *p = name;
	uint32_t c;
	size_t i, n;

	if (len == 0 || len > LOGIN_MAX || p[0] == '-')
		return 0;
	if ((len == 1 && p[0] == '.') || (len == 2 && memcmp(p, "..", 2) == 0))
		return 0;
	for (i = 0; i < len; i += n) {
		n = utf8_get(p + i, len - i, &c);
		if (n == 0 || c == '/' || !codepoint_seen(c))
			return 0;
	}
	return 1;
}
