/*
 * An arena: memory that is allocated in small pieces and freed all at once.  A configuration of 100,000
 * routes is a million short strings.
 */
#ifndef CONF_ARENA_H
#define CONF_ARENA_H

#include <stddef.h>

struct conf_arena;

struct conf_arena *arena_new(void);
void arena_free(struct conf_arena **arena); /* takes NULL */

/* size bytes, aligned for any struct of pointers, not zeroed.  NULL: out of memory. */
void *arena_take(struct conf_arena *arena, size_t size);

/* A terminated copy of len bytes. */
char *arena_text(struct conf_arena *arena, const char *text, size_t len);

#endif
