/*
 * The memory of a configuration's sections (arena.h).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/arena.h"

#define CHUNK_SIZE (64 * 1024)

struct chunk {
	struct chunk *next;
	size_t used;
	size_t size;
	uint8_t data[];
};

struct conf_arena {
	struct chunk *chunks; /* pieces are taken from the first */
};

struct conf_arena *
arena_new(void)
{
	return calloc(1, sizeof(struct conf_arena));
}

void
arena_free(struct conf_arena **arena)
{
	struct chunk *c, *next;

	if (*arena == NULL)
		return;
	for (c = (*arena)->chunks; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	free(*arena);
	*arena = NULL;
}

static void *
arena_take_aligned(struct conf_arena *arena, size_t size, size_t align)
{
	struct chunk *c = arena->chunks;
	size_t start = 0, room;

	if (c != NULL)
		start = (c->used + align - 1) & ~(align - 1);
	if (c == NULL || start > c->size || c->size - start < size) {
		room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		c = malloc(sizeof(*c) + room);
		if (c == NULL)
			return NULL;
		c->size = room;
		c->next = arena->chunks;
		arena->chunks = c;
		start = 0;
	}
	c->used = start + size;
	return c->data + start;
}

void *
arena_take(struct conf_arena *arena, size_t size)
{
	return arena_take_aligned(arena, size, sizeof(void *));
}

char *
arena_text(struct conf_arena *arena, const char *text, size_t len)
{
	char *copy = arena_take_aligned(arena, len + 1, 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}
