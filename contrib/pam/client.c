/*
 * The gateway's end of the socket, run by plugins/exec/factor-pam as a user without privileges: it
 * carries the lines of sallyport-exec(5), and makes the verdict its exit status.
 */
#include "client.h"

#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lines.h"

static int
client_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		errx(2, "%s: the path of a socket has at most %zu bytes", path,
		    sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		err(2, "%s", path);
	return fd;
}

/* One line of the server: it goes on to standard output, or is the verdict: the exit status; else -1. */
static int
client_line(const char *line)
{
	static const char *const words[] = { "prompt ", "echo ", "info " };
	size_t i;

	if (strcmp(line, "passed") == 0)
		return 0;
	if (strcmp(line, "failed") == 0)
		return 1;
	if (strncmp(line, "error ", 6) == 0)
		errx(2, "%s", line + 6);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strncmp(line, words[i], strlen(words[i])) == 0)
			break;
	if (i == sizeof(words) / sizeof(words[0]) && strcmp(line, "ask") != 0)
		errx(2, "a line that is not of sallyport-pam");
	if (lines_put(STDOUT_FILENO, line, strlen(line)) == -1 ||
	    lines_put(STDOUT_FILENO, "\n", 1) == -1)
		err(2, "standard output");
	return -1;
}

/* Carry what has come on standard input; 0 at its end. */
static int
client_answer(int fd)
{
	char data[LINE_MOST];
	ssize_t n;
	int status;

	n = read(STDIN_FILENO, data, sizeof(data));
	status = n > 0 && lines_put(fd, data, n) == 0;
	explicit_bzero(data, sizeof(data));
	return status;
}

int
client_run(const char *socket_path, const char *service, const char *login)
{
	const char *address = getenv("SALLYPORT_CLIENT_ADDRESS");
	struct lines in = { .fd = client_connect(socket_path) };
	struct pollfd ready[2] = { { .fd = in.fd, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN } };
	char line[LINE_MOST + 1];
	int n, status;

	n = snprintf(line, sizeof(line), "sallyport-pam 1 %s %s %s\n", service,
	    address != NULL && *address != '\0' ? address : "-", login);
	if (n < 0 || (size_t)n >= sizeof(line) || strchr(login, '\n') != NULL)
		errx(2, "the login is too long");
	if (lines_put(in.fd, line, n) == -1)
		err(2, "%s", socket_path);
	for (;;) {
		if (poll(ready, 2, -1) == -1)
			err(2, "poll");
		/* without answers, the server ends by itself */
		if (ready[1].revents != 0 && !client_answer(in.fd)) {
			shutdown(in.fd, SHUT_WR);
			ready[1].fd = -1;
		}
		if (ready[0].revents == 0)
			continue;
		do {
			status = lines_get(&in, line);
			if (status != 1)
				errx(2,
				    "sallyport-pam has ended without an answer; its log says why");
			status = client_line(line);
			if (status != -1)
				return status;
		} while (memchr(in.data, '\n', in.used) != NULL);
	}
}
