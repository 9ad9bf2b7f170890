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

/* Can memory be locked here, as much as secrets take?  0, or ERR_SYS: then they may be swapped out
 * to disk, and everything works all the same. */
int secret_memory_check(void) MUST_CHECK;

/* Room for len bytes, all zero, closed.  NULL: out of (lockable) memory. */
struct secret *secret_new(size_t len);

/* A secret with a copy of the bytes.  The caller wipes the original. */
struct secret *secret_from(const void *p, size_t len);

/* Wipe and free *sp, and set it to NULL.  *sp may be NULL. */
void secret_free(struct secret **sp);

size_t secret_len(const struct secret *s);

/* Make it readable and writable; valid until the matching secret_close().
 * Calls nest. */
uint8_t *secret_open(struct secret *s);
void secret_close(struct secret *s);

/* 1 if both hold the same bytes, in time that depends on the lengths alone. */
int secret_equal(struct secret *a, struct secret *b);

#endif
