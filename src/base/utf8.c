/*
 * Decoding and classifying UTF-8.  Called by the log, the writer of JSON and the banner of a login
 * with Key = agent to show text on one line, and by names.c to check login names.
 */
#include "base/utf8.h"

static const struct {
	uint32_t first, last;
	enum utf8_kind kind;
} utf8_ranges[] = {
	{ 0x0000, 0x001f, UTF8_CONTROL },   /* C0 */
	{ 0x007f, 0x009f, UTF8_CONTROL },   /* DEL, C1 */
	{ 0x00a0, 0x00a0, UTF8_UNSEEN },    /* no-break space */
	{ 0x00ad, 0x00ad, UTF8_UNSEEN },    /* soft hyphen */
	{ 0x061c, 0x061c, UTF8_UNSEEN },    /* direction mark */
	{ 0x180e, 0x180e, UTF8_UNSEEN },    /* vowel separator */
	{ 0x200b, 0x200f, UTF8_UNSEEN },    /* zero width, direction marks */
	{ 0x2028, 0x202e, UTF8_CONTROL },   /* line and paragraph separators, overrides */
	{ 0x2060, 0x2065, UTF8_UNSEEN },    /* invisible operators */
	{ 0x2066, 0x2069, UTF8_CONTROL },   /* direction isolates */
	{ 0x206a, 0x206f, UTF8_UNSEEN },    /* deprecated formatting */
	{ 0xe000, 0xf8ff, UTF8_UNSEEN },    /* private use */
	{ 0xfdd0, 0xfdef, UTF8_UNSEEN },    /* noncharacters */
	{ 0xfe00, 0xfe0f, UTF8_UNSEEN },    /* variation selectors */
	{ 0xfeff, 0xfeff, UTF8_UNSEEN },    /* byte order mark */
	{ 0xfff0, 0xfffb, UTF8_UNSEEN },    /* annotations */
	{ 0xe0000, 0x10ffff, UTF8_UNSEEN }, /* tags, private use */
};

static enum utf8_kind
utf8_kind_of(uint32_t c)
{
	size_t i;

	for (i = 0; i < sizeof(utf8_ranges) / sizeof(utf8_ranges[0]); i++)
		if (c >= utf8_ranges[i].first && c <= utf8_ranges[i].last)
			return utf8_ranges[i].kind;
	return (c & 0xfffe) == 0xfffe ? UTF8_UNSEEN :
					UTF8_VISIBLE; /* noncharacters of each plane */
}

size_t
utf8_get(const uint8_t *p, size_t len, enum utf8_kind *kind)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = p[0];
	size_t n, i;

	*kind = UTF8_CONTROL;
	n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || n > len)
		return 0;
	if (n > 1)
		c &= 0xffU >> (n + 1);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	if (c < lowest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*kind = utf8_kind_of(c);
	return n;
}

size_t
utf8_harmless(const uint8_t *p, size_t len)
{
	enum utf8_kind kind;
	size_t n = utf8_get(p, len, &kind);

	return kind == UTF8_CONTROL ? 0 : n;
}
