#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/utf8.h"

/* Below PIPE_BUF, so that a line is written whole or not at all. */
#define LOG_LINE_MAX 4000

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

	/* systemd.exec(5): the device and inode of its socket, "8:1234" */
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
		n = 1;
		if (o + 8 > size) {
			memcpy(out + o, "...", 3); /* there is room: see the 8 */
			o += 3;
			break;
		}
		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '\\') {
			out[o++] = (char)p[i];
		} else if ((n = utf8_harmless(p + i, len - i)) > 0) {
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
level_name(enum log_level level)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };

	return names[level];
}

/* Inside a JSON string the octal escapes of log_vis() need their backslash
 * doubled, and quotes one in front. */
static size_t
json_text(char *out, size_t size, const char *text)
{
	size_t o = 0;

	for (; *text != '\0' && o + 3 < size; text++) {
		if (*text == '"' || *text == '\\')
			out[o++] = '\\';
		out[o++] = *text;
	}
	out[o] = '\0';
	return o;
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
	char text[LOG_LINE_MAX / 2], vis[LOG_LINE_MAX / 2], line[LOG_LINE_MAX];
	char json[LOG_LINE_MAX - 200], when[40];
	struct timespec ts;
	struct tm tm;
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
		clock_gettime(CLOCK_REALTIME, &ts);
		gmtime_r(&ts.tv_sec, &tm);
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
		json_text(json, sizeof(json), vis);
		n = snprintf(line, sizeof(line),
		    "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"pid\":%d,\"message\":\"%s\"}\n",
		    when, ts.tv_nsec / 1000000, level_name(level), (int)getpid(), json);
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
