/*
 * Lines and words of text files: authorized_keys, known_hosts and the like.
 */
#ifndef FORMATS_TEXT_H
#define FORMATS_TEXT_H

#include "wire/wire.h"

/* Take the next line off the text, without its "\n" or "\r\n"; 0 at the end. */
int text_line(struct bytes *text, struct bytes *line);

/* Remove blanks from the front. */
void text_skip_blanks(struct bytes *s);

/* Take the next word off the front, and the blanks on both sides of it.  Empty
 * at the end. */
struct bytes text_word(struct bytes *s);

int text_is_blank(uint8_t c);

/* Turn the US-ASCII letters of a host name into lower case. */
void text_lower(char *s);

#endif
