/*
 * Why something failed: one line for a person, which a lower layer writes and the top layer prints or
 * logs.
 */
#ifndef BASE_REASON_H
#define BASE_REASON_H

/* Three paths of some 200 bytes, an error of the system and the words around them. */
#define REASON_SIZE 1024

struct reason {
	char text[REASON_SIZE];
};

/* A text that does not fit is cut. */
void reason_set(struct reason *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
