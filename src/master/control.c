/*
 * The control socket: master.c polls it, and control_orders names the function of each order.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/names.h"
#include "ipc/control_socket.h"
#include "master/control.h"
#include "master/master_private.h"

/* The exit status for an order that this gateway does not know, from a sallyport of another version. */
#define CONTROL_UNKNOWN 2

struct control {
	char *path;
	int dir; /* of path */
	int sock;
	uid_t uid; /* of the user who started the gateway */
	int clients[CONTROL_CLIENTS_MAX];
	int asked
	    [CONTROL_CLIENTS_MAX]; /* the client has sent its one request and waits for the answer */
};

/*
 * An order of a subcommand (cli/control_ask.h).  words is the rest of the request after the order's name,
 * or "".  run() returns 0 when the client has been answered, or will be by control_answer(); or ERR_FORMAT
 * for words that it does not know.
 */
struct control_order {
	const char *name;
	int (*run)(struct master *m, int client, const char *words);
};

static const struct control_order control_orders[] = {
	{ "reload", reload_order },
};

/* 1 if no other user can replace the socket in its directory. */
static int
control_dir_safe(const struct control *c)
{
	struct stat st;

	return fstat(c->dir, &st) == 0 && (st.st_uid == 0 || st.st_uid == c->uid) &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int
control_listen(struct control *c, const char *name)
{
	struct sockaddr_un sun;
	mode_t mask;
	int fd, r;

	fd = control_socket_connect(c->dir, name, SOCK_NONBLOCK);
	if (fd != -1 || errno == EAGAIN) {
		fd_close(&fd);
		errno = EADDRINUSE;
		return ERR_EXISTS;
	}
	if (errno == ECONNREFUSED)
		(void)unlinkat(c->dir, name, 0); /* left behind by a master that has ended */
	if (control_socket_address(c->dir, name, &sun) != 0)
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
		c->dir = control_socket_dir(path, 1, &name);
	if (c->dir != -1 && !control_dir_safe(c)) {
		errno = EPERM;
		log_warn("ControlSocket %s: others may write to its directory", path);
		r = ERR_PERM;
	} else if (c->dir != -1) {
		r = control_listen(c, name);
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
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fd_close(&c->clients[i]);
	fd_close(&c->sock);
	(void)unlinkat(c->dir, path_name(c->path), 0);
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

/* The mode of the socket keeps other users away; this check is for a mode that was changed since. */
static int
control_peer_ok(const struct control *c, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return 0;
	if (peer.uid == 0 || peer.uid == c->uid)
		return 1;
	log_warn("control: user %u is not permitted to use the socket", peer.uid);
	return 0;
}

static void
control_accept(struct control *c)
{
	int fd = accept4(c->sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t i;

	if (fd == -1)
		return;
	for (i = 0; i < CONTROL_CLIENTS_MAX && c->clients[i] != -1; i++)
		;
	if (i == CONTROL_CLIENTS_MAX || !control_peer_ok(c, fd))
		fd_close(&fd);
	else
		c->clients[i] = fd;
}

/* A request: the order is the first word. */
static void
control_dispatch(struct control *c, struct master *m, int client, const char *request)
{
	size_t len = strcspn(request, " "), i;
	const struct control_order *order;
	int r = ERR_NOTFOUND;

	for (i = 0; i < sizeof(control_orders) / sizeof(control_orders[0]); i++) {
		order = &control_orders[i];
		if (strlen(order->name) == len && memcmp(request, order->name, len) == 0)
			r = order->run(m, client,
			    request[len] == ' ' ? request + len + 1 : request + len);
	}
	if (r != 0)
		control_answer(c, client, CONTROL_UNKNOWN, "unknown request\n");
}

static void
control_client_input(struct control *c, int client, struct master *m)
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
	control_dispatch(c, m, client, request);
}

void
control_input(struct control *c, const struct pollfd *fds, struct master *m)
{
	int i;

	if (c == NULL)
		return;
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (fds[i + 1].revents != 0)
			control_client_input(c, i, m);
	if (fds[0].revents != 0)
		control_accept(c);
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
		/* a client that does not read gets no answer */
		(void)!send(c->clients[client], answer, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
		free(answer);
	}
	fd_close(&c->clients[client]);
	c->asked[client] = 0;
}
