/*
 * Connections into tunnels (tunnel.h), and the upstream that is a tunnel.  upstream_dial.c and keeper.c
 * call it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "keeper/tunnel_private.h"

/* The head of an HTTP request, which edge has seen (KIND_MAX). */
#define TUNNEL_REQUEST_MAX (64 * 1024)

void
tunnel_taken(struct ksession *s, struct wire *body)
{
	if (wire_end(body) != 0 || s->tunnels.waiting == 0) {
		ksession_error(s, "ended: it has read a connection that it was not sent");
		ksession_end(s);
		return;
	}
	s->tunnels.waiting--;
}

int
tunnel_connect(struct tunnel *t, const char *client, uint32_t client_port, int fd)
{
	struct ipc_tunnelled m = { .client = client, .client_port = client_port };
	struct ksession *s;
	struct buf b;

	if (t == NULL || tunnel_port_waits(t))
		return ERR_NOTFOUND;
	s = t->session;
	if (s->tunnels.waiting >= TUNNEL_WAITING_MAX) {
		ksession_log_tunnelled(s, t, client, client_port, "too many connections at once");
		return ERR_TOOBIG;
	}
	m.address = t->address;
	m.port = t->port;
	m.name = t->name;
	ipc_begin(&b, IPC_TUNNEL_CONNECTION);
	ipc_tunnelled_put(&b, &m);
	ksession_log_tunnelled(s, t, client, client_port, "");
	if (ksession_send(s, &b, fd) != 0)
		return ERR_NOTFOUND;
	s->tunnels.waiting++;
	return 0;
}

/* Nobody holds the tunnel: tell a browser so.  What it has sent is thrown away unread, as the kernel would
 * otherwise reset the connection behind the answer. */
static void
tunnel_tell_http(int fd)
{
	static const char text[] = "HTTP/1.1 404 Not Found\r\n"
				   "Content-Type: text/plain\r\n"
				   "Content-Length: 39\r\n"
				   "Connection: close\r\n\r\n"
				   "No machine is connected by this name.\r\n";

	(void)!recv(fd, NULL, TUNNEL_REQUEST_MAX, MSG_TRUNC | MSG_DONTWAIT);
	(void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)!shutdown(fd, SHUT_WR);
}

void
tunnel_visit(struct keeper *k, struct ipc_msg *msg)
{
	char name[TUNNEL_NAME_SIZE];
	struct tunnel *t = NULL;
	struct ipc_visit m;

	if (ipc_visit_get(&msg->body, &m) != 0)
		return;
	if (m.name[0] == '\0')
		t = tunnel_port_find(k, m.port);
	else if (tunnel_name_set(m.name, name) == 0)
		t = tunnel_find(k, name, m.port);
	/* if there is none, the visitor sees the socket close */
	if (tunnel_connect(t, m.client, m.client_port, msg->fd) != 0 && m.http)
		tunnel_tell_http(msg->fd);
}

void
tunnel_dial(struct ksession *s)
{
	const char *host = s->route->hosts.v[0];
	char name[TUNNEL_NAME_SIZE];
	int pair[2], r;

	if (tunnel_name_set(tunnel_name_of_host(host), name) != 0) {
		ksession_refuse(s, upstream_text_unreachable, "%s: no name of a tunnel", host);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1) {
		ksession_refuse(s, upstream_text_gateway, "%s: %s", host, err_str(ERR_SYS));
		return;
	}
	r = tunnel_connect(tunnel_find(s->keeper, name, s->route->port), s->client, s->client_port,
	    pair[1]);
	fd_close(&pair[1]);
	if (r == 0)
		upstream_connected(s, host, pair[0]);
	else
		ksession_refuse(s,
		    "your machine is not connected to the gateway; try again later or ask your "
		    "administrator",
		    "%s: %s", host,
		    r == ERR_NOTFOUND ? "nobody holds this tunnel" :
					"too many connections at once");
	fd_close(&pair[0]);
}
