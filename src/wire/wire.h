/*
 * The data types of RFC 4251 section 5: a reader over bytes of the caller's, and writers that
 * append to a struct buf.
 *
 * A reader's error sticks: after the first read past the end every further one gives zero or the
 * empty string, so that a message is read without a check on every line and checked once, by
 * wire_end(), before anything read from it is used.
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

/* Read from len bytes at p.  They must outlive the reader and every struct bytes that it
 * returns. */
void wire_init(struct wire *w, const void *p, size_t len);

uint8_t wire_u8(struct wire *w);
int wire_bool(struct wire *w);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);

/* A string: its length as uint32, and the bytes, which are not copied. */
struct bytes wire_string(struct wire *w);

/* Copy a string to out, as a C string.  The reader's error is ERR_FORMAT if the string has a NUL in
 * it, or does not fit into size bytes with the NUL at its end. */
void wire_text(struct wire *w, char *out, size_t size);

/* The next len bytes, without a length in front. */
struct bytes wire_bytes(struct wire *w, size_t len);

/* All bytes that are left. */
struct bytes wire_rest(struct wire *w);

/* 0 if everything was read; ERR_FORMAT if a read went past the end, or bytes are left. */
int wire_end(const struct wire *w) MUST_CHECK;

/* 0; ERR_FORMAT if a read went past the end. */
int wire_err(const struct wire *w) MUST_CHECK;

void wire_put_u32(struct buf *b, uint32_t v);
void wire_put_u64(struct buf *b, uint64_t v);
void wire_put_bool(struct buf *b, int v);
void wire_put_string(struct buf *b, const void *p, size_t len);
void wire_put_text(struct buf *b, const char *text);
void wire_put_bytes(struct buf *b, struct bytes s); /* as a string */

/* Append a finished message as a string, or the error of message to b; message is freed. */
void wire_put_message(struct buf *b, struct buf *message);

/* Begin a message about a channel: its type, and the channel's number at the recipient; and put one that
 * has nothing else. */
void wire_begin_channel(struct buf *message, uint8_t type, uint32_t recipient);
void wire_put_channel(struct buf *b, uint8_t type, uint32_t recipient);

/* 1 if the bytes are those of the text. */
int bytes_is(struct bytes s, const char *text);
int bytes_equal(struct bytes a, struct bytes b);

/* 1 if name is in list, a comma-separated name-list (RFC 4251 section 5) as a C string. */
int namelist_has(const char *list, const char *name);

#endif
