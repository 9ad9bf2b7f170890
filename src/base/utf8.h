/*
 * UTF-8 (RFC 3629), as far as it may be shown.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes the sequence at p takes, of the len > 0 there are: 0 if it is not valid or
 * of US-ASCII, or if it is a control, ends a line or turns the direction of writing. */
size_t utf8_harmless(const uint8_t *p, size_t len);

#endif
