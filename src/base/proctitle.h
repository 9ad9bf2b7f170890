/*
 * What ps(1) shows of a process.
 */
#ifndef BASE_PROCTITLE_H
#define BASE_PROCTITLE_H

/* Take over the argument area: once, first thing in main().  The strings of
 * argv and of the environment are copied out of the way first; argv's entries
 * are replaced. */
void proctitle_init(int argc, char **argv);

/* Set the title to "sallyport: " and the text. */
void proctitle_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
