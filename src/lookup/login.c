#include <stdint.h>
#include <string.h>

#include "lookup/lookup.h"

#define LOGIN_MAX 255

/* The character at *p, which moves past it; 0 if it is not valid UTF-8. */
static uint32_t
utf8_next(const uint8_t **p)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *s = *p;
	uint32_t c = s[0];
	unsigned int len, i;

	if (c < 0x80) {
		len = 1;
	} else if (c >= 0xc2 && c < 0xe0) {
		len = 2;
		c &= 0x1f;
	} else if (c >= 0xe0 && c < 0xf0) {
		len = 3;
		c &= 0x0f;
	} else if (c >= 0xf0 && c < 0xf5) {
		len = 4;
		c &= 0x07;
	} else {
		return 0;
	}
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	*p += len;
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return c;
}

/* Not a control character, nor one that changes how the text around it looks. */
static int
printable(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} not [] = {
		{ 0x0000, 0x001f },    /* C0 */
		{ 0x007f, 0x009f },    /* DEL, C1 */
		{ 0x00ad, 0x00ad },    /* soft hyphen */
		{ 0x061c, 0x061c },    /* Arabic letter mark */
		{ 0x200b, 0x200f },    /* zero width, direction marks */
		{ 0x2028, 0x202e },    /* line separators, direction overrides */
		{ 0x2060, 0x206f },    /* invisible operators, isolates */
		{ 0xd800, 0xf8ff },    /* surrogates, private use */
		{ 0xfe00, 0xfe0f },    /* variation selectors */
		{ 0xfeff, 0xfeff },    /* byte order mark */
		{ 0xfff0, 0xffff },    /* specials */
		{ 0xe0000, 0x10ffff }, /* tags, private use */
	};
	size_t i;

	for (i = 0; i < sizeof(not ) / sizeof(not [0]); i++)
		if (c >= not [i].first && c <= not [i].last)
			return 0;
	return 1;
}

int
login_ok(const char *login)
{
	const uint8_t *p = (const uint8_t *)login;
	size_t len = strlen(login);
	uint32_t c;

	if (len < 1 || len > LOGIN_MAX || login[0] == '-' || strchr(login, '/') != NULL)
		return 0;
	if (strcmp(login, ".") == 0 || strcmp(login, "..") == 0)
		return 0;
	while (*p != '\0') {
		c = utf8_next(&p);
		if (c == 0 || !printable(c))
			return 0;
	}
	return 1;
}
