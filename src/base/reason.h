/*
 * Why something failed: one line for the user, which a lower layer writes and the top layer
 * prints or logs.
 */
#ifndef BASE_REASON_H
#define BASE_REASON_H

#include <stdarg.h>

/* A path of 600 bytes, and access_hint()'s sentence, which names a path of 400 three times. */
#define REASON_SIZE 2560

struct reason {
	char text[REASON_SIZE];
};

/* A text that does not fit is cut. */
void reason_set(struct reason *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void reason_vset(struct reason *why, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Append to the text. */
void reason_add(struct reason *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
