/*
 * CONNECT of HTTP (connect.h).  Called by detect.c for the requests, by master.c for the keeper's answers.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/dontfork.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/names.h"
#include "formats/destination.h"
#include "master/choose.h"
#include "master/master_private.h"

/* Requests whose password the keeper looks at, which takes it less than a millisecond each. */
#define CONNECTS_MAX 256

struct connect_waiting {
	uint64_t number; /* a serial number, and in its last 8 bits the index in all; 0: unused */
	struct connection c;
	char host[DESTINATION_HOST_SIZE];
	uint32_t port;
};

/* In memory that sessions do not inherit. */
struct connects {
	uint64_t serial;
	struct connect_waiting all[CONNECTS_MAX];
};

#define CONNECT_END "Content-Length: 0\r\nConnection: close\r\n\r\n"

/* The whole answers. */
static const char *const connect_texts[] = {
	[CONNECT_OPEN] = "HTTP/1.1 200 Connection established\r\n\r\n",
	[CONNECT_BAD] = "HTTP/1.1 400 Bad Request\r\n" CONNECT_END,
	[CONNECT_FORBIDDEN] = "HTTP/1.1 403 Forbidden\r\n" CONNECT_END,
	[CONNECT_PASSWORD] = "HTTP/1.1 407 Proxy Authentication Required\r\n"
			     "Proxy-Authenticate: Basic realm=\"sallyport\"\r\n" CONNECT_END,
	[CONNECT_BUSY] = "HTTP/1.1 502 Bad Gateway\r\n" CONNECT_END,
};

void
connects_free(struct connects **t)
{
	dontfork_free(*t, sizeof(**t));
	*t = NULL;
}

void
connect_answer(const struct connection *c, enum connect_answer answer)
{
	const char *text = connect_texts[answer];

	/* the buffer of a new connection has room for it */
	(void)!send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* What the client has sent besides is dropped unread, since closing with it in the socket could destroy the
 * answer. */
static void
connect_refuse(struct master *m, struct connection *c, enum connect_answer answer, const char *why)
{
	connect_answer(c, answer);
	(void)!recv(c->fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
	drops_refuse(&m->drops, c, STARTUP_CONNECT, why, clock_ms());
	fd_close(&c->fd);
}

/* The same for a request that this gateway answers to nobody. */
static void
connect_deny(struct master *m, struct connection *c, enum connect_answer answer, const char *why)
{
	startups_penalise(m->startups, &c->address, CONF_PENALTY_NOAUTH, clock_ms());
	connect_refuse(m, c, answer, why);
}

/* May a route be for this port?  22, and those that the gateway listens on. */
static int
connect_port_ok(const struct conf *conf, uint32_t port)
{
	size_t i;

	for (i = 0; i < conf->gateway.n_listen; i++)
		if (conf->gateway.listen[i].port == port)
			return 1;
	return port == 22;
}

/* The section that takes it and may be asked for this host; or NULL. */
static const struct conf_forward *
connect_section(const struct master *m, const struct connection *c, const struct ipc_opening *o)
{
	struct choose_facts facts;
	const struct conf_forward *f;

	detect_facts(c, o, &facts);
	if (choose(m->conf, &facts, &f) != CHOICE_FORWARD || forwards_denied(f, o) != NULL)
		return NULL;
	return f;
}

/* For the log.  name: of the password, or "". */
static void
connect_log(const struct connection *c, const struct ipc_opening *o, const char *name)
{
	char client[NETADDR_TEXT_SIZE];
	struct log_fields f;

	log_fields_begin(&f, "connect");
	log_field_text(&f, "client", netaddr_text(&c->address, client));
	log_field_number(&f, "client_port", c->client_port);
	log_field_text(&f, "host", o->host);
	log_field_number(&f, "port", o->port);
	if (name[0] != '\0')
		log_field_text(&f, "name", name);
	log_event(LOG_LVL_INFO, &f, "CONNECT to %s port %u from %s port %u%s%s", o->host, o->port,
	    client, c->client_port, name[0] != '\0' ? " with the password " : "", name);
}

/* The client may ask: a section takes it, or the host is one for the routes. */
static void
connect_open(struct master *m, struct connection *c, const struct ipc_opening *o, const char *name)
{
	const struct conf_forward *section;
	char why[DESTINATION_HOST_SIZE + 64];

	if (connection_name(c) != 0) { /* it has gone meanwhile */
		fd_close(&c->fd);
		return;
	}
	section = connect_section(m, c, o);
	if (section == NULL && !(m->conf->edge.http_connect && connect_port_ok(m->conf, o->port))) {
		snprintf(why, sizeof(why), "CONNECT to %s port %u is not allowed", o->host,
		    o->port);
		connect_deny(m, c, CONNECT_FORBIDDEN, why);
		return;
	}
	connect_log(c, o, name);
	c->connected = 1;
	if (section != NULL) {
		forwards_take(m, section, c, o);
		return;
	}
	connect_answer(c, CONNECT_OPEN);
	snprintf(c->host, sizeof(c->host), "%s", o->host);
	detect_take(m, c);
}

/* CHECK_PASSWORD.  0 with the connection in the table, or an ERR_*. */
static int
connect_ask(struct master *m, struct connection *c, const struct ipc_opening *o)
{
	struct connect_waiting *w;
	uint64_t serial;
	struct buf b;
	int r;

	if (m->connects == NULL)
		m->connects = dontfork_new(sizeof(*m->connects));
	if (m->connects == NULL)
		return ERR_NOMEM;
	serial = ++m->connects->serial;
	w = &m->connects->all[serial % CONNECTS_MAX];
	if (w->number != 0)
		return ERR_TOOBIG;
	ipc_begin(&b, IPC_CHECK_PASSWORD);
	wire_put_u64(&b, serial);
	wire_put_bytes(&b, o->credentials);
	r = ipc_send(m->keeper, &b, -1);
	if (r != 0)
		return r;
	w->number = serial;
	w->c = *c;
	w->port = o->port;
	snprintf(w->host, sizeof(w->host), "%s", o->host);
	c->fd = -1;
	return 0;
}

void
connect_checked(struct master *m, struct wire *body)
{
	const uint64_t number = wire_u64(body);
	char name[KEY_NAME_MAX + 1];
	struct connect_waiting *w;
	struct connection c;
	struct ipc_opening o = { .alpn = "", .kind = IPC_KIND_CONNECT, .pattern = IPC_NO_PATTERN };
	char host[DESTINATION_HOST_SIZE];

	wire_text(body, name, sizeof(name));
	if (wire_end(body) != 0 || m->connects == NULL)
		return;
	w = &m->connects->all[number % CONNECTS_MAX];
	if (number == 0 || w->number != number)
		return;
	w->number = 0;
	c = w->c;
	memcpy(host, w->host, sizeof(host));
	o.host = host;
	o.port = w->port;
	if (name[0] != '\0') {
		connect_open(m, &c, &o, name);
		return;
	}
	startups_penalise(m->startups, &c.address, CONF_PENALTY_AUTHFAIL, clock_ms());
	connect_refuse(m, &c, CONNECT_PASSWORD, "CONNECT with a wrong password");
}

void
connect_take(struct master *m, struct connection *c, const struct ipc_opening *o)
{
	const char *why;
	int r;

	/* those who guess passwords, among others; sessions are refused later */
	if (startups_penalised(m->startups, &c->address, clock_ms(), &why))
		connect_refuse(m, c, CONNECT_FORBIDDEN, why);
	else if (o->host[0] == '\0' || o->port == 0)
		connect_deny(m, c, CONNECT_BAD, "CONNECT to something that is not HOST:PORT");
	else if (m->conf->edge.connect_passwords.n == 0)
		connect_open(m, c, o, "");
	else if (o->credentials.len == 0)
		connect_refuse(m, c, CONNECT_PASSWORD, "CONNECT without a password");
	else if ((r = connect_ask(m, c, o)) != 0)
		connect_refuse(m, c, CONNECT_BUSY, err_str(r));
}
