/*
 * JSON (RFC 8259), written.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

/* Append text as a string, quotes included.  What is not harmless UTF-8 (base/utf8.h) is
 * U+FFFD for each of its bytes. */
void json_put_text(struct buf *b, const void *text, size_t len);

#endif
