/*
 * Memory that a process has for itself: a child of fork(2) does not get it.  It is for tables of
 * the master about its clients, which are no business of a session; and a session would keep old
 * copies of their pages when the master goes on writing to them.
 */
#ifndef BASE_DONTFORK_H
#define BASE_DONTFORK_H

#include <stddef.h>

/* So many bytes, all zero, or NULL. */
void *dontfork_new(size_t size);
void dontfork_free(void *p, size_t size);

#endif
