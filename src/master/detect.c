/*
 * The master's side of first bytes (detect.h).  The master reads none of them: edge says what they are, and
 * choose.c what becomes of the connection.  Called by master.c and proxied.c for new connections, by
 * arrivals.c for the answers of edge.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "ipc/messages.h"
#include "master/choose.h"
#include "master/master_private.h"

/* Connections that are looked at.  SSH and TLS clients speak at once: if more than DETECT_WAITING wait, the
 * oldest are asked for early; the places above are for those, while edge answers. */
#define DETECT_MAX 1024
#define DETECT_WAITING 768
/* How long edge may take to answer when the time is up. */
#define DETECT_LATE_MS 10000

/* For the log, by enum ipc_kind. */
static const char *const detect_names[IPC_KINDS] = {
	[IPC_KIND_TLS] = "TLS",
	[IPC_KIND_HTTP] = "HTTP",
	[IPC_KIND_CONNECT] = "HTTP CONNECT",
	[IPC_KIND_XMPP] = "XMPP",
	[IPC_KIND_OPENVPN] = "OpenVPN",
};

/* --- FirstBytes --- */

static size_t
detect_bytes(const struct master *m, uint32_t i, uint8_t out[FORWARD_BYTES_MAX])
{
	const int n = forward_bytes(m->conf->forwards[m->detect.of[i]].first_bytes, out);

	return n > 0 ? (size_t)n : 0;
}

void
detect_configure(struct master *m)
{
	struct detect *d = &m->detect;
	size_t i;

	d->base += d->n;
	d->n = 0;
	for (i = 0; i < m->conf->n_forwards && i < DETECT_PATTERNS_MAX; i++)
		if (m->conf->forwards[i].first_bytes != NULL)
			d->of[d->n++] = (uint8_t)i;
}

/* The head of a CONNECT is taken off only where what follows is wanted. */
static int
detect_wants_connect(const struct conf *conf)
{
	size_t i;

	if (conf->edge.http_connect)
		return 1;
	for (i = 0; i < conf->n_forwards; i++)
		if ((conf->forwards[i].protocols & FORWARD_CONNECT) != 0)
			return 1;
	return 0;
}

int
detect_has_patterns(const struct master *m)
{
	return m->detect.n > 0 || detect_wants_connect(m->conf);
}

void
detect_put_patterns(const struct master *m, struct buf *b)
{
	uint8_t bytes[FORWARD_BYTES_MAX];
	uint32_t i;

	wire_put_bool(b, detect_wants_connect(m->conf));
	wire_put_u32(b, m->detect.base);
	for (i = 0; i < m->detect.n; i++)
		wire_put_string(b, bytes, detect_bytes(m, i, bytes));
}

/* --- decisions --- */

/* Refuse it in the words of its protocol. */
static void
detect_refuse(struct master *m, struct connection *c, enum ipc_kind kind,
    enum startup_verdict verdict, const char *why)
{
	static const char alert[] = "\x15\x03\x03\x00\x02\x02\x70"; /* unrecognized_name */
	static const char http[] = "HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n"
				   "Connection: close\r\n\r\n";
	const int64_t now = clock_ms();

	if (kind == IPC_KIND_TLS)
		(void)!send(c->fd, alert, sizeof(alert) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	else if (kind == IPC_KIND_HTTP || kind == IPC_KIND_CONNECT)
		(void)!send(c->fd, http, sizeof(http) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	drops_refuse(&m->drops, c, verdict, why, now);
	/* a browser that asks for an unknown name may be beside users of SSH */
	if (m->conf->edge.restrict_to_ssh || kind == IPC_KIND_OTHER)
		startups_penalise(m->startups, &c->address, CONF_PENALTY_NOAUTH, now);
	fd_close(&c->fd);
}

static void
detect_refuse_kind(struct master *m, struct connection *c, const struct ipc_opening *o)
{
	const char *name = detect_names[o->kind];
	char why[512];

	if (name == NULL)
		name = "something other than SSH";
	snprintf(why, sizeof(why), "%s%s%s, which no [tls] or [forward] section takes", name,
	    o->host[0] != '\0' ? " for " : "", o->host);
	detect_refuse(m, c, o->kind, STARTUP_NOT_LISTED, why);
}

/* The FirstBytes that it begins with, in out, or none. */
static struct bytes
detect_first(const struct master *m, uint32_t pattern, uint8_t out[FORWARD_BYTES_MAX])
{
	const uint32_t i = pattern - m->detect.base;

	/* those of another configuration are not in the range */
	if (pattern == IPC_NO_PATTERN || i >= m->detect.n)
		return (struct bytes){ out, 0 };
	return (struct bytes){ out, detect_bytes(m, i, out) };
}

void
detect_facts(const struct connection *c, const struct ipc_opening *o, struct choose_facts *facts)
{
	*facts = (struct choose_facts){ .kind = o->kind,
		.host = o->host,
		.alpn = o->alpn,
		.inner = c->tls != 0,
		.login_only = c->login_only,
		.client = c->client,
		.local = c->local,
		.local_port = c->local_port };
}

static void
detect_decide(struct master *m, struct connection *c, const struct ipc_opening *o)
{
	uint8_t first[FORWARD_BYTES_MAX];
	struct choose_facts facts;
	const struct conf_forward *forward;
	const struct conf_tls *tls = NULL;

	if (connection_name(c) != 0) { /* it has gone meanwhile */
		fd_close(&c->fd);
		return;
	}
	detect_facts(c, o, &facts);
	facts.first = detect_first(m, o->pattern, first);
	/* TLS inside of TLS is for whom it is sent to */
	if (o->kind == IPC_KIND_TLS && c->tls == 0 && !choose_by_alpn(m->conf, &facts))
		tls = conf_tls_for(m->conf, o->host);
	if (tls != NULL) {
		if (o->host != c->host)
			snprintf(c->host, sizeof(c->host), "%s", o->host);
		tls_take(m, tls, c);
		return;
	}
	switch (choose(m->conf, &facts, &forward)) {
	case CHOICE_SSH:
		if (o->host != c->host && o->host[0] != '\0')
			snprintf(c->host, sizeof(c->host), "%s", o->host);
		master_admit(m, c);
		break;
	case CHOICE_FORWARD:
		if (!granted_visit(m, forward, c, o))
			forwards_take(m, forward, c, o);
		break;
	case CHOICE_LOGINS:
		detect_refuse(m, c, o->kind, STARTUP_NOT_LISTED,
		    "ClientRules: its certificate is for certain logins alone");
		break;
	case CHOICE_NONE:
		detect_refuse_kind(m, c, o);
		break;
	case CHOICE_SILENT:
		detect_refuse(m, c, o->kind, STARTUP_SILENT,
		    "RestrictToSSH: it was silent until DetectTimeout");
		break;
	case CHOICE_CLOSED:
		drops_log(c, LOG_LVL_DEBUG, "it was closed before its first bytes");
		if (m->conf->edge.restrict_to_ssh)
			startups_penalise(m->startups, &c->address, CONF_PENALTY_NOAUTH,
			    clock_ms());
		fd_close(&c->fd);
		break;
	}
}

static const struct ipc_opening detect_silent = { .kind = IPC_KIND_SILENT,
	.host = "",
	.alpn = "",
	.pattern = IPC_NO_PATTERN };

/* Edge has said what it begins with. */
static void
detect_opening(struct master *m, struct connection *c, struct ipc_opening *o)
{
	if (o->kind == IPC_KIND_CONNECT && !c->connected) {
		connect_take(m, c, o);
	} else if (o->kind == IPC_KIND_CONNECT) {
		detect_refuse_kind(m, c, o); /* no chain of them */
	} else {
		if (o->host[0] == '\0')
			o->host = c->host; /* what is around it has named one */
		detect_decide(m, c, o);
	}
}

int
detect_kind(struct master *m, struct wire *body)
{
	struct ipc_opening o;
	struct connection c;
	struct arrival *a;
	int r;

	r = ipc_opening_get(body, &o);
	if (r == 0 && o.host[0] != '\0' && !destination_host_ok(o.host))
		r = ERR_FORMAT;
	a = r == 0 ? arrivals_find(m, o.connection) : NULL;
	if (a != NULL && a->look == ARRIVAL_HEADER)
		r = ERR_FORMAT;
	if (r == 0 && a != NULL) {
		arrivals_take(m, a, &c);
		detect_opening(m, &c, &o);
	}
	if (r != 0 || o.credentials.len > 0)
		explicit_bzero(m->message, sizeof(m->message));
	return r;
}

/* --- how long they wait --- */

/* The time of one that has sent nothing decisive is over. */
static void
detect_release(struct master *m, struct arrival *a)
{
	struct connection c;

	if (a->sent) {
		arrivals_release(m, a);
		return;
	}
	/* edge does not get to it */
	arrivals_take(m, a, &c);
	detect_decide(m, &c, &detect_silent);
}

static void
detect_cut(struct master *m, struct arrival *a)
{
	drops_refuse(&m->drops, &a->c, STARTUP_SILENT,
	    "its first bytes have not been looked at in time", clock_ms());
	arrivals_cut(m, a);
}

void
detect_take(struct master *m, struct connection *c)
{
	const unsigned int per_source = (unsigned int)m->conf->gateway.per_source_max_startups;
	const unsigned int waiting = arrivals_waiting(m, ARRIVAL_KIND),
			   released = arrivals_waiting(m, ARRIVAL_RELEASED);

	if (per_source > 0 && waiting + released >= per_source &&
	    arrivals_of_source(m, &c->address) >= per_source) {
		drops_refuse(&m->drops, c, STARTUP_PER_SOURCE, "PerSourceMaxStartups", clock_ms());
		fd_close(&c->fd);
		return;
	}
	if (waiting >= DETECT_WAITING)
		detect_release(m, arrivals_first(m, ARRIVAL_KIND));
	if (waiting + released >= DETECT_MAX && arrivals_waiting(m, ARRIVAL_RELEASED) > 0)
		detect_cut(m, arrivals_first(m, ARRIVAL_RELEASED));
	arrivals_add(m, ARRIVAL_KIND, c);
}

int64_t
detect_timers(struct master *m, int64_t now)
{
	const int wait_ms = m->conf->edge.detect_timeout_ms;
	struct arrival *a;
	int64_t next = CLOCK_NEVER;

	while (
	    (a = arrivals_first(m, ARRIVAL_RELEASED)) != NULL && a->since + DETECT_LATE_MS <= now)
		detect_cut(m, a);
	if (a != NULL)
		next = a->since + DETECT_LATE_MS;
	while ((a = arrivals_first(m, ARRIVAL_KIND)) != NULL && a->since + wait_ms <= now)
		detect_release(m, a);
	if (a != NULL && a->since + wait_ms < next)
		next = a->since + wait_ms;
	return next;
}
