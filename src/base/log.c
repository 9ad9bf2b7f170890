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
/* The text of a line after log_vis(): JSON, which may take two bytes for each, and the 100 bytes
 * around it still fit into LOG_LINE_MAX. */
#define LOG_TEXT_MAX 1900

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

/* Put a line of JSON into out, which has size bytes, and return its length; text is the output of
 * log_vis().  Allocates nothing, because the buffer starts with its full size. */
static size_t
log_json(char *out, size_t size, enum log_level level, const char *text)
{
	struct buf b = { .data = (uint8_t *)out, .cap = size, .max = size };
	struct timespec ts;
	char when[40], head[120];
	struct tm tm;
	int n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(head, sizeof(head),
	    "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"pid\":%d,\"message\":", when,
	    ts.tv_nsec / 1000000, log_level_name(level), (int)getpid());
	buf_put(&b, head, (size_t)n);
	json_put_text(&b, text, strlen(text));
	buf_put(&b, "}\n", 2);
	return b.len;
}

static void
log_write(const char *line, size_t len)
{
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };
	char lost[80];
	int n;

	if (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0) {
		log_lost++;
		return;
	}
	if (log_lost > 0) {
		n = snprintf(lost, sizeof(lost), "sallyport[%d]: %lu log lines lost\n",
		    (int)getpid(), log_lost);
		if (write(STDERR_FILENO, lost, (size_t)n) == n)
			log_lost = 0;
	}
	if (write(STDERR_FILENO, line, len) == -1)
		log_lost++;
}

static void __attribute__((format(printf, 2, 0)))
log_vline(enum log_level level, const char *fmt, va_list ap)
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
	log_vis(vis, sizeof(vis), text, (size_t)n);
	if (log_format == LOG_FORMAT_JSON) {
		n = (int)log_json(line, sizeof(line), level, vis);
	} else {
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
	log_vline(level, fmt, ap);
	va_end(ap);
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(LOG_LVL_ERROR, fmt, ap);
	va_end(ap);
	exit(1);
}
