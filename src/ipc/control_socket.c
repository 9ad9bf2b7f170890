/*
 * The control socket's address and answers, for the master that listens and the subcommands
 * that ask.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/names.h"
#include "ipc/control_socket.h"

/* The longest form of one character in JSON: \uXXXX. */
#define JSON_CHARACTER 6
/* The quotes and comma of one error, and the end of the object. */
#define JSON_AROUND 16

int
control_socket_dir(const char *path, int create, const char **name)
{
	char *dir = path_dir(path);
	int fd;

	*name = path_name(path);
	if (dir == NULL)
		return -1;
	if (create)
		(void)mkdir(dir, 0700); /* there, or open() says why not */
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	return fd;
}

int
control_socket_address(int dir, const char *name, struct sockaddr_un *address)
{
	int n;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", dir,
	    name);
	if (n > 0 && (size_t)n < sizeof(address->sun_path))
		return 0;
	errno = ENAMETOOLONG;
	return ERR_SYS;
}

int
control_socket_connect(int dir, const char *name, int flags)
{
	struct sockaddr_un address;
	int fd;

	if (control_socket_address(dir, name, &address) != 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		fd_close(&fd);
	return fd;
}

int
control_socket_ask(const char *path, const char *request, int *status, char **text)
{
	const char *name;
	char *answer = NULL;
	int dir, fd = -1, end = 0, r = ERR_SYS;
	ssize_t n;

	*text = NULL;
	dir = control_socket_dir(path, 0, &name);
	if (dir != -1)
		fd = control_socket_connect(dir, name, 0);
	if (fd == -1) {
		r = errno == ENOENT || errno == ECONNREFUSED ? ERR_NOTFOUND : ERR_SYS;
		goto out;
	}
	answer = malloc(CONTROL_ANSWER_MAX + 1);
	if (answer == NULL || send(fd, request, strlen(request), MSG_NOSIGNAL) == -1)
		goto out;
	do {
		n = recv(fd, answer, CONTROL_ANSWER_MAX, 0);
	} while (n == -1 && errno == EINTR);
	if (n <= 0) {
		r = n == 0 ? ERR_EOF : ERR_SYS;
		goto out;
	}
	answer[n] = '\0';
	if (sscanf(answer, "%3d\n%n", status, &end) != 1) {
		r = ERR_FORMAT;
		goto out;
	}
	*text = strdup(strchr(answer, '\n') == NULL ? "" : strchr(answer, '\n') + 1);
	r = *text == NULL ? ERR_NOMEM : 0;
out:
	free(answer);
	fd_close(&fd);
	fd_close(&dir);
	return r;
}

static void
control_socket_put_lines(struct buf *b, const char *text)
{
	const char *line = text, *before = "";
	size_t len;

	for (; *line != '\0'; line += len + (line[len] == '\n')) {
		len = strcspn(line, "\n");
		if (b->len + len * JSON_CHARACTER + JSON_AROUND > b->max)
			return;
		buf_putf(b, "%s", before);
		json_put_text(b, line, len);
		before = ",";
	}
}

void
control_socket_put_done(struct buf *b, unsigned int routes, const char *notes)
{
	buf_putf(b, "{\"ok\":true,\"routes\":%u", routes);
	if (notes[0] != '\0') {
		buf_putf(b, ",\"notes\":[");
		control_socket_put_lines(b, notes);
		buf_putf(b, "]");
	}
	buf_putf(b, "}\n");
}

void
control_socket_put_errors(struct buf *b, unsigned int count, const char *text)
{
	buf_putf(b, "{\"ok\":false,\"count\":%u,\"errors\":[", count);
	control_socket_put_lines(b, text);
	buf_putf(b, "]}\n");
}
