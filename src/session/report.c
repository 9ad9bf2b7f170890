/*
 * What a session reports: log lines and its end to the keeper, which writes the log, and
 * the last line to the user if nobody else is there to tell it.
 */
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "session/session_private.h"
#include "wire/ssh.h"

/* Room for a LOG or END message.  On the stack, because the report may be that memory is
 * lacking. */
#define REPORT_MAX 2048

static void
report_log(void *ctx, enum log_level level, const char *text, size_t len)
{
	struct session *s = ctx;
	uint8_t space[REPORT_MAX];
	struct buf b = { .data = space, .cap = sizeof(space), .max = sizeof(space) };

	if (s->keeper == -1)
		return;
	buf_put_u8(&b, IPC_LOG);
	buf_put_u8(&b, (uint8_t)level);
	wire_put_string(&b, text, len < IPC_LOG_MAX ? len : IPC_LOG_MAX);
	if (buf_err(&b) == 0)
		(void)!fd_send(s->keeper, b.data, b.len, -1);
}

void
session_log_begin(struct session *s)
{
	log_set_sink(report_log, s);
}

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

/* Does the client's version string begin with one of these names? */
static int
report_client_is(const struct session *s, const char *const names[2])
{
	static const char protocol[] = "SSH-2.0-";
	const char *version = leg_peer_version(s->down);
	size_t i;

	if (version == NULL || strncmp(version, protocol, sizeof(protocol) - 1) != 0)
		return 0;
	version += sizeof(protocol) - 1;
	for (i = 0; i < 2; i++)
		if (strncmp(version, names[i], strlen(names[i])) == 0)
			return 1;
	return 0;
}

/* Does the client show its user every banner?  OpenSSH and Dropbear do.  PuTTY, WinSCP and libraries
 * show the text of a DISCONNECT. */
static int
report_shows_banners(const struct session *s)
{
	static const char *const names[] = { "OpenSSH_", "dropbear" };

	return report_client_is(s, names);
}

int
session_shows_both(const struct session *s)
{
	static const char *const names[] = { "PuTTY_", "WinSCP_" };

	return report_client_is(s, names);
}

void
session_disconnect(struct session *s, const char *line, int told)
{
	char number[64];

	if (told && report_shows_banners(s)) {
		snprintf(number, sizeof(number), "refused, session %04jx",
		    (uintmax_t)s->config->id);
		line = number;
	}
	leg_disconnect(s->down, SSH_DISCONNECT_BY_APPLICATION, line);
}

/* The keeper is gone: tell the user as the keeper does in a refusal. */
static void
report_farewell(struct session *s)
{
	char line[256];
	struct buf b;
	int told = 0;

	if (!s->orphan || s->down == NULL)
		return;
	snprintf(line, sizeof(line), SESSION_ORPHANED, (uintmax_t)s->config->id);
	/* RFC 4252 section 5.4 has no banner before the client's first login message */
	if (s->asked_at != 0) {
		buf_init(&b, 512);
		buf_put_u8(&b, SSH_MSG_USERAUTH_BANNER);
		wire_put_u32(&b, (uint32_t)strlen(line) + 2);
		buf_putf(&b, "%s\r\n", line);
		wire_put_text(&b, "");
		/* if this fails, so does the DISCONNECT */
		told = buf_err(&b) == 0 && leg_send(s->down, b.data, b.len) == 0;
		buf_free(&b);
	}
	session_disconnect(s, line, told);
}

/* The client's share in the end, for sshd's words before the login. */
static void
report_set_client_end(const struct session *s, struct ipc_end *end)
{
	static const enum ipc_client_end ends[] = {
		[LEG_OTHER] = IPC_END_OTHER,
		[LEG_CLOSED] = IPC_END_CLOSED,
		[LEG_RESET] = IPC_END_RESET,
		[LEG_DISCONNECTED] = IPC_END_DISCONNECT,
		[LEG_NOT_SSH] = IPC_END_NOT_SSH,
		[LEG_NO_MATCH] = IPC_END_NO_MATCH,
		[LEG_BROKEN] = IPC_END_BROKEN,
	};
	enum leg_failure failure = s->by_client ? leg_failure(s->down) : LEG_OTHER;

	end->how = ends[failure];
	if (failure == LEG_DISCONNECTED)
		end->code = leg_peer_disconnect(s->down, &end->text);
	else
		end->text = s->by_client ? leg_error(s->down) : s->reason;
}

/* The keeper logs the end.  Without a keeper there is no line: the master has logged what became of
 * the keeper. */
void
session_report(struct session *s)
{
	uint8_t space[REPORT_MAX];
	struct buf b = { .data = space, .cap = sizeof(space), .max = sizeof(space) };
	struct ipc_end end = {
		.reason = s->reason,
		.from_client = s->relay.side[RELAY_DOWNSTREAM].bytes,
		.to_client = s->relay.side[RELAY_UPSTREAM].bytes,
	};

	report_farewell(s);
	if (s->keeper == -1)
		return;
	buf_put_u8(&b, IPC_END);
	report_set_client_end(s, &end);
	ipc_end_put(&b, &end);
	if (buf_err(&b) != 0 || fd_send(s->keeper, b.data, b.len, -1) != 0)
		fd_close(&s->keeper);
}
