/*
 * The keeper's part in hops (hop.h).  upstream*.c and ksession.c call it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "keeper/ksession.h"
#include "keeper/master_link.h"
#include "lookup/hop.h"

/* What the texts for users speak of. */
#define YOUR_MACHINE "your machine"

struct ksession *
hop_session(struct ksession *s)
{
	while (s->link.parent != NULL)
		s = s->link.parent;
	return s;
}

const struct ksession *
hop_session_of(const struct ksession *s)
{
	while (s->link.parent != NULL)
		s = s->link.parent;
	return s;
}

struct ksession *
hop_first(struct ksession *s)
{
	while (s->link.hop != NULL)
		s = s->link.hop;
	return s;
}

/* HOP, in which the carrier is told what it is for. */
static void
hop_put_order(const struct ksession *h, struct buf *order)
{
	const struct ksession *session = hop_session_of(h), *to = h->link.parent;
	char title[512];
	const struct ipc_hop hop = {
		.session = h->id,
		.title = title,
		.alive_max = (uint32_t)h->snapshot->conf->gateway.client_alive_count_max,
		.rekey_ms = (uint32_t)h->route->rekey_limit.ms,
		.rekey_bytes = h->route->rekey_limit.bytes,
	};

	snprintf(title, sizeof(title), "%.100s -> %.100s for %.200s", h->route->name,
	    to->route->hosts.v[0], auth_server_login(session->down.auth));
	ipc_begin(order, IPC_HOP);
	ipc_hop_put(order, &hop);
}

/* A hop of parent by this route, which it owns from then on, with its carrier.  0 or an ERR_*. */
static int
hop_new(struct ksession *parent, struct route *route)
{
	struct ksession *h = calloc(1, sizeof(*h));
	struct buf order;
	int r;

	if (h == NULL) {
		route_free(&route);
		return ERR_NOMEM;
	}
	h->keeper = parent->keeper;
	h->snapshot = snapshot_ref(parent->snapshot);
	h->identity = identity_ref(parent->identity);
	h->from_session = (struct source){ .kind = SOURCE_SESSION, .session = h };
	h->sock = -1;
	h->id = parent->id;
	memcpy(h->client, parent->client, sizeof(h->client));
	h->client_port = parent->client_port;
	memcpy(h->local, parent->local, sizeof(h->local));
	h->local_port = parent->local_port;
	h->started = parent->started;
	h->route = route;
	h->link = (struct hop_link){ .parent = parent, .carried_fd = -1 };
	upstream_init(&h->up);
	hop_put_order(h, &order);
	r = master_link_errand(h->keeper, &h->from_session, IPC_ERRAND_HOP, &order, &h->sock);
	if (r != 0) {
		ksession_free(h);
		return r;
	}
	parent->link.hop = h;
	TAILQ_INSERT_TAIL(&h->keeper->sessions, h, entry);
	h->up.request_at = clock_us();
	return ksession_set_phase(h, IPC_PHASE_DIAL);
}

void
hop_dial(struct ksession *s)
{
	struct ksession *last = s;
	struct reason why;
	struct hops hops;
	size_t i;
	int r;

	if (hops_find(s->snapshot->lookup, s->route, &hops, &why) != 0) {
		ksession_refuse(s, upstream_text_gateway, "%s", why.text);
		return;
	}
	for (i = 0, r = 0; i < hops.n && r == 0; i++) {
		r = hop_new(last, hops.v[i]);
		hops.v[i] = NULL;
		last = last->link.hop;
	}
	hops_free(&hops);
	if (r != 0)
		upstream_no_errand(s, r);
	else
		upstream_dial_now(last);
}

/* --- the channel to the next machine --- */

void
hop_logged_in(struct ksession *h)
{
	struct ksession *to = h->link.parent;
	char *hosts[IPC_HOSTS_MAX];
	struct ipc_carry carry = {
		.timeout_ms = (uint32_t)to->route->connect_timeout_ms,
		.port = to->route->port,
		.hosts.v = hosts,
	};
	int pair[2];
	struct buf b;

	if (ksession_set_phase(h, IPC_PHASE_CARRY) != 0)
		return;
	/* a machine behind it that does not answer is not to keep others from the hop */
	jobs_dial_over(h);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == -1) {
		hop_refuse(h, upstream_text_gateway, err_str(ERR_SYS));
		return;
	}
	h->logged_in = 1;
	h->link.carried_fd = pair[1];
	upstream_order_hosts(to, &carry.hosts);
	ipc_begin(&b, IPC_CARRY);
	ipc_carry_put(&b, &carry);
	(void)ksession_send(h, &b, pair[0]);
	fd_close(&pair[0]);
}

/* There is something to carry, which the parent still waits for.  1; or 0, with the hop ended. */
static int
hop_may_answer(struct ksession *h)
{
	if (h->link.carried_fd != -1 && h->link.parent->phase == IPC_PHASE_DIAL)
		return 1;
	ksession_error(h, "ended: it answers what nobody has asked");
	ksession_end(h);
	return 0;
}

void
hop_carried(struct ksession *h, struct wire *body)
{
	struct ksession *to = h->link.parent;
	const struct ksession *first = hop_first(h);
	int fd = h->link.carried_fd;

	if (!hop_may_answer(h))
		return;
	h->link.carried_fd = -1;
	h->link.carried = 1;
	upstream_free(&h->up);
	upstream_carried(to, &first->up, body, fd);
	fd_close(&fd);
}

void
hop_carry_failed(struct ksession *h, struct wire *body)
{
	struct ksession *to = h->link.parent;
	int forbidden = wire_bool(body);
	char reason[512], name[128], text[300], from[700];

	if (!hop_may_answer(h))
		return;
	wire_text(body, reason, sizeof(reason));
	snprintf(name, sizeof(name), "%.100s", h->route->name);
	if (upstream_take_dead_hosts(to, body) != 0)
		snprintf(reason, sizeof(reason), "unreadable answer");
	if (forbidden)
		snprintf(text, sizeof(text),
		    "the hop %s does not let the gateway go on to your machine; ask your "
		    "administrator",
		    name);
	else
		snprintf(text, sizeof(text),
		    "your machine cannot be reached from the hop %s right now; try again later or "
		    "ask your administrator",
		    name);
	snprintf(from, sizeof(from), "cannot be reached from the hop %s: %s", name, reason);
	if (to->link.parent != NULL && !forbidden)
		hop_refuse(to, upstream_text_unreachable, from);
	else
		ksession_refuse(hop_session(h), text, "hop %s: %s%s", name, reason,
		    forbidden ? ": see AllowTcpForwarding and PermitOpen there, and the options of "
				"the gateway's key" :
				"");
}

/* --- its end --- */

void
hop_refuse(struct ksession *h, const char *text, const char *reason)
{
	const char *at = strstr(text, YOUR_MACHINE);
	char line[400], name[128];
	size_t before = at != NULL ? (size_t)(at - text) : 0;

	/* the route is gone with the refusal */
	snprintf(name, sizeof(name), "%.100s", h->route->name);
	if (at != NULL)
		snprintf(line, sizeof(line), "%.*sthe hop %s on the way to %s", (int)before, text,
		    name, at);
	else
		snprintf(line, sizeof(line), "%s", text);
	ksession_refuse(hop_session(h), line, "hop %s: %s", name, reason);
}

void
hop_unlink(struct ksession *s)
{
	struct ksession *session = hop_session(s);
	int needed = s->link.parent != NULL && !s->link.carried;

	if (s->link.hop != NULL)
		ksession_end(s->link.hop);
	if (s->link.parent == NULL)
		return;
	fd_close(&s->link.carried_fd);
	s->link.parent->link.hop = NULL;
	s->link.parent = NULL;
	if (needed && session->sock != -1)
		ksession_refuse(session, upstream_text_gateway, "hop %.100s: its process has ended",
		    s->route->name);
}

void
hop_describe(const struct ksession *s, char *text, size_t size)
{
	const struct ksession *h;
	char rest[1024];

	text[0] = '\0';
	/* from the last one back */
	for (h = s->link.hop; h != NULL; h = h->link.hop) {
		snprintf(rest, sizeof(rest), "%s", text);
		snprintf(text, size, "%.100s@%.200s port %u%s%s", h->up.user, h->up.host,
		    h->up.port, rest[0] != '\0' ? ", " : "", rest);
	}
}
