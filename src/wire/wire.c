/*
 * Reading and writing the data types of SSH.  Called for packets, keys, certificates, the files of
 * the key store, and the messages between the gateway's processes.
 */
#include <string.h>

#include "wire/wire.h"

/* No message about a channel that is made here is longer than the packets that every peer takes, 35000 bytes
 * (RFC 4253 section 6.1). */
#define CHANNEL_MESSAGE_MAX 35000

void
wire_init(struct wire *w, const void *p, size_t len)
{
	*w = (struct wire){ .p = p, .left = len };
}

struct bytes
wire_bytes(struct wire *w, size_t len)
{
	struct bytes s = { (const uint8_t *)"", 0 };

	if (w->err == 0 && len > w->left)
		w->err = ERR_FORMAT;
	if (w->err != 0)
		return s;
	s.p = w->p;
	s.len = len;
	w->p += len;
	w->left -= len;
	return s;
}

struct bytes
wire_rest(struct wire *w)
{
	return wire_bytes(w, w->left);
}

uint8_t
wire_u8(struct wire *w)
{
	struct bytes s = wire_bytes(w, 1);

	return s.len == 1 ? s.p[0] : 0;
}

int
wire_bool(struct wire *w)
{
	return wire_u8(w) != 0;
}

uint32_t
wire_u32(struct wire *w)
{
	struct bytes s = wire_bytes(w, 4);

	if (s.len != 4)
		return 0;
	return (uint32_t)s.p[0] << 24 | (uint32_t)s.p[1] << 16 | (uint32_t)s.p[2] << 8 | s.p[3];
}

uint64_t
wire_u64(struct wire *w)
{
	uint64_t high = wire_u32(w);

	return high << 32 | wire_u32(w);
}

struct bytes
wire_string(struct wire *w)
{
	uint32_t len = wire_u32(w);

	return wire_bytes(w, len);
}

void
wire_text(struct wire *w, char *out, size_t size)
{
	struct bytes s = wire_string(w);

	out[0] = '\0';
	if (s.len >= size || memchr(s.p, '\0', s.len) != NULL) {
		w->err = ERR_FORMAT;
		return;
	}
	memcpy(out, s.p, s.len);
	out[s.len] = '\0';
}

int
wire_end(const struct wire *w)
{
	if (w->err == 0 && w->left != 0)
		return ERR_FORMAT;
	return w->err;
}

int
wire_err(const struct wire *w)
{
	return w->err;
}

void
wire_put_u32(struct buf *b, uint32_t v)
{
	uint8_t be[4] = { v >> 24 & 0xff, v >> 16 & 0xff, v >> 8 & 0xff, v & 0xff };

	buf_put(b, be, sizeof(be));
}

void
wire_put_u64(struct buf *b, uint64_t v)
{
	wire_put_u32(b, (uint32_t)(v >> 32));
	wire_put_u32(b, (uint32_t)v);
}

void
wire_put_bool(struct buf *b, int v)
{
	buf_put_u8(b, v != 0);
}

void
wire_put_string(struct buf *b, const void *p, size_t len)
{
	if (len > UINT32_MAX) {
		b->err = ERR_TOOBIG;
		return;
	}
	wire_put_u32(b, (uint32_t)len);
	buf_put(b, p, len);
}

void
wire_put_text(struct buf *b, const char *text)
{
	wire_put_string(b, text, strlen(text));
}

void
wire_put_bytes(struct buf *b, struct bytes s)
{
	wire_put_string(b, s.p, s.len);
}

void
wire_put_message(struct buf *b, struct buf *message)
{
	if (message->err != 0)
		b->err = message->err;
	wire_put_string(b, message->data, message->len);
	buf_free(message);
}

void
wire_begin_channel(struct buf *message, uint8_t type, uint32_t recipient)
{
	buf_init(message, CHANNEL_MESSAGE_MAX);
	buf_put_u8(message, type);
	wire_put_u32(message, recipient);
}

void
wire_put_channel(struct buf *b, uint8_t type, uint32_t recipient)
{
	struct buf message;

	wire_begin_channel(&message, type, recipient);
	wire_put_message(b, &message);
}

int
bytes_is(struct bytes s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

int
bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

int
namelist_has(const char *list, const char *name)
{
	size_t len = strlen(name), n;

	for (;; list += n + 1) {
		n = strcspn(list, ",");
		if (n == len && memcmp(list, name, n) == 0)
			return 1;
		if (list[n] == '\0')
			return 0;
	}
}
