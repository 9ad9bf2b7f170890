/*
 * The reason of a failure: one line, written where the failure happens, and printed or logged once,
 * by the top layer.
 */
#ifndef BASE_REASON_H
#define BASE_REASON_H

#include <stdarg.h>

/* Room for a path of 600 bytes and the sentence of access_hint(), which has a path of 400 up to
 * three times. */
#define REASON_SIZE 2560

struct reason {
	char text[REASON_SIZE];
};

/* Set the text; cut if it does not fit. */
void reason_set(struct reason *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void reason_vset(struct reason *why, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Append to the text; cut if it does not fit. */
void reason_add(struct reason *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
