/*
 * Expanding %u, %n and %1 to %9.  Called by route.c for the route of a login, and by route_types.c to check
 * values.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "lookup/percent.h"

/* Bytes of an expanded value. */
#define PERCENT_MAX 65536

int
percent_has(const char *value)
{
	return strchr(value, '%') != NULL;
}

int
percent_uses(const char *value, char letter)
{
	const char *p;

	for (p = strchr(value, '%'); p != NULL && p[1] != '\0'; p = strchr(p + 2, '%'))
		if (p[1] == letter)
			return 1;
	return 0;
}

int
percent_check(const char *value, unsigned int captures, const char **why)
{
	const char *p;

	*why = NULL;
	for (p = strchr(value, '%'); p != NULL; p = strchr(p + 2, '%')) {
		if (p[1] == '%' || p[1] == 'u' || p[1] == 'n')
			continue;
		if (p[1] < '1' || p[1] > '9')
			*why = "a % must be followed by u (the login), 1 to 9 (what a * or a group "
			       "of the pattern matched), n (the host of MatchHost) or another %";
		else if ((unsigned int)(p[1] - '0') > captures)
			*why = "the name of this [route] has no such * or group: %1 is what the "
			       "first one matched, and so on";
		if (*why != NULL)
			return ERR_FORMAT;
	}
	return 0;
}

static int
percent_path_ok(const char *text, size_t len)
{
	return len > 0 && text[0] != '.' && memchr(text, '/', len) == NULL;
}

int
percent_expand(const char *value, const struct wildcard_match *match, int as_path, char **out)
{
	const char *p, *text;
	struct buf b;
	size_t len;
	unsigned int i;

	*out = NULL;
	buf_init(&b, PERCENT_MAX);
	for (p = value; *p != '\0'; p++) {
		if (*p != '%') {
			buf_put_u8(&b, (uint8_t)*p);
			continue;
		}
		p++;
		i = (unsigned int)(*p - '1');
		if (*p == '%') {
			buf_put_u8(&b, '%');
			continue;
		} else if (*p == 'u') {
			text = match->login;
			len = strlen(text);
		} else if (*p == 'n' && match->host != NULL && match->host[0] != '\0') {
			text = match->host;
			len = strlen(text);
		} else if (*p >= '1' && i < match->n) {
			text = match->captures[i].text;
			len = match->captures[i].len;
		} else {
			goto bad;
		}
		if (as_path && !percent_path_ok(text, len))
			goto bad;
		buf_put(&b, text, len);
	}
	if (buf_cstr(&b) == NULL) {
		buf_free(&b);
		return ERR_NOMEM;
	}
	*out = (char *)b.data;
	return 0;
bad:
	buf_free(&b);
	return ERR_FORMAT;
}

char *
percent_quote(const char *text)
{
	char *out = malloc(strlen(text) * 2 + 1), *p = out;

	if (out == NULL)
		return NULL;
	for (; *text != '\0'; text++) {
		*p++ = *text;
		if (*text == '%')
			*p++ = '%';
	}
	*p = '\0';
	return out;
}
