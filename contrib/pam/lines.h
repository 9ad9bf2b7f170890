/*
 * Lines from and to a peer, of at most LINE_MOST bytes without their newline.  They may be answers
 * to a question for a password, so what held one is wiped.
 */
#ifndef PAM_LINES_H
#define PAM_LINES_H

#include <stddef.h>

/* As in sallyport-exec(5), for a line and its end. */
#define LINE_MOST 1024

struct lines {
	int fd;
	size_t used;
	char data[4096];
};

/*
 * Wait for the next line and copy it, without its end, into line, which has LINE_MOST + 1 bytes.
 * Returns 1; 0 at the end of the stream; -1 if reading fails, or for a line that is too long or has
 * a NUL.
 */
int lines_get(struct lines *l, char *line);

/* Write all of this; -1 if that fails. */
int lines_put(int fd, const char *data, size_t len);

/*
 * Write a line "WORD TEXT", with blanks for control characters, and as much of the text as a line
 * has room for; -1 if that fails.
 */
int lines_put_text(int fd, const char *word, const char *text, size_t len);

/* Wipe what has been read. */
void lines_wipe(struct lines *l);

#endif
