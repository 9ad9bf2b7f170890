/*
 * "did you mean": the known name that a mistyped word is closest to.
 */
#ifndef BASE_GUESS_H
#define BASE_GUESS_H

/* Where a search for the closest name begins: a name that differs by more letters is no guess. */
#define GUESS_START 3

/* 1 if name differs from word by fewer letters than *best, and by less than half of its own, letter
 * case aside: *best is that number then. */
int guess_closer(const char *word, const char *name, unsigned int *best);

#endif
