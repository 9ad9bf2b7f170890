/*
 * The connection to the upstream: an errand dials, and the session gets the connected socket.
 * downstream.c and passthrough.c begin it with upstream_dial(); jobs.c calls the rest.
 */
#include <stdio.h>
#include <string.h>

#include "access/host_key.h"
#include "base/clock.h"
#include "keeper/ksession.h"
#include "keeper/upstream.h"

const char *const upstream_text_unreachable =
    "your machine cannot be reached right now; try again later or ask your administrator";

void
upstream_dial(struct ksession *s)
{
	if (ksession_set_phase(s, IPC_PHASE_DIAL) != 0)
		return;
	s->up.request_at = clock_us();
	jobs_ask(s, JOB_DIAL, s->route->connect_timeout_ms);
}

int
upstream_same(const struct ksession *a, const struct ksession *b)
{
	return a->route->port == b->route->port &&
	    strcmp(a->route->hosts.v[0], b->route->hosts.v[0]) == 0;
}

/* The hosts of the route, those that did not answer lately after the others. */
static void
upstream_put_hosts(struct ksession *s, struct buf *b)
{
	const struct strlist *hosts = &s->route->hosts;
	size_t i, n = hosts->n > IPC_HOSTS_MAX ? IPC_HOSTS_MAX : hosts->n;
	int64_t now = clock_ms();
	int dead;

	wire_put_u32(b, (uint32_t)n);
	for (dead = 0; dead <= 1; dead++)
		for (i = 0; i < n; i++)
			if (dead_hosts_has(&s->keeper->dead, hosts->v[i], s->route->port, now) ==
			    dead)
				wire_put_text(b, hosts->v[i]);
}

void
upstream_put_dial(struct ksession *s, struct buf *order)
{
	ipc_begin(order, IPC_DIAL);
	wire_put_u64(order, s->id);
	wire_put_u32(order, (uint32_t)s->route->connect_timeout_ms);
	wire_put_u32(order, s->route->port);
	upstream_put_hosts(s, order);
}

void
upstream_no_errand(struct ksession *s, int err)
{
	ksession_refuse(s, upstream_text_gateway, "cannot dial: %s",
	    err == ERR_EOF ? "the gateway is being restarted" : err_str(err));
}

/* Note which hosts of the route did not answer an errand.  Returns 0, or ERR_FORMAT if it names
 * others. */
static int
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

int
upstream_put_algorithms(const struct ksession *s, struct buf *b, struct reason *why)
{
	const struct route *route = s->route;
	struct buf algorithms;
	int r;

	buf_init(&algorithms, HOST_KEY_ALGORITHMS_MAX);
	r = host_key_algorithms(route, s->up.host, &algorithms, why);
	wire_put_text(b, route->kex_algorithms != NULL ? route->kex_algorithms : "");
	wire_put_string(b, algorithms.data, algorithms.len);
	wire_put_text(b, route->ciphers != NULL ? route->ciphers : "");
	wire_put_text(b, route->macs != NULL ? route->macs : "");
	buf_free(&algorithms);
	return r;
}

/* Tell the session about its upstream, and hand over the connection. */
static void
upstream_send_fd(struct ksession *s, int fd)
{
	const struct route *route = s->route;
	struct reason why;
	char title[600];
	struct buf b;

	snprintf(title, sizeof(title), "%s %s -> %s@%s", auth_server_login(s->down.auth), s->client,
	    s->up.user, s->up.host);
	title[500] = '\0';
	ipc_begin(&b, IPC_UPSTREAM_FD);
	wire_put_text(&b, title);
	/* the key is refused for it, when it has been shown */
	if (upstream_put_algorithms(s, &b, &why) != 0)
		ksession_warn(s, "%s", why.text);
	wire_put_u32(&b, (uint32_t)route->server_alive_interval_ms);
	wire_put_u32(&b, (uint32_t)route->connect_timeout_ms);
	wire_put_bool(&b, upstream_method(s)->waits_for_client);
	if (ksession_set_phase(s, IPC_PHASE_UPSTREAM_KEX) == 0)
		(void)ksession_send(s, &b, fd);
	else
		buf_free(&b);
}

/* DIALLED: which host has answered, and its connected socket. */
static void
upstream_dialled(struct ksession *s, struct ipc_msg *msg)
{
	char reason[512];

	wire_text(&msg->body, s->up.host, sizeof(s->up.host));
	wire_text(&msg->body, reason, sizeof(reason));
	if (upstream_take_dead_hosts(s, &msg->body) != 0 ||
	    !strlist_has(&s->route->hosts, s->up.host)) {
		ksession_refuse(s, upstream_text_gateway, "unreadable answer of an errand");
		return;
	}
	dead_hosts_remove(&s->keeper->dead, s->up.host, s->route->port);
	if (reason[0] != '\0')
		ksession_warn(s, "%s instead of another: %s", s->up.host, reason);
	snprintf(s->up.user, sizeof(s->up.user), "%s",
	    s->route->user != NULL ? s->route->user : auth_server_login(s->down.auth));
	upstream_send_fd(s, msg->fd);
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
		ksession_refuse(s, upstream_text_unreachable, "too many others wait for %s port %u",
		    s->route->hosts.v[0], s->route->port);
		break;
	case JOB_DIED:
		ksession_refuse(s, upstream_text_gateway, "the errand that dials died: %s",
		    err_str(result->err));
		break;
	}
}
