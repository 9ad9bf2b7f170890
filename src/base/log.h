/*
 * The log: one line on standard error for each call, escaped so that nothing a peer sent can start
 * a second line or move a cursor.  Where standard error takes no more, lines are dropped and
 * counted; the process never waits for it.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LVL_ERROR,
	LOG_LVL_WARN,
	LOG_LVL_INFO,
	LOG_LVL_DEBUG,
};

enum log_format {
	LOG_FORMAT_SSHD, /* "sallyport[PID]: text" */
	LOG_FORMAT_JSON, /* {"time":…,"level":…,"pid":…,"message":…} and the fields of the line */
};

/* More than a line needs: 4 texts of LOG_FIELD_TEXT_MAX as JSON, and 1100 bytes of short ones. */
#define LOG_FIELDS_MAX 2300
/* A text in a field, escaped: a name of 255 bytes, or a reason that is cut. */
#define LOG_FIELD_TEXT_MAX 300

/*
 * What a line is about, field by field, for programs: LOG_FORMAT_JSON has it beside the message,
 * and the other format leaves it out.  The manual lists the events and their fields
 * (sallyport(8)).
 */
struct log_fields {
	size_t len;
	char json[LOG_FIELDS_MAX];
};

/* Omit "sallyport[PID]: " if standard error is the journal of systemd, which adds it to lines
 * itself. */
void log_detect_journal(void);

/* The level and format of this process's lines; without a call LOG_LVL_INFO and LOG_FORMAT_SSHD. */
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);

/*
 * Pass lines to the function sink, with ctx, instead of writing them.  text has len bytes and is
 * not escaped.  The sink must not log anything itself.  NULL: write lines to standard error again.
 */
void log_set_sink(void (*sink)(void *ctx, enum log_level level, const char *text, size_t len),
    void *ctx);

/* 1 if lines of this level are logged. */
int log_wants(enum log_level level);

#define log_error(...) log_line(LOG_LVL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LVL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LVL_DEBUG, __VA_ARGS__)

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Begin the fields of a line, with an event or NULL, and add some.  Events and names are of a-z and
 * "_".  Text is escaped as the message is, and cut; NULL and "" add nothing, nor does what there is
 * no room for.
 */
void log_fields_begin(struct log_fields *f, const char *event);
void log_field_bytes(struct log_fields *f, const char *name, const void *text, size_t len);
void log_field_text(struct log_fields *f, const char *name, const char *text);
void log_field_number(struct log_fields *f, const char *name, uint64_t n);

/* A line with these fields. */
void log_event(enum log_level level, const struct log_fields *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* log_error(), then exit(1).  Only before the gateway serves, or in a process of one session. */
void fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * Write text into out (of size bytes, always terminated) so that it is one
 * harmless line: control characters, DEL, backslash and bytes that are not
 * valid UTF-8 become \ooo.  Text that does not fit ends in "...".  Returns out.
 */
const char *log_vis(char *out, size_t size, const void *text, size_t len);

#endif
