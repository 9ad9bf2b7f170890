/*
 * Log lines of every process.  The sessions' go to the keeper, through a sink (session/report.c).
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"

/* Below PIPE_BUF (4096), so that a pipe takes a line whole or not at all. */
#define LOG_LINE_MAX 4000
/* The text of a line after log_vis(): JSON, which may take two bytes for each, and LOG_JSON_HEAD
 * still fit into LOG_LINE_MAX.  With fields there is room for less text. */
#define LOG_TEXT_MAX 1900
/* Time, level, pid and what is around the fields and the message. */
#define LOG_JSON_HEAD 150

_Static_assert(2 * LOG_TEXT_MAX + LOG_JSON_HEAD <= LOG_LINE_MAX &&
	LOG_FIELDS_MAX + LOG_JSON_HEAD + 1000 <= LOG_LINE_MAX,
    "a line has room for a message");

static enum log_level log_level = LOG_LVL_INFO;
static enum log_format log_format = LOG_FORMAT_SSHD;
static unsigned long log_lost;
static int log_in_journal;
static void (*log_sink)(void *ctx, enum log_level level, const char *text, size_t len);
static void *log_sink_ctx;

void
log_detect_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	/* systemd.exec(5): "DEVICE:INODE" of the journal's socket */
	if (stream == NULL || fstat(STDERR_FILENO, &st) == -1)
		return;
	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	log_in_journal = strcmp(stream, ours) == 0;
}

void
log_set_level(enum log_level level)
{
	log_level = level;
}

void
log_set_format(enum log_format format)
{
	log_format = format;
}

void
log_set_sink(void (*sink)(void *ctx, enum log_level level, const char *text, size_t len), void *ctx)
{
	log_sink = sink;
	log_sink_ctx = ctx;
}

int
log_wants(enum log_level level)
{
	return level <= log_level;
}

const char *
log_vis(char *out, size_t size, const void *text, size_t len)
{
	const uint8_t *p = text;
	size_t i, n, o = 0;

	if (size < 8) {
		if (size > 0)
			out[0] = '\0';
		return out;
	}
	for (i = 0; i < len; i += n) {
		if (o + 8 > size) {
			memcpy(out + o, "...", 3); /* fits: less than 8 bytes are left unused */
			o += 3;
			break;
		}
		n = p[i] == '\\' ? 0 : utf8_harmless(p + i, len - i);
		if (n > 0) {
			memcpy(out + o, p + i, n);
			o += n;
		} else {
			n = 1;
			o += (size_t)snprintf(out + o, size - o, "\\%03o", p[i]);
		}
	}
	out[o] = '\0';
	return out;
}

static const char *
log_level_name(enum log_level level)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };

	return names[level];
}

/* --- fields --- */

static void
log_field_put(struct log_fields *f, const char *name, const char *text, uint64_t n)
{
	struct buf b = { .data = (uint8_t *)f->json,
		.len = f->len,
		.cap = sizeof(f->json),
		.max = sizeof(f->json) };

	buf_putf(&b, ",\"%s\":", name);
	if (text != NULL)
		json_put_text(&b, text, strlen(text));
	else
		buf_putf(&b, "%ju", (uintmax_t)n);
	if (buf_err(&b) == 0)
		f->len = b.len;
}

void
log_field_bytes(struct log_fields *f, const char *name, const void *text, size_t len)
{
	char vis[LOG_FIELD_TEXT_MAX];

	if (log_format == LOG_FORMAT_JSON && len > 0)
		log_field_put(f, name, log_vis(vis, sizeof(vis), text, len), 0);
}

void
log_field_text(struct log_fields *f, const char *name, const char *text)
{
	if (text != NULL)
		log_field_bytes(f, name, text, strlen(text));
}

void
log_field_number(struct log_fields *f, const char *name, uint64_t n)
{
	if (log_format == LOG_FORMAT_JSON)
		log_field_put(f, name, NULL, n);
}

void
log_fields_begin(struct log_fields *f, const char *event)
{
	f->len = 0;
	log_field_text(f, "event", event);
}

/* --- lines --- */

/* Put a line of JSON into out, which has LOG_LINE_MAX bytes, and return its length.  Allocates
 * nothing, because the buffer starts with its full size. */
static size_t
log_json(char *out, enum log_level level, const struct log_fields *f, const char *text, size_t len)
{
	struct buf b = { .data = (uint8_t *)out, .cap = LOG_LINE_MAX, .max = LOG_LINE_MAX };
	size_t fields = f == NULL ? 0 : f->len;
	size_t room = (LOG_LINE_MAX - LOG_JSON_HEAD - fields) / 2;
	char when[40], head[120], vis[LOG_TEXT_MAX];
	struct timespec ts;
	struct tm tm;
	int n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(head, sizeof(head),
	    "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"pid\":%d,\"message\":", when,
	    ts.tv_nsec / 1000000, log_level_name(level), (int)getpid());
	buf_put(&b, head, (size_t)n);
	log_vis(vis, room < sizeof(vis) ? room : sizeof(vis), text, len);
	json_put_text(&b, vis, strlen(vis));
	if (fields > 0)
		buf_put(&b, f->json, fields);
	buf_put(&b, "}\n", 2);
	return b.len;
}

/* Put the line that says how many were lost into out, and return its length. */
static size_t
log_lost_line(char out[LOG_LINE_MAX])
{
	struct log_fields f;
	char text[80];
	int n = snprintf(text, sizeof(text), "%lu log lines lost", log_lost);

	if (log_format != LOG_FORMAT_JSON)
		return (
		    size_t)snprintf(out, LOG_LINE_MAX, "sallyport[%d]: %s\n", (int)getpid(), text);
	log_fields_begin(&f, "lines_lost");
	log_field_number(&f, "count", log_lost);
	return log_json(out, LOG_LVL_WARN, &f, text, (size_t)n);
}

static void
log_write(const char *line, size_t len)
{
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };
	char lost[LOG_LINE_MAX];
	size_t n;

	if (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0) {
		log_lost++;
		return;
	}
	if (log_lost > 0) {
		n = log_lost_line(lost);
		if (write(STDERR_FILENO, lost, n) == (ssize_t)n)
			log_lost = 0;
	}
	if (write(STDERR_FILENO, line, len) == -1)
		log_lost++;
}

static void __attribute__((format(printf, 3, 0)))
log_vline(enum log_level level, const struct log_fields *f, const char *fmt, va_list ap)
{
	int saved = errno;
	char text[LOG_TEXT_MAX], vis[LOG_TEXT_MAX], line[LOG_LINE_MAX];
	int n;

	if (!log_wants(level))
		return;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof(text))
		n = sizeof(text) - 1;
	if (log_sink != NULL) {
		log_sink(log_sink_ctx, level, text, (size_t)n);
		errno = saved;
		return;
	}
	if (log_format == LOG_FORMAT_JSON) {
		n = (int)log_json(line, level, f, text, (size_t)n);
	} else {
		log_vis(vis, sizeof(vis), text, (size_t)n);
		n = log_in_journal ? 0 :
				     snprintf(line, sizeof(line), "sallyport[%d]: ", (int)getpid());
		n += snprintf(line + n, sizeof(line) - (size_t)n, "%s%s\n",
		    level == LOG_LVL_ERROR ? "error: " : "", vis);
	}
	log_write(line, (size_t)n);
	errno = saved;
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(level, NULL, fmt, ap);
	va_end(ap);
}

void
log_event(enum log_level level, const struct log_fields *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(level, f, fmt, ap);
	va_end(ap);
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(LOG_LVL_ERROR, NULL, fmt, ap);
	va_end(ap);
	exit(1);
}
