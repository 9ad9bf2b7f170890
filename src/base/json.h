/*
 * Writing JSON (RFC 8259).
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

/* Append text as a string, quotes included.  Each byte that is no part of harmless UTF-8
 * (base/utf8.h) becomes U+FFFD, and each US-ASCII control an escape. */
void json_put_text(struct buf *b, const void *text, size_t len);

#endif
