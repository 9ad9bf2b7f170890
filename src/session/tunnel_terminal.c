/*
 * The terminals of a session with Mode = tunnel (tunnel_terminal.h).
 */
#include "session/tunnel_terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "session/session_private.h"
#include "session/tunnel_hold.h"
#include "wire/ssh.h"

/* What a user types is thrown away, but for the keys that end. */
#define TERMINAL_WINDOW (64 * 1024)
#define TERMINAL_CTRL_C 0x03
#define TERMINAL_CTRL_D 0x04

#define TERMINAL_LINE_MAX 700

static void
terminal_put_line(struct terminal *t, int to_stderr, const char *line, struct buf *out)
{
	char text[TERMINAL_LINE_MAX + 4];
	size_t len = 0;
	struct buf b;

	/* names and addresses have been checked by the keeper; a terminal is not to obey anything else */
	for (; *line != '\0' && len < TERMINAL_LINE_MAX; line++)
		text[len++] = *line >= ' ' && *line <= '~' ? *line : '?';
	if (t->pty)
		text[len++] = '\r';
	text[len++] = '\n';
	if (len > t->window || len > t->packet)
		return;
	t->window -= (uint32_t)len;
	wire_begin_channel(&b, to_stderr ? SSH_MSG_CHANNEL_EXTENDED_DATA : SSH_MSG_CHANNEL_DATA,
	    t->client);
	if (to_stderr)
		wire_put_u32(&b, SSH_EXTENDED_DATA_STDERR);
	wire_put_string(&b, text, len);
	wire_put_message(out, &b);
}

void
terminal_say(struct session *s, struct buf *out, const char *fmt, ...)
{
	struct terminals *all = hold_terminals(s);
	char line[TERMINAL_LINE_MAX];
	va_list ap;
	size_t i;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (i = 0; i < TERMINALS_MAX; i++)
		if (all->v[i].state == TERMINAL_SHOWS)
			terminal_put_line(&all->v[i], 0, line, out);
}

int
terminal_any(struct session *s)
{
	const struct terminals *all = hold_terminals(s);
	size_t i;

	for (i = 0; i < TERMINALS_MAX; i++)
		if (all->v[i].state != TERMINAL_FREE)
			return 1;
	return 0;
}

static void
terminal_close(struct terminal *t, uint32_t status, struct buf *out)
{
	struct buf b;

	wire_begin_channel(&b, SSH_MSG_CHANNEL_REQUEST, t->client);
	wire_put_text(&b, "exit-status");
	wire_put_bool(&b, 0);
	wire_put_u32(&b, status);
	wire_put_message(out, &b);
	wire_put_channel(out, SSH_MSG_CHANNEL_EOF, t->client);
	wire_put_channel(out, SSH_MSG_CHANNEL_CLOSE, t->client);
	t->state = TERMINAL_CLOSED;
}

void
terminal_check(struct session *s, struct buf *out)
{
	struct terminals *all = hold_terminals(s);
	size_t i;

	if (hold_lines(s)->n > 0 || hold_waits(s))
		return;
	for (i = 0; i < TERMINALS_MAX; i++) {
		if (all->v[i].state != TERMINAL_SHOWS)
			continue;
		terminal_put_line(&all->v[i], 0,
		    "This login holds tunnels and has no shell: ssh -R NAME:80:localhost:8080 "
		    "LOGIN@GATEWAY",
		    out);
		terminal_close(&all->v[i], 1, out);
	}
}

/* --- messages of the client --- */

void
terminal_open(struct session *s, uint32_t client, uint32_t window, uint32_t packet, struct buf *out)
{
	struct terminal *t = hold_terminals(s)->v;
	struct buf b;
	size_t i = 0;

	while (i < TERMINALS_MAX && t[i].state != TERMINAL_FREE)
		i++;
	if (i == TERMINALS_MAX) {
		wire_begin_channel(&b, SSH_MSG_CHANNEL_OPEN_FAILURE, client);
		wire_put_u32(&b, SSH_OPEN_RESOURCE_SHORTAGE);
		wire_put_text(&b, "too many sessions at a time");
		wire_put_text(&b, "");
	} else {
		t[i] = (struct terminal){ TERMINAL_OPEN, client, window, packet, TERMINAL_WINDOW,
			0 };
		wire_begin_channel(&b, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, client);
		wire_put_u32(&b, TERMINAL_FIRST + (uint32_t)i);
		wire_put_u32(&b, TERMINAL_WINDOW);
		wire_put_u32(&b, 32 * 1024);
	}
	wire_put_message(out, &b);
}

static void
terminal_show(struct session *s, struct terminal *t, struct buf *out)
{
	const struct strlist *lines = hold_lines(s);
	char line[TERMINAL_LINE_MAX];
	size_t i;

	t->state = TERMINAL_SHOWS;
	for (i = 0; i < lines->n; i++) {
		snprintf(line, sizeof(line), "Tunnel %s is open.", lines->v[i]);
		terminal_put_line(t, 0, line, out);
	}
	if (t->pty && (lines->n > 0 || hold_waits(s)))
		terminal_put_line(t, 0, "Ctrl-C ends.", out);
	terminal_check(s, out);
}

static int
terminal_request(struct session *s, struct terminal *t, struct wire *w, struct buf *out)
{
	struct bytes name = wire_string(w);
	int want_reply = wire_bool(w), pty = bytes_is(name, "pty-req"),
	    shell = bytes_is(name, "shell"),
	    run = bytes_is(name, "exec") || bytes_is(name, "subsystem");

	if (wire_err(w) != 0)
		return ERR_FORMAT;
	if (t->state == TERMINAL_CLOSED)
		return 0;
	if (t->state != TERMINAL_OPEN)
		pty = shell = run = 0;
	if (want_reply)
		wire_put_channel(out,
		    pty || shell || run ? SSH_MSG_CHANNEL_SUCCESS : SSH_MSG_CHANNEL_FAILURE,
		    t->client);
	t->pty |= pty;
	if (shell) {
		terminal_show(s, t, out);
	} else if (run) {
		terminal_put_line(t, 1,
		    "sallyport: this login holds tunnels and runs no commands: ssh -NR "
		    "NAME:80:localhost:8080 LOGIN@GATEWAY",
		    out);
		terminal_close(t, 1, out);
	}
	return 0;
}

/* Keys of the user. */
static int
terminal_data(struct session *s, struct terminal *t, struct bytes data, struct buf *out)
{
	struct buf b;

	if (data.len > t->left)
		return ERR_FORMAT;
	t->left -= (uint32_t)data.len;
	if (t->state == TERMINAL_CLOSED)
		return 0;
	if (t->state == TERMINAL_SHOWS && t->pty && data.len > 0 &&
	    (memchr(data.p, TERMINAL_CTRL_C, data.len) != NULL ||
		memchr(data.p, TERMINAL_CTRL_D, data.len) != NULL)) {
		terminal_close(t, 0, out);
		hold_end(s, out);
		return 0;
	}
	if (t->left < TERMINAL_WINDOW / 2) {
		wire_begin_channel(&b, SSH_MSG_CHANNEL_WINDOW_ADJUST, t->client);
		wire_put_u32(&b, TERMINAL_WINDOW - t->left);
		wire_put_message(out, &b);
		t->left = TERMINAL_WINDOW;
	}
	return 0;
}

int
terminal_message(struct session *s, uint32_t number, uint8_t type, struct wire *w, struct buf *out)
{
	struct terminal *t;
	struct bytes data;
	uint32_t n;

	if (number < TERMINAL_FIRST || number >= TERMINAL_FIRST + TERMINALS_MAX)
		return ERR_FORMAT;
	t = &hold_terminals(s)->v[number - TERMINAL_FIRST];
	if (t->state == TERMINAL_FREE)
		return ERR_FORMAT;
	switch (type) {
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		n = wire_u32(w);
		if (wire_end(w) != 0 || n > UINT32_MAX - t->window)
			return ERR_FORMAT;
		t->window += n;
		return 0;
	case SSH_MSG_CHANNEL_DATA:
		data = wire_string(w);
		return wire_end(w) != 0 ? ERR_FORMAT : terminal_data(s, t, data, out);
	case SSH_MSG_CHANNEL_EOF:
		return 0;
	case SSH_MSG_CHANNEL_CLOSE:
		if (t->state != TERMINAL_CLOSED)
			wire_put_channel(out, SSH_MSG_CHANNEL_CLOSE, t->client);
		t->state = TERMINAL_FREE;
		return 0;
	case SSH_MSG_CHANNEL_REQUEST:
		return terminal_request(s, t, w, out);
	default:
		return ERR_FORMAT;
	}
}
