/*
 * The data types of RFC 4251 section 5: readers over borrowed bytes, writers
 * onto a struct buf.
 *
 * A reader's error sticks: after the first short read every further get gives
 * zero or the empty string, and wire_end() tells.  A message has been understood
 * only once wire_end() has said 0: all read, nothing missing, nothing left over.
 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct wire {
	const uint8_t *p;
	size_t left;
	int err;
};

/* Read from len bytes at p, which must outlive the reader and all it gives. */
void wire_init(struct wire *w, const void *p, size_t len);

uint8_t wire_u8(struct wire *w);
int wire_bool(struct wire *w);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);

/* uint32 length and that many bytes. */
struct bytes wire_string(struct wire *w);

/* A string that must not hold a NUL: copied to out, terminated.  A string that
 * does not fit in size bytes with its NUL is an error of the reader. */
void wire_text(struct wire *w, char *out, size_t size);

/* The len next bytes, without a length in front. */
struct bytes wire_bytes(struct wire *w, size_t len);

/* All that is left. */
struct bytes wire_rest(struct wire *w);

/* 0 if everything was read, ERR_FORMAT if something was missing or is left. */
int wire_end(const struct wire *w) MUST_CHECK;

/* 0, or ERR_FORMAT if something was missing so far. */
int wire_err(const struct wire *w) MUST_CHECK;

void wire_put_u32(struct buf *b, uint32_t v);
void wire_put_u64(struct buf *b, uint64_t v);
void wire_put_bool(struct buf *b, int v);
void wire_put_string(struct buf *b, const void *p, size_t len);
void wire_put_text(struct buf *b, const char *text);
void wire_put_bytes(struct buf *b, struct bytes s); /* as a string */
/* A finished message as a string, with the error it may have; it is freed. */
void wire_put_message(struct buf *b, struct buf *message);

/* 1 if the bytes are those of the text. */
int bytes_is(struct bytes s, const char *text);
int bytes_equal(struct bytes a, struct bytes b);

/* 1 if name is an element of a comma-separated name-list (RFC 4251 section 5). */
int namelist_has(const char *list, const char *name);

#endif
