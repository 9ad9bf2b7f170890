#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "master/control.h"

struct control {
	char *path;
	int dir; /* that it is in */
	int sock;
	uid_t uid; /* who started us */
	int clients[CONTROL_CLIENTS_MAX];
	int asked[CONTROL_CLIENTS_MAX]; /* waits for its answer: not listened to */
};

/* The directory of path, opened; the name in it to *name. */
static int
open_dir(const char *path, int create, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int fd;

	*name = slash == NULL ? path : slash + 1;
	dir = slash == NULL ? strdup(".") :
			      strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (dir == NULL)
		return -1;
	if (create)
		(void)mkdir(dir, 0700); /* there, or open() says why not */
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	return fd;
}

/* Its address, through the directory: a path may be longer than the 107 bytes there are. */
static int
address(int dir, const char *name, struct sockaddr_un *sun)
{
	int n;

	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(sun->sun_path, sizeof(sun->sun_path), "/proc/self/fd/%d/%s", dir, name);
	if (n > 0 && (size_t)n < sizeof(sun->sun_path))
		return 0;
	errno = ENAMETOOLONG;
	return ERR_SYS;
}

static int
connect_to(int dir, const char *name, int flags)
{
	struct sockaddr_un sun;
	int fd;

	if (address(dir, name, &sun) != 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		fd_close(&fd);
	return fd;
}

/* Nobody else may be able to put a socket of his own in its place. */
static int
dir_is_ours(const struct control *c)
{
	struct stat st;

	return fstat(c->dir, &st) == 0 && (st.st_uid == 0 || st.st_uid == c->uid) &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int
listen_on(struct control *c, const char *name)
{
	struct sockaddr_un sun;
	mode_t mask;
	int fd, r;

	fd = connect_to(c->dir, name, SOCK_NONBLOCK);
	if (fd != -1 || errno == EAGAIN) {
		fd_close(&fd);
		errno = EADDRINUSE;
		return ERR_EXISTS;
	}
	if (errno == ECONNREFUSED)
		(void)unlinkat(c->dir, name, 0); /* of a master that has gone */
	if (address(c->dir, name, &sun) != 0)
		return ERR_SYS;
	c->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->sock == -1)
		return ERR_SYS;
	mask = umask(0177);
	r = bind(c->sock, (struct sockaddr *)&sun, sizeof(sun));
	umask(mask);
	if (r == -1 || listen(c->sock, CONTROL_CLIENTS_MAX) == -1)
		return ERR_SYS;
	return 0;
}

int
control_open(const char *path, struct control **out)
{
	struct control *c = calloc(1, sizeof(*c));
	const char *name = "";
	size_t i;
	int r = ERR_SYS;

	*out = NULL;
	if (c == NULL)
		return ERR_NOMEM;
	c->sock = c->dir = -1;
	c->uid = geteuid();
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		c->clients[i] = -1;
	c->path = strdup(path);
	if (c->path != NULL)
		c->dir = open_dir(path, 1, &name);
	if (c->dir != -1 && !dir_is_ours(c)) {
		errno = EPERM;
		log_warn("ControlSocket %s: others may write to its directory", path);
		r = ERR_PERM;
	} else if (c->dir != -1) {
		r = listen_on(c, name);
	}
	if (r == 0) {
		*out = c;
		return 0;
	}
	log_warn("ControlSocket %s: %s; `sallyport reload` will not work, SIGHUP does", path,
	    strerror(errno));
	fd_close(&c->sock);
	fd_close(&c->dir);
	free(c->path);
	free(c);
	return r;
}

void
control_close(struct control **cp)
{
	struct control *c = *cp;
	const char *slash;
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fd_close(&c->clients[i]);
	fd_close(&c->sock);
	slash = strrchr(c->path, '/');
	(void)unlinkat(c->dir, slash == NULL ? c->path : slash + 1, 0);
	fd_close(&c->dir);
	free(c->path);
	free(c);
	*cp = NULL;
}

void
control_poll(const struct control *c, struct pollfd *fds)
{
	size_t i;

	fds[0] = (struct pollfd){ c == NULL ? -1 : c->sock, POLLIN, 0 };
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fds[i + 1] = (struct pollfd){ c == NULL || c->asked[i] ? -1 : c->clients[i], POLLIN,
			0 };
}

/* The mode of the socket keeps others away; this is for a mode that somebody changed. */
static int
peer_may(const struct control *c, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return 0;
	if (peer.uid == 0 || peer.uid == c->uid)
		return 1;
	log_warn("control: user %u may not give orders", peer.uid);
	return 0;
}

static void
accept_client(struct control *c)
{
	int fd = accept4(c->sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t i;

	if (fd == -1)
		return;
	for (i = 0; i < CONTROL_CLIENTS_MAX && c->clients[i] != -1; i++)
		;
	if (i == CONTROL_CLIENTS_MAX || !peer_may(c, fd))
		fd_close(&fd);
	else
		c->clients[i] = fd;
}

static void
client_input(struct control *c, int client, control_handler *handler, void *ctx)
{
	char request[CONTROL_REQUEST_MAX + 1];
	ssize_t n;

	n = recv(c->clients[client], request, sizeof(request), MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || n > CONTROL_REQUEST_MAX || memchr(request, '\0', (size_t)n) != NULL) {
		fd_close(&c->clients[client]);
		return;
	}
	request[n] = '\0';
	c->asked[client] = 1;
	handler(ctx, client, request);
}

void
control_input(struct control *c, const struct pollfd *fds, control_handler *handler, void *ctx)
{
	int i;

	if (c == NULL)
		return;
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (fds[i + 1].revents != 0)
			client_input(c, i, handler, ctx);
	if (fds[0].revents != 0)
		accept_client(c);
}

void
control_answer(struct control *c, int client, int status, const char *text)
{
	char *answer;
	int n;

	if (c == NULL || c->clients[client] == -1)
		return;
	n = asprintf(&answer, "%d\n%.*s", status, CONTROL_ANSWER_MAX - 16, text);
	if (n > 0) {
		/* whoever does not take it goes without */
		(void)!send(c->clients[client], answer, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
		free(answer);
	}
	fd_close(&c->clients[client]);
	c->asked[client] = 0;
}

int
control_ask(const char *path, const char *request, int *status, char **text)
{
	const char *name;
	char *answer = NULL;
	int dir, fd = -1, end = 0, r = ERR_SYS;
	ssize_t n;

	*text = NULL;
	dir = open_dir(path, 0, &name);
	if (dir != -1)
		fd = connect_to(dir, name, 0);
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
