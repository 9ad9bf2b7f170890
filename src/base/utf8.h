/*
 * UTF-8 (RFC 3629): the one decoder, and the one list of code points that are not shown everywhere.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum utf8_kind {
	UTF8_VISIBLE,
	UTF8_UNSEEN,  /* has no width, no meaning, or changes how its neighbours look */
	UTF8_CONTROL, /* moves the cursor, ends a line or turns the direction of writing */
};

/* The length of the sequence at p, with its kind, or 0 if the len > 0 bytes there begin with no
 * valid one.  US-ASCII counts: a sequence of one byte. */
size_t utf8_get(const uint8_t *p, size_t len, enum utf8_kind *kind);

/* The length of the sequence at p if it is valid and no control, else 0: for what is shown on one
 * line. */
size_t utf8_harmless(const uint8_t *p, size_t len);

#endif
