/*
 * UTF-8 (RFC 3629): the decoder, and the list of code points that are not to be shown as they are.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum utf8_kind {
	UTF8_VISIBLE,
	UTF8_UNSEEN,  /* invisible, changes how other characters look, or unassigned for good */
	UTF8_CONTROL, /* moves the cursor, ends a line or changes the direction of writing */
};

/* The length of the UTF-8 sequence at p, where len > 0 bytes are left; 0 if it is not valid.  *kind
 * is set either way.  A byte of US-ASCII is a sequence of length 1. */
size_t utf8_get(const uint8_t *p, size_t len, enum utf8_kind *kind);

/* The length of the sequence at p if it is valid and not UTF8_CONTROL, so that it can be shown as
 * part of a line; else 0. */
size_t utf8_harmless(const uint8_t *p, size_t len);

#endif
