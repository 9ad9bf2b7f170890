/*
 * How a reload went, for programs: what `sallyport reload --json` prints.
 */
#ifndef MASTER_RELOADED_H
#define MASTER_RELOADED_H

#include "base/buf.h"

/* Append {"ok":true,"routes":COUNT}, or {"ok":false,"count":COUNT,"errors":[...]} with each
 * line of text, as far as b has room; and a newline.  The caller checks buf_err(b). */
void reloaded_put_json(struct buf *b, int ok, unsigned int count, const char *text);

#endif
