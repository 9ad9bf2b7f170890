/*
 * A bounded, growing byte buffer.  Errors stick: after the first failed append
 * nothing more is added, and buf_err() tells.  So a message is put together
 * without a check on every line and checked once, before it is used.
 *
 * The typed integers and strings of RFC 4251 section 5 are in wire/wire.h.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buf {
	uint8_t *data;
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated */
	size_t max; /* never grows beyond this */
	int err;    /* first error, 0 if none */
};

/* A view of bytes in memory owned elsewhere.  Not terminated. */
struct bytes {
	const uint8_t *p;
	size_t len;
};

/* The bytes of a buffer, valid until it changes. */
static inline struct bytes
buf_bytes(const struct buf *b)
{
	return (struct bytes){ b->data, b->len };
}

/* An empty buffer that will hold at most max bytes.  Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);

/* Free the memory; the buffer is as after buf_init() with the same max. */
void buf_free(struct buf *b);

/* Wipe the bytes, then do as buf_free(). */
void buf_wipe(struct buf *b);

/* Empty the buffer and clear its error; the memory is kept, and not wiped. */
void buf_reset(struct buf *b);

void buf_put(struct buf *b, const void *p, size_t len);
void buf_put_u8(struct buf *b, uint8_t v);

/* Append formatted text, without its NUL. */
void buf_putf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Make room for len more bytes and return where they go; the caller writes them and adds len to
 * b->len.  NULL with the error set. */
uint8_t *buf_reserve(struct buf *b, size_t len);

/* Drop len bytes (at most b->len) from the front. */
void buf_consume(struct buf *b, size_t len);

/* The first error since init or reset: 0, ERR_NOMEM or ERR_TOOBIG. */
int buf_err(const struct buf *b) MUST_CHECK;

/* The bytes as a C string: appends a NUL that b->len does not count.
 * NULL on error, or if there is a NUL among the bytes. */
const char *buf_cstr(struct buf *b);

#endif
