/* Lines of bounded length, for both ends of the socket of sallyport-pam. */
#include "lines.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
lines_get(struct lines *l, char *line)
{
	char *end;
	size_t len;
	ssize_t n;

	while ((end = memchr(l->data, '\n', l->used)) == NULL) {
		if (l->used > LINE_MOST)
			return -1;
		n = read(l->fd, l->data + l->used, sizeof(l->data) - l->used);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 && l->used == 0 ? 0 : -1;
		l->used += n;
	}
	len = end - l->data;
	if (len > LINE_MOST || memchr(l->data, '\0', len) != NULL)
		return -1;
	memcpy(line, l->data, len);
	line[len] = '\0';
	l->used -= len + 1;
	memmove(l->data, end + 1, l->used);
	explicit_bzero(l->data + l->used, len + 1);
	return 1;
}

int
lines_put(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, data, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		len -= n;
	}
	return 0;
}

int
lines_put_text(int fd, const char *word, const char *text, size_t len)
{
	char line[LINE_MOST + 1];
	size_t used, i;

	used = snprintf(line, sizeof(line), "%s ", word);
	for (i = 0; i < len && used < LINE_MOST; i++, used++)
		line[used] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
	line[used++] = '\n';
	return lines_put(fd, line, used);
}

void
lines_wipe(struct lines *l)
{
	explicit_bzero(l->data, sizeof(l->data));
	l->used = 0;
}
