/*
 * The title of the process in ps(1).
 */
#ifndef BASE_PROCTITLE_H
#define BASE_PROCTITLE_H

/* Take the memory of the arguments and the environment for titles, and point argv and environ to
 * copies.  Once, first of all in main(). */
void proctitle_init(int argc, char **argv);

/* unsetenv(3) for the copies of proctitle_init(), which it frees.  A variable that is not set is no error. */
void proctitle_unsetenv(const char *name);

/* Set the title to "sallyport: " and the text; what does not fit into that memory is cut. */
void proctitle_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
