/*
 * The growing byte buffer of every message, file and list that is put together.  Called everywhere.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define BUF_MIN 256

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_free(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void
buf_wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_free(b);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->err = 0;
}

/*
 * Not by realloc(), which would free the old memory without wiping it: any buffer may hold a
 * secret.
 */
static int
buf_grow(struct buf *b, size_t len)
{
	size_t cap = b->cap == 0 ? BUF_MIN : b->cap;
	uint8_t *data;

	if (b->err != 0)
		return b->err;
	if (len > b->max || b->len > b->max - len)
		return b->err = ERR_TOOBIG;
	if (b->cap - b->len >= len)
		return 0;
	while (cap - b->len < len)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	data = malloc(cap);
	if (data == NULL)
		return b->err = ERR_NOMEM;
	if (b->data != NULL) {
		memcpy(data, b->data, b->len);
		explicit_bzero(b->data, b->len);
		free(b->data);
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

uint8_t *
buf_reserve(struct buf *b, size_t len)
{
	if (buf_grow(b, len) != 0)
		return NULL;
	return b->data + b->len;
}

void
buf_put(struct buf *b, const void *p, size_t len)
{
	uint8_t *to;

	if (len == 0)
		return;
	to = buf_reserve(b, len);
	if (to == NULL)
		return;
	memcpy(to, p, len);
	b->len += len;
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

void
buf_putf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len == -1) {
		if (b->err == 0)
			b->err = ERR_NOMEM;
		return;
	}
	buf_put(b, text, (size_t)len);
	free(text);
}

void
buf_consume(struct buf *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

int
buf_err(const struct buf *b)
{
	return b->err;
}

const char *
buf_cstr(struct buf *b)
{
	uint8_t *end = buf_reserve(b, 1);

	if (end == NULL || (b->len > 0 && memchr(b->data, '\0', b->len) != NULL))
		return NULL;
	*end = '\0';
	return (const char *)b->data;
}
