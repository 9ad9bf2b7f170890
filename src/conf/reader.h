/*
 * From files to sections and entries with their lines; what they mean is decided above.  The only code
 * that uses inih.
 */
#ifndef CONF_READER_H
#define CONF_READER_H

#include "conf/arena.h"
#include "conf/conf.h"

/* The longest line, without its end.  An AuthorizedKey with an RSA key has 800 bytes. */
#define READER_LINE_MAX 16384

#define READER_FILE_MAX (64u * 1024 * 1024)

struct reader;

/* Sections, entries and their texts are allocated in the arena.  With CONF_GATEWAY routes are skipped.
 * NULL: out of memory. */
struct reader *reader_new(struct conf_arena *arena, enum conf_what what,
    struct conf_errors *errors);
void reader_free(struct reader **reader);

/* Read an open file; name is for errors and must live as long as the arena. */
void reader_file(struct reader *reader, const char *name, int fd);

/* The same from memory. */
void reader_text(struct reader *reader, const char *name, const char *text, size_t len);
/*
 * Read the text of a single [route name] without the header: a file of the directory backend, or the output
 * of a lookup program.  It may hold nothing but entries.  source is its name in errors.
 */
void reader_route(struct reader *reader, const char *source, const char *name, const char *text,
    size_t len);

/* All sections read so far, in order; valid until the next call with this reader. */
const struct conf_section *reader_sections(const struct reader *reader, size_t *n);

#endif
