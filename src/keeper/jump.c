/*
 * Mode = jump (jump.h).
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "keeper/ksession.h"
#include "wire/ssh.h"

void
jump_let_in(struct ksession *s)
{
	char title[600];
	struct buf b;

	if (s->route->mode == ROUTE_TUNNEL && s->keeper->leaving) {
		ksession_refuse(s, "the gateway has been restarted: connect again",
		    "tunnels are held at the gateway that runs now");
		return;
	}
	if (!tunnel_may_enter(s)) {
		ksession_refuse(s, "there are too many connections of your address already",
		    "as many of its address hold tunnels as MaxTunnels permits");
		return;
	}
	if (downstream_make_policy(s) != 0 || ksession_login_done(s) != 0)
		return;
	ksession_log_jump(s);
	snprintf(title, sizeof(title), "%s %s%s%.60s -> %s", auth_server_login(s->down.auth),
	    s->client, s->host[0] != '\0' ? " host " : "", s->host,
	    s->route->mode == ROUTE_TUNNEL ? "tunnel" : "jump");
	title[500] = '\0';
	ipc_begin(&b, IPC_JUMP);
	wire_put_text(&b, title);
	wire_put_bool(&b, s->route->mode == ROUTE_TUNNEL);
	if (ksession_send(s, &b, -1) == 0)
		downstream_success(s);
}

/* JUMP_REFUSED.  The user reads what; the log has why. */
static void
jump_refuse(struct ksession *s, uint32_t reason, const char *what, const char *why)
{
	char line[512];
	struct buf b;

	ksession_log_jumped(s, why, "");
	snprintf(line, sizeof(line), "%s port %u %s (session %04jx)", s->jump.host, s->jump.port,
	    what, (uintmax_t)s->id);
	ipc_begin(&b, IPC_JUMP_REFUSED);
	wire_put_u32(&b, reason);
	wire_put_text(&b, line);
	(void)ksession_send(s, &b, -1);
}

void
jump_open(struct ksession *s, struct wire *body)
{
	if (s->route == NULL || s->route->mode != ROUTE_JUMP || jobs_pending(s, JOB_JUMP)) {
		ksession_error(s, "ended: it asks for a machine out of place");
		ksession_end(s);
		return;
	}
	wire_text(body, s->jump.host, sizeof(s->jump.host));
	s->jump.port = wire_u32(body);
	if (wire_end(body) != 0 || s->jump.port == 0 || s->jump.port > UINT16_MAX) {
		ksession_error(s, "ended: unreadable name of a machine");
		ksession_end(s);
		return;
	}
	if (!destination_host_ok(s->jump.host)) {
		s->jump.host[0] = '\0';
		jump_refuse(s, SSH_OPEN_CONNECT_FAILED, "is no name of a machine",
		    "not a host name");
	} else if (!destination_may_ask(&s->route->destinations, s->jump.host, s->jump.port)) {
		jump_refuse(s, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
		    "is not among the machines that you may reach through here",
		    "AllowDestinations does not permit this name");
	} else {
		jobs_ask(s, JOB_JUMP, s->route->connect_timeout_ms);
	}
}

void
jump_put_dial(struct ksession *s, struct buf *order)
{
	char *host[] = { s->jump.host, NULL };
	const struct ipc_dial dial = {
		.session = s->id,
		.timeout_ms = (uint32_t)s->route->connect_timeout_ms,
		.port = s->jump.port,
		.hosts = { host, 1 },
		.destinations = s->route->destinations,
		.approach = ipc_approach_direct,
		.known = s->jump.cached,
	};

	snprintf(s->jump.cached, sizeof(s->jump.cached), "%s",
	    resolved_find(&s->keeper->resolved, s->jump.host, clock_ms(),
		s->route->resolve_cache_ms));
	ipc_begin(order, IPC_DIAL);
	ipc_dial_put(order, &dial);
}

/* DIALLED, whose socket goes on to the session.  The kernel says where it leads, not the errand. */
static void
jump_dialled(struct ksession *s, struct ipc_msg *msg)
{
	char address[NETADDR_TEXT_SIZE];
	struct buf b;

	(void)upstream_end_of(getpeername, msg->fd, address);
	if (s->route->resolve_cache_ms > 0 && strcmp(s->jump.cached, address) != 0)
		resolved_add(&s->keeper->resolved, s->jump.host, address, clock_ms());
	ksession_log_jumped(s, "", address);
	ipc_begin(&b, IPC_JUMP_OPENED);
	(void)ksession_send(s, &b, msg->fd);
}

void
jump_dial_done(struct ksession *s, const struct job_result *result)
{
	char why[512];

	switch (result->how) {
	case JOB_ANSWERED:
		if (result->msg->type == IPC_DIALLED) {
			jump_dialled(s, result->msg);
			return;
		}
		wire_text(&result->msg->body, why, sizeof(why));
		break;
	case JOB_NOT_STARTED:
		snprintf(why, sizeof(why), "%s",
		    result->err == ERR_EOF ? "the gateway is being restarted" :
					     err_str(result->err));
		break;
	case JOB_OVERDUE:
		snprintf(why, sizeof(why), "timed out");
		break;
	case JOB_DIED:
		snprintf(why, sizeof(why), "the errand that dials died: %s", err_str(result->err));
		break;
	}
	jump_refuse(s, SSH_OPEN_CONNECT_FAILED, "cannot be reached", why);
}
