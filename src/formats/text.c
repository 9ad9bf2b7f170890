/*
 * Taking lines and words off a text.  Used by the other files of this directory.
 */
#include <string.h>

#include "formats/text.h"

static void
text_skip(struct bytes *s, size_t n)
{
	s->p += n;
	s->len -= n;
}

int
text_line(struct bytes *text, struct bytes *line)
{
	const uint8_t *end;

	if (text->len == 0)
		return 0;
	end = memchr(text->p, '\n', text->len);
	line->p = text->p;
	line->len = end == NULL ? text->len : (size_t)(end - text->p);
	text_skip(text, line->len + (end != NULL));
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	return 1;
}

int
text_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

void
text_skip_blanks(struct bytes *s)
{
	while (s->len > 0 && text_is_blank(s->p[0]))
		text_skip(s, 1);
}

struct bytes
text_word(struct bytes *s)
{
	struct bytes word;

	text_skip_blanks(s);
	word = (struct bytes){ s->p, 0 };
	while (s->len > 0 && !text_is_blank(s->p[0])) {
		text_skip(s, 1);
		word.len++;
	}
	text_skip_blanks(s);
	return word;
}

void
text_lower(char *s)
{
	for (; *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s + ('a' - 'A'));
}
