/*
 * Memory that a child of fork(2) does not inherit (MADV_DONTFORK).  The master keeps its tables of
 * client addresses in it: a session must not see them, and its copies of their pages would take
 * memory as soon as the master writes to its own.
 */
#ifndef BASE_DONTFORK_H
#define BASE_DONTFORK_H

#include <stddef.h>

/* size bytes, all zero, or NULL.  dontfork_free() takes NULL. */
void *dontfork_new(size_t size);
void dontfork_free(void *p, size_t size);

#endif
