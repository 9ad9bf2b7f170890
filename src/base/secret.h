/*
 * Bytes that must not be seen: kept between guard pages in locked memory that
 * is left out of core dumps and of forks, and that cannot even be read except
 * between secret_open() and secret_close().  The type is opaque so that a
 * secret cannot be printed or compared by accident.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct secret;

/* 0 if this process may lock as much memory as secrets take.  ERR_SYS: secrets work, but may be
 * swapped out to disk. */
int secret_memory_check(void) MUST_CHECK;

/* A secret of len bytes, all zero, not open.  NULL: out of memory. */
struct secret *secret_new(size_t len);

/* A secret with a copy of the bytes.  The caller wipes the original. */
struct secret *secret_from(const void *p, size_t len);

/* Wipe and free *sp, and set *sp to NULL.  *sp may be NULL. */
void secret_free(struct secret **sp);

size_t secret_len(const struct secret *s);

/* Make the bytes readable and writable until the matching secret_close().  Calls nest. */
uint8_t *secret_open(struct secret *s);
void secret_close(struct secret *s);

/* 1 if both hold the same bytes.  Takes a time that depends on nothing but the lengths. */
int secret_equal(struct secret *a, struct secret *b);

#endif
