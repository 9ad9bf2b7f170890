/*
 * The connection to the upstream: an errand dials, and the session gets the connected socket.
 * downstream.c and passthrough.c begin it with upstream_dial(); jobs.c calls the rest.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "access/host_key.h"
#include "access/route_files.h"
#include "base/clock.h"
#include "keeper/ksession.h"
#include "keeper/upstream.h"
#include "keystore/keystore.h"

const char *const upstream_text_unreachable =
    "your machine cannot be reached right now; try again later or ask your administrator";

/* The first host of the route that AllowDestinations permits, or NULL. */
static const char *
upstream_first_host(const struct route *r)
{
	size_t i;

	for (i = 0; i < r->hosts.n; i++)
		if (route_may_dial(r, r->hosts.v[i]))
			return r->hosts.v[i];
	return NULL;
}

void
upstream_dial(struct ksession *s)
{
	if (ksession_set_phase(s, IPC_PHASE_DIAL) != 0)
		return;
	s->up.request_at = clock_us();
	if (s->route->proxy_jump != NULL)
		hop_dial(s);
	else
		upstream_dial_now(s);
}

void
upstream_dial_now(struct ksession *s)
{
	const struct route *route = s->route;

	if (tunnel_name_of_host(route->hosts.v[0]) != NULL) {
		tunnel_dial(s);
		return;
	}
	if (upstream_first_host(route) == NULL) {
		ksession_refuse(s,
		    "this machine is not among those that you may reach through here",
		    "AllowDestinations does not permit %s port %u", route->hosts.v[0], route->port);
		return;
	}
	jobs_ask(s, JOB_DIAL, route->connect_timeout_ms);
}

int
upstream_same(const struct ksession *a, const struct ksession *b)
{
	const char *via = a->route->connect_via, *other = b->route->connect_via;

	/* a proxy that does not answer keeps all who wait for it */
	if (via != NULL || other != NULL)
		return via != NULL && other != NULL && strcmp(via, other) == 0;
	return a->route->port == b->route->port &&
	    strcmp(a->route->hosts.v[0], b->route->hosts.v[0]) == 0;
}

void
upstream_order_hosts(const struct ksession *s, struct strlist *ordered)
{
	const struct strlist *hosts = &s->route->hosts;
	size_t i, n = hosts->n > IPC_HOSTS_MAX ? IPC_HOSTS_MAX : hosts->n;
	int64_t now = clock_ms();
	int dead;

	for (dead = 0; dead <= 1; dead++)
		for (i = 0; i < n; i++)
			if (route_may_dial(s->route, hosts->v[i]) &&
			    dead_hosts_has(&s->keeper->dead, hosts->v[i], s->route->port, now) ==
				dead)
				ordered->v[ordered->n++] = hosts->v[i];
}

int
upstream_approach_open(struct ksession *s, struct upstream_approach *a)
{
	const struct route *route = s->route;
	struct reason why;
	int r = 0;

	*a = (struct upstream_approach){ .m = { .send_proxy = (unsigned int)route->send_proxy,
					     .srv = route->resolve_srv } };
	if (route->connect_via != NULL)
		r = connect_via_parse(route->connect_via, &a->via, &why);
	if (r == 0 && route->connect_via_password != NULL)
		r = keystore_password(s->identity->keystore, route->connect_via_password,
		    &a->password, &why);
	buf_init(&a->ca, ROUTE_VIA_CA_MAX);
	if (r == 0 && route->connect_via_ca != NULL)
		r = route_file_read(route, route->connect_via_ca, &a->ca, &why);
	if (r != 0)
		ksession_warn(s, "ConnectVia: %s", why.text);
	a->m.via_ca = buf_bytes(&a->ca);
	a->m.via = a->via.scheme;
	a->m.via_host = a->via.host;
	a->m.via_port = a->via.port;
	a->m.via_user = a->via.user;
	if (a->password != NULL)
		a->m.via_password = (struct bytes){ secret_open(a->password),
			secret_len(a->password) };
	a->m.client = a->m.local = "";
	return r;
}

void
upstream_approach_close(struct upstream_approach *a)
{
	if (a->password != NULL)
		secret_close(a->password);
	secret_free(&a->password);
	buf_free(&a->ca);
}

void
upstream_put_dial(struct ksession *s, struct buf *order)
{
	char *hosts[IPC_HOSTS_MAX];
	struct ipc_dial dial = {
		.session = s->id,
		.timeout_ms = (uint32_t)s->route->connect_timeout_ms,
		.port = s->route->port,
		.hosts.v = hosts,
		.destinations = s->route->destinations,
	};
	struct upstream_approach approach;
	int r;

	r = upstream_approach_open(s, &approach);
	dial.approach = approach.m;
	dial.approach.client = s->client;
	dial.approach.client_port = s->client_port;
	dial.approach.local = s->local;
	dial.approach.local_port = s->local_port;
	upstream_order_hosts(s, &dial.hosts);
	snprintf(s->up.cached, sizeof(s->up.cached), "%s",
	    resolved_find(&s->keeper->resolved, hosts[0], clock_ms(), s->route->resolve_cache_ms));
	dial.known = s->up.cached;
	ipc_begin(order, IPC_DIAL);
	ipc_dial_put(order, &dial);
	if (r != 0)
		order->err = r; /* no errand is started */
	upstream_approach_close(&approach);
}

void
upstream_no_errand(struct ksession *s, int err)
{
	ksession_refuse(s, upstream_text_gateway, "cannot dial: %s",
	    err == ERR_EOF ? "the gateway is being restarted" : err_str(err));
}

int
upstream_take_dead_hosts(struct ksession *s, struct wire *body)
{
	uint32_t n = wire_u32(body);
	char host[DEAD_HOST_SIZE];

	if (n > IPC_HOSTS_MAX)
		return ERR_FORMAT;
	for (; n > 0; n--) {
		wire_text(body, host, sizeof(host));
		if (wire_err(body) != 0 || !strlist_has(&s->route->hosts, host))
			return ERR_FORMAT;
		/* without a choice it makes no difference */
		if (s->route->hosts.n > 1)
			dead_hosts_add(&s->keeper->dead, host, s->route->port, clock_ms());
	}
	return wire_end(body);
}

void
upstream_algorithms(const struct ksession *s, struct buf *host_keys, struct ipc_algorithms *a)
{
	const struct route *route = s->route;
	const char *list;

	buf_init(host_keys, HOST_KEY_ALGORITHMS_MAX);
	host_key_algorithms(route, s->up.host, s->up.known, host_keys);
	list = buf_cstr(host_keys);
	*a = (struct ipc_algorithms){
		.kex = route->kex_algorithms != NULL ? route->kex_algorithms : "",
		.host_keys = list != NULL ? list : "",
		.ciphers = route->ciphers != NULL ? route->ciphers : "",
		.macs = route->macs != NULL ? route->macs : "",
	};
}

/* Tell the session about its upstream, and hand over the connection. */
static void
upstream_send_fd(struct ksession *s, int fd)
{
	const struct route *route = s->route;
	char title[900];
	struct ipc_upstream_fd upstream = {
		.title = title,
		.alive_interval_ms = (uint32_t)route->server_alive_interval_ms,
		.login_ms = (uint32_t)route->connect_timeout_ms,
		/* an agent has a time of its own (issue.c) */
		.patient = upstream_method(s)->waits_for_client || route_ca_agent(s->route) != NULL,
	};
	struct buf b, host_keys;
	const char *error;

	snprintf(title, sizeof(title), "%s %s%s%.60s -> %s@%s",
	    auth_server_login(hop_session(s)->down.auth), s->client,
	    s->host[0] != '\0' ? " host " : "", s->host, s->up.user, s->up.host);
	title[500] = '\0';
	/* known_hosts cannot be read: the session goes on, and the host key will be refused */
	s->up.known = host_key_known_new(route, s->up.host);
	error = host_key_known_error(s->up.known);
	if (error != NULL)
		ksession_warn(s, "%s", error);
	upstream_algorithms(s, &host_keys, &upstream.algorithms);
	ipc_begin(&b, IPC_UPSTREAM_FD);
	ipc_upstream_fd_put(&b, &upstream);
	buf_free(&host_keys);
	if (ksession_set_phase(s, IPC_PHASE_UPSTREAM_KEX) == 0)
		(void)ksession_send(s, &b, fd);
	else
		buf_free(&b);
}

uint16_t
upstream_end_of(int (*end)(int, struct sockaddr *, socklen_t *), int fd,
    char out[NETADDR_TEXT_SIZE])
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct netaddr a;

	(void)end(fd, (struct sockaddr *)&ss, &len);
	netaddr_from(&a, &ss);
	netaddr_text(&a, out);
	return netaddr_port(&ss);
}

/* s->up has the host and where it is: the login there begins. */
static void
upstream_begin(struct ksession *s, int fd)
{
	snprintf(s->up.user, sizeof(s->up.user), "%s",
	    s->route->user != NULL ? s->route->user : s->route->login);
	upstream_send_fd(s, fd);
}

/* Read DIALLED or CARRIED: which host has answered, and why others have not.  0, or ERR_FORMAT with the
 * session refused. */
static int
upstream_take_host(struct ksession *s, struct wire *body)
{
	char reason[512];

	wire_text(body, s->up.host, sizeof(s->up.host));
	wire_text(body, reason, sizeof(reason));
	if (upstream_take_dead_hosts(s, body) != 0 || !strlist_has(&s->route->hosts, s->up.host)) {
		ksession_refuse(s, upstream_text_gateway, "unreadable answer from an errand");
		return ERR_FORMAT;
	}
	dead_hosts_remove(&s->keeper->dead, s->up.host, s->route->port);
	if (reason[0] != '\0')
		ksession_warn(s, "%s is used instead of another address: %s", s->up.host, reason);
	return 0;
}

/* DIALLED, with the connected socket. */
static void
upstream_dialled(struct ksession *s, struct ipc_msg *msg)
{
	if (upstream_take_host(s, &msg->body) != 0)
		return;
	s->up.port = upstream_end_of(getpeername, msg->fd, s->up.address);
	if (s->route->resolve_cache_ms > 0 && strcmp(s->up.cached, s->up.address) != 0)
		resolved_add(&s->keeper->resolved, s->up.host, s->up.address, clock_ms());
	if (!s->route->resolve_srv)
		s->up.port = s->route->port; /* it may be that of the proxy */
	s->up.from_port = upstream_end_of(getsockname, msg->fd, s->up.from);
	if (route_has_tls(s->route)) {
		/* the socket of a process of this host, which has the connection to the proxy */
		snprintf(s->up.address, sizeof(s->up.address), "%.55s", s->up.host);
		snprintf(s->up.from, sizeof(s->up.from), "%s", "the gateway");
	}
	upstream_begin(s, msg->fd);
}

void
upstream_carried(struct ksession *s, const struct login_upstream *first, struct wire *body, int fd)
{
	if (upstream_take_host(s, body) != 0)
		return;
	s->up.port = s->route->port;
	/* to the log of the machine that is dialled, all of this is one connection */
	memcpy(s->up.from, first->from, sizeof(s->up.from));
	s->up.from_port = first->from_port;
	upstream_begin(s, fd);
}

void
upstream_connected(struct ksession *s, const char *host, int fd)
{
	snprintf(s->up.host, sizeof(s->up.host), "%s", host);
	s->up.port = s->route->port;
	snprintf(s->up.address, sizeof(s->up.address), "%s", host);
	snprintf(s->up.from, sizeof(s->up.from), "%s", "the gateway");
	upstream_begin(s, fd);
}

/* DIAL_FAILED: no host of the route has answered. */
static void
upstream_dial_failed(struct ksession *s, struct wire *body)
{
	char reason[512];

	wire_text(body, reason, sizeof(reason));
	if (upstream_take_dead_hosts(s, body) != 0)
		snprintf(reason, sizeof(reason), "unreadable answer");
	ksession_refuse(s, upstream_text_unreachable, "cannot connect: %s", reason);
}

void
upstream_dial_done(struct ksession *s, const struct job_result *result)
{
	switch (result->how) {
	case JOB_ANSWERED:
		if (result->msg->type == IPC_DIAL_FAILED)
			upstream_dial_failed(s, &result->msg->body);
		else
			upstream_dialled(s, result->msg);
		break;
	case JOB_NOT_STARTED:
		upstream_no_errand(s, result->err);
		break;
	case JOB_OVERDUE:
		ksession_refuse(s, upstream_text_unreachable, "too many logins wait for %s port %u",
		    s->route->hosts.v[0], s->route->port);
		break;
	case JOB_DIED:
		ksession_refuse(s, upstream_text_gateway, "the errand that dials died: %s",
		    err_str(result->err));
		break;
	}
}
