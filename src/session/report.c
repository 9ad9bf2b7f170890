/*
 * What is said of a session at its end: to the person, and for the log.
 */
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "session/session_private.h"
#include "wire/ssh.h"

void
session_client_ended(struct session *s)
{
	const char *text;

	if (s->state == SESSION_CLOSING)
		return;
	s->by_client = 1;
	(void)leg_peer_disconnect(s->down, &text);
	if (leg_failure(s->down) == LEG_DISCONNECTED)
		session_end(s, "client disconnected: %s", text);
	else
		session_end(s, "client: %s", leg_error(s->down));
}

/* Nobody else is there to tell the person: as the keeper does when it refuses. */
static void
farewell(struct session *s)
{
	char line[256];
	struct buf b;

	if (!s->orphan || s->agent != NULL)
		return;
	snprintf(line, sizeof(line), SESSION_ORPHANED, (uintmax_t)s->config->id);
	/* before its first login message the client may not be sent a banner */
	if (s->asked_at != 0) {
		buf_init(&b, 512);
		buf_put_u8(&b, SSH_MSG_USERAUTH_BANNER);
		wire_put_u32(&b, (uint32_t)strlen(line) + 2);
		buf_putf(&b, "%s\r\n", line);
		wire_put_text(&b, "");
		/* if that fails, so does the DISCONNECT */
		if (buf_err(&b) == 0 && leg_send(s->down, b.data, b.len) == 0)
			snprintf(line, sizeof(line), "refused, session %04jx",
			    (uintmax_t)s->config->id);
		buf_free(&b);
	}
	leg_disconnect(s->down, SSH_DISCONNECT_BY_APPLICATION, line);
}

/* What the client has had to do with it, for sshd's words before the login. */
static void
put_client_end(const struct session *s, struct buf *b)
{
	static const enum ipc_end ends[] = {
		[LEG_OTHER] = IPC_END_OTHER,
		[LEG_CLOSED] = IPC_END_CLOSED,
		[LEG_RESET] = IPC_END_RESET,
		[LEG_DISCONNECTED] = IPC_END_DISCONNECT,
		[LEG_NOT_SSH] = IPC_END_NOT_SSH,
		[LEG_NO_MATCH] = IPC_END_NO_MATCH,
		[LEG_BROKEN] = IPC_END_BROKEN,
	};
	enum leg_failure failure = s->by_client ? leg_failure(s->down) : LEG_OTHER;
	const char *text = "";
	uint32_t code = 0;

	if (failure == LEG_DISCONNECTED)
		code = leg_peer_disconnect(s->down, &text);
	else if (s->by_client)
		text = leg_error(s->down);
	else
		text = s->reason;
	buf_put_u8(b, (uint8_t)ends[failure]);
	wire_put_u32(b, code);
	wire_put_text(b, text);
}

/* The one line at the end is the keeper's, or else ours. */
void
session_report(struct session *s)
{
	struct buf b;

	farewell(s);
	if (s->orphan) {
		log_warn("session %04jx: %s was not let in: the keeper has hung up",
		    (uintmax_t)s->config->id, s->config->client);
		return;
	}
	if (s->keeper == -1) {
		log_info("session %04jx: %s closed, without a keeper: %s; %ju bytes from client, "
			 "%ju to client",
		    (uintmax_t)s->config->id, s->config->client, s->reason,
		    (uintmax_t)s->relay.side[RELAY_DOWNSTREAM].bytes,
		    (uintmax_t)s->relay.side[RELAY_UPSTREAM].bytes);
		return;
	}
	ipc_begin(&b, IPC_END);
	wire_put_text(&b, s->reason);
	wire_put_u64(&b, s->relay.side[RELAY_DOWNSTREAM].bytes);
	wire_put_u64(&b, s->relay.side[RELAY_UPSTREAM].bytes);
	put_client_end(s, &b);
	if (ipc_send(s->keeper, &b, -1) != 0)
		fd_close(&s->keeper);
}
