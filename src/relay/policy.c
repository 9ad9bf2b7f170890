#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/channels.h"
#include "relay/permission.h"
#include "relay/policy.h"
#include "wire/ssh.h"

/* What waits here for a leg; it goes out at once, so this is for one message of the
 * largest, and what goes before it. */
#define POLICY_MADE_MAX (1024 * 1024)

/* An OPEN that waits for its number is small. */
#define POLICY_HELD_MAX 1024

/* sshd's words for a session that may do nothing but sftp. */
#define SFTP_ONLY "This service allows sftp connections only.\r\n"

struct policy {
	struct rules rules;
	uint64_t session;
	struct channels channels;
	unsigned int asked; /* RULES_*: what the client wants opened to it */
	struct buf made[2]; /* by enum relay_from: for that leg */
	const char *refused;
	const char *why;
};

struct policy *
policy_new(struct rules *rules, uint64_t session)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		rules_free(rules);
		return NULL;
	}
	p->rules = *rules;
	*rules = (struct rules){ 0 };
	p->session = session;
	buf_init(&p->made[0], POLICY_MADE_MAX);
	buf_init(&p->made[1], POLICY_MADE_MAX);
	return p;
}

void
policy_free(struct policy **policy)
{
	struct policy *p = *policy;

	*policy = NULL;
	if (p == NULL)
		return;
	rules_free(&p->rules);
	channels_free(&p->channels);
	buf_free(&p->made[0]);
	buf_free(&p->made[1]);
	free(p);
}

struct buf *
policy_made(struct policy *p, enum relay_from to)
{
	return p->made[to].len > 0 || p->made[to].err != 0 ? &p->made[to] : NULL;
}

const char *
policy_refused(struct policy *p)
{
	const char *what = p->refused;

	p->refused = NULL;
	return what;
}

const char *
policy_why(const struct policy *p)
{
	return p->why != NULL ? p->why : "";
}

static enum relay_action
end(struct policy *p, const char *why)
{
	p->why = why;
	return RELAY_END;
}

void
policy_put(struct policy *p, enum relay_from to, const struct buf *message)
{
	if (message->err != 0)
		p->made[to].err = message->err;
	wire_put_string(&p->made[to], message->data, message->len);
}

/* As policy_put(), for a message made just for it. */
static void
put(struct policy *p, enum relay_from to, struct buf *message)
{
	policy_put(p, to, message);
	buf_free(message);
}

/* A message about a channel, begun. */
static void
begin(struct buf *b, uint8_t type, uint32_t recipient)
{
	buf_init(b, POLICY_MADE_MAX);
	buf_put_u8(b, type);
	wire_put_u32(b, recipient);
}

static void
put_open_failure(struct policy *p, enum relay_from to, uint32_t recipient, uint32_t reason)
{
	struct buf b;

	begin(&b, SSH_MSG_CHANNEL_OPEN_FAILURE, recipient);
	wire_put_u32(&b, reason);
	wire_put_text(&b, "open failed");
	wire_put_text(&b, "");
	put(p, to, &b);
}

static void
put_line(struct policy *p, const struct channel *c, uint8_t type, const char *text)
{
	size_t len = strlen(text);
	struct buf b;

	if (len > c->window)
		len = c->window;
	if (len > c->packet)
		len = c->packet;
	if (len == 0)
		return;
	begin(&b, type, c->client);
	if (type == SSH_MSG_CHANNEL_EXTENDED_DATA)
		wire_put_u32(&b, SSH_EXTENDED_DATA_STDERR);
	wire_put_string(&b, text, len);
	put(p, RELAY_DOWNSTREAM, &b);
}

static int
list_has(const struct strlist *list, struct bytes text)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (bytes_is(text, list->v[i]))
			return 1;
	return 0;
}

static int
has_nul(struct bytes s)
{
	return s.len > 0 && memchr(s.p, '\0', s.len) != NULL;
}

/* --- commands --- */

/* "internal-sftp", with or without arguments, is what sshd has in itself. */
static int
forced_sftp(const struct policy *p)
{
	static const char word[] = "internal-sftp";

	return p->rules.command != NULL && strncmp(p->rules.command, word, sizeof(word) - 1) == 0 &&
	    strchr(" \t", p->rules.command[sizeof(word) - 1]) != NULL;
}

/* The line for the person whose command may not run. */
static void
put_refusal_text(struct policy *p, const struct channel *c)
{
	char line[400];
	int n;
	size_t i;

	if (forced_sftp(p) && p->rules.commands.n == 0) {
		put_line(p, c, SSH_MSG_CHANNEL_DATA, SFTP_ONLY);
		return;
	}
	n = snprintf(line, sizeof(line), "sallyport: this login may not do that; it may use:");
	for (i = 0; i < p->rules.commands.n && n < 300; i++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %.60s", p->rules.commands.v[i]);
	snprintf(line + n, sizeof(line) - (size_t)n, "%s (session %04jx)\r\n",
	    i < p->rules.commands.n ? " ..." : "", (uintmax_t)p->session);
	put_line(p, c, SSH_MSG_CHANNEL_EXTENDED_DATA, line);
}

/* The end of a session on which nothing will run. */
static void
put_refusal(struct policy *p, struct channel *c, int want_reply)
{
	struct buf b;

	if (want_reply) {
		begin(&b, SSH_MSG_CHANNEL_SUCCESS, c->client);
		put(p, RELAY_DOWNSTREAM, &b);
	}
	put_refusal_text(p, c);
	begin(&b, SSH_MSG_CHANNEL_REQUEST, c->client);
	wire_put_text(&b, "exit-status");
	wire_put_bool(&b, 0);
	wire_put_u32(&b, forced_sftp(p) && p->rules.commands.n == 0 ? 1 : 255);
	put(p, RELAY_DOWNSTREAM, &b);
	begin(&b, SSH_MSG_CHANNEL_EOF, c->client);
	put(p, RELAY_DOWNSTREAM, &b);
	begin(&b, SSH_MSG_CHANNEL_CLOSE, c->client);
	put(p, RELAY_DOWNSTREAM, &b);
	c->shut = 1;
}

/* Give the replies made here whose turn it is. */
static void
release(struct policy *p, struct channel *c)
{
	enum reply kind;
	struct buf b;

	while (
	    !c->shut && !c->upstream_closed && (kind = replies_made(&c->replies)) != REPLY_NONE) {
		if (kind == REPLY_FAILURE) {
			begin(&b, SSH_MSG_CHANNEL_FAILURE, c->client);
			put(p, RELAY_DOWNSTREAM, &b);
		} else {
			put_refusal(p, c, kind == REPLY_REFUSAL);
		}
	}
}

static enum relay_action
reply_later(struct policy *p, struct channel *c, enum reply kind, enum relay_action action)
{
	if (replies_add(&c->replies, kind) != 0)
		return end(p, "client does not wait for replies");
	release(p, c);
	return action;
}

static enum relay_action
pass_request(struct policy *p, struct channel *c, int want_reply)
{
	return want_reply ? reply_later(p, c, REPLY_RELAYED, RELAY_PASS) : RELAY_PASS;
}

static enum relay_action
fail_request(struct policy *p, struct channel *c, int want_reply, const char *what)
{
	p->refused = what;
	return want_reply ? reply_later(p, c, REPLY_FAILURE, RELAY_DROP) : RELAY_DROP;
}

static enum relay_action
refuse_command(struct policy *p, struct channel *c, int want_reply, const char *what)
{
	p->refused = what;
	c->refused = 1;
	return reply_later(p, c, want_reply ? REPLY_REFUSAL : REPLY_REFUSAL_MUTE, RELAY_DROP);
}

static void
put_env(struct policy *p, const struct channel *c, struct bytes name, struct bytes value)
{
	struct buf b;

	begin(&b, SSH_MSG_CHANNEL_REQUEST, c->upstream);
	wire_put_text(&b, "env");
	wire_put_bool(&b, 0);
	wire_put_bytes(&b, name);
	wire_put_bytes(&b, value);
	put(p, RELAY_UPSTREAM, &b);
}

static void
put_set_env(struct policy *p, struct channel *c)
{
	struct bytes name, value;
	const char *equals;
	size_t i;

	for (i = 0; i < p->rules.set_env.n && !c->env_sent; i++) {
		name.p = (const uint8_t *)p->rules.set_env.v[i];
		equals = strchr(p->rules.set_env.v[i], '=');
		if (equals == NULL)
			continue;
		name.len = (size_t)(equals - p->rules.set_env.v[i]);
		value.p = (const uint8_t *)equals + 1;
		value.len = strlen(equals + 1);
		put_env(p, c, name, value);
	}
	c->env_sent = 1;
}

static const char original[] = "SSH_ORIGINAL_COMMAND";

/* shell, exec or subsystem; asked is the command or the subsystem's name. */
static enum relay_action
run(struct policy *p, struct channel *c, const char *kind, struct bytes asked, int want_reply,
    const uint8_t *payload, size_t len)
{
	const struct strlist *may = &p->rules.commands;
	const char *command = p->rules.command;
	int subsystem = strcmp(kind, "subsystem") == 0;
	struct bytes word = subsystem ? asked :
					(struct bytes){ (const uint8_t *)kind, strlen(kind) };
	struct buf b;

	/* a subsystem called "exec" is not the right to execute */
	if (may->n > 0 &&
	    (!list_has(may, word) ||
		(subsystem && (bytes_is(word, "shell") || bytes_is(word, "exec")))))
		return refuse_command(p, c, want_reply, kind);
	if (forced_sftp(p) && !subsystem)
		return refuse_command(p, c, want_reply, kind);
	if (command == NULL && p->rules.set_env.n == 0)
		return pass_request(p, c, want_reply);
	put_set_env(p, c);
	if (command == NULL) {
		buf_init(&b, POLICY_MADE_MAX);
		buf_put(&b, payload, len);
	} else {
		if (strcmp(kind, "shell") != 0)
			put_env(p, c,
			    (struct bytes){ (const uint8_t *)original, sizeof(original) - 1 },
			    asked);
		begin(&b, SSH_MSG_CHANNEL_REQUEST, c->upstream);
		wire_put_text(&b, forced_sftp(p) ? "subsystem" : "exec");
		wire_put_bool(&b, want_reply);
		wire_put_text(&b, forced_sftp(p) ? "sftp" : command);
	}
	put(p, RELAY_UPSTREAM, &b);
	return pass_request(p, c, want_reply) == RELAY_END ? RELAY_END : RELAY_DROP;
}

/* 1 if SetEnv has a variable of this name. */
static int
env_is_set(const struct policy *p, struct bytes name)
{
	const struct strlist *list = &p->rules.set_env;
	size_t i;

	for (i = 0; i < list->n; i++)
		if (strncmp(list->v[i], (const char *)name.p, name.len) == 0 &&
		    list->v[i][name.len] == '=')
			return 1;
	return 0;
}

static int
env_permitted(const struct policy *p, struct channel *c, struct bytes name)
{
	const struct strlist *accept = &p->rules.accept_env;
	size_t i;
	int ok = accept->n == 0;

	/* "A=b" would be a variable A to who puts a "=" behind it */
	if (name.len == 0 || has_nul(name) || memchr(name.p, '=', name.len) != NULL)
		return 0;
	for (i = 0; i < accept->n && !ok; i++)
		ok = permission_pattern(name, accept->v[i]);
	if (!ok || env_is_set(p, name))
		return 0;
	if (p->rules.command != NULL && bytes_is(name, original))
		return 0;
	/* sshd takes so many and no more: ours must find room */
	if ((p->rules.command != NULL || p->rules.set_env.n > 0) && c->env >= RULES_ENV_MAX)
		return 0;
	c->env++;
	return 1;
}

/* --- requests of the client on a session --- */

enum request {
	REQUEST_ANY,
	REQUEST_SHELL,
	REQUEST_EXEC,
	REQUEST_SUBSYSTEM,
	REQUEST_PTY,
	REQUEST_ENV,
	REQUEST_X11,
	REQUEST_AGENT,
};

static enum request
request_kind(struct bytes name)
{
	static const struct {
		const char *name;
		enum request kind;
	} requests[] = {
		{ "shell", REQUEST_SHELL },
		{ "exec", REQUEST_EXEC },
		{ "subsystem", REQUEST_SUBSYSTEM },
		{ "pty-req", REQUEST_PTY },
		{ "env", REQUEST_ENV },
		{ "x11-req", REQUEST_X11 },
		{ "auth-agent-req@openssh.com", REQUEST_AGENT },
		{ "auth-agent-req", REQUEST_AGENT },
	};
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (bytes_is(name, requests[i].name))
			return requests[i].kind;
	return REQUEST_ANY;
}

static enum relay_action
ask(struct policy *p, struct channel *c, unsigned int permit, int want_reply, const char *what)
{
	if ((p->rules.permits & permit) == 0)
		return fail_request(p, c, want_reply, what);
	p->asked |= permit;
	return pass_request(p, c, want_reply);
}

static enum relay_action
client_request(struct policy *p, const uint8_t *payload, size_t len)
{
	struct bytes name, text = { (const uint8_t *)"", 0 }, value;
	struct channel *c;
	enum request kind;
	struct wire w;
	int want_reply;

	wire_init(&w, payload + 1, len - 1);
	c = channels_upstream(&p->channels, wire_u32(&w));
	name = wire_string(&w);
	want_reply = wire_bool(&w);
	if (wire_err(&w) != 0 || has_nul(name))
		return RELAY_DROP;
	kind = request_kind(name);
	if (c == NULL)
		/* no session, or one the client cannot know of yet */
		return kind == REQUEST_ANY ? RELAY_PASS : RELAY_DROP;
	if (c->refused || c->client_closed)
		return RELAY_DROP;
	if (kind == REQUEST_EXEC || kind == REQUEST_SUBSYSTEM)
		text = wire_string(&w);
	switch (kind) {
	case REQUEST_SHELL:
	case REQUEST_EXEC:
	case REQUEST_SUBSYSTEM:
		if (wire_end(&w) != 0 || has_nul(text))
			return RELAY_DROP;
		return run(p, c,
		    kind == REQUEST_SHELL    ? "shell" :
			kind == REQUEST_EXEC ? "exec" :
					       "subsystem",
		    text, want_reply, payload, len);
	case REQUEST_ENV:
		name = wire_string(&w);
		value = wire_string(&w);
		if (wire_end(&w) != 0 || has_nul(value) || !env_permitted(p, c, name))
			return fail_request(p, c, want_reply, NULL);
		return pass_request(p, c, want_reply);
	case REQUEST_PTY:
		return ask(p, c, RULES_PTY, want_reply, "pty-req");
	case REQUEST_X11:
		return ask(p, c, RULES_X11, want_reply, "x11-req");
	case REQUEST_AGENT:
		return ask(p, c, RULES_AGENT, want_reply, "auth-agent-req");
	case REQUEST_ANY:
		break;
	}
	return pass_request(p, c, want_reply);
}

/* --- opening --- */

/* May the client open it?  0, or the reason for OPEN_FAILURE as sshd has it. */
static uint32_t
open_refused(struct policy *p, struct bytes type, struct wire *w)
{
	struct bytes host;
	uint32_t port;

	if (bytes_is(type, "session")) {
		p->refused = "session: MaxSessions";
		return p->channels.sessions < p->rules.max_sessions ? 0 : SSH_OPEN_CONNECT_FAILED;
	}
	if (bytes_is(type, "direct-tcpip")) {
		p->refused = "direct-tcpip";
		host = wire_string(w);
		port = wire_u32(w);
		if ((p->rules.permits & RULES_TCP_LOCAL) != 0 && wire_err(w) == 0 &&
		    !has_nul(host) && permission_open(p->rules.permit_open, host, port))
			return 0;
		return SSH_OPEN_ADMINISTRATIVELY_PROHIBITED;
	}
	if (bytes_is(type, "direct-streamlocal@openssh.com")) {
		p->refused = "direct-streamlocal";
		host = wire_string(w);
		/* sshd holds paths against PermitOpen as well */
		if ((p->rules.permits & RULES_STREAM_LOCAL) != 0 && wire_err(w) == 0 &&
		    !has_nul(host) && permission_open(p->rules.permit_open, host, PERMISSION_PATH))
			return 0;
		return SSH_OPEN_CONNECT_FAILED;
	}
	p->refused = "channel of another kind";
	return (p->rules.permits & RULES_OTHER) != 0 ? 0 : SSH_OPEN_ADMINISTRATIVELY_PROHIBITED;
}

static enum relay_action
client_open(struct policy *p, const uint8_t *payload, size_t len)
{
	uint32_t number, window, packet, reason;
	struct channel *c;
	struct bytes type;
	struct wire w;

	wire_init(&w, payload + 1, len - 1);
	type = wire_string(&w);
	number = wire_u32(&w);
	window = wire_u32(&w);
	packet = wire_u32(&w);
	if (wire_err(&w) != 0 || has_nul(type))
		return RELAY_DROP;
	c = channels_client(&p->channels, number);
	if (c != NULL) {
		/* closed for the client, while the upstream has yet to close it */
		if (!c->shut || !c->client_closed || c->held != NULL || len > POLICY_HELD_MAX)
			return end(p, "client opens a channel under a number in use");
		c->held = malloc(len);
		if (c->held == NULL)
			return end(p, "out of memory");
		memcpy(c->held, payload, len);
		c->held_len = len;
		return RELAY_DROP;
	}
	reason = open_refused(p, type, &w);
	if (reason == 0) {
		p->refused = NULL;
		c = channels_add(&p->channels, number, bytes_is(type, "session"));
		if (c == NULL) {
			p->refused = "more channels than there may be";
			reason = SSH_OPEN_RESOURCE_SHORTAGE;
		}
	}
	if (reason != 0) {
		put_open_failure(p, RELAY_DOWNSTREAM, number, reason);
		return RELAY_DROP;
	}
	c->window = window;
	c->packet = packet;
	return RELAY_PASS;
}

/* Channels that come from the upstream: what has to be permitted, and asked for. */
static enum relay_action
upstream_open(struct policy *p, const uint8_t *payload, size_t len)
{
	static const struct {
		const char *type;
		unsigned int permit; /* 0: never from there */
	} types[] = {
		{ "auth-agent@openssh.com", RULES_AGENT },
		{ "auth-agent", RULES_AGENT },
		{ "x11", RULES_X11 },
		{ "forwarded-tcpip", RULES_TCP_REMOTE },
		{ "forwarded-streamlocal@openssh.com", RULES_STREAM_REMOTE },
		{ "session", 0 },
		{ "direct-tcpip", 0 },
		{ "direct-streamlocal@openssh.com", 0 },
	};
	struct bytes type;
	uint32_t number;
	struct wire w;
	size_t i;
	int ok = (p->rules.permits & RULES_OTHER) != 0;

	wire_init(&w, payload + 1, len - 1);
	type = wire_string(&w);
	number = wire_u32(&w);
	if (wire_err(&w) != 0 || has_nul(type))
		return RELAY_DROP;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (bytes_is(type, types[i].type))
			ok = (p->asked & p->rules.permits & types[i].permit) != 0;
	if (ok)
		return RELAY_PASS;
	p->refused = "channel the upstream opens unasked";
	put_open_failure(p, RELAY_UPSTREAM, number, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
	return RELAY_DROP;
}

/* --- what the upstream says about channels the client opened --- */

static enum relay_action
upstream_confirmation(struct policy *p, struct channel *c, struct wire *w)
{
	uint32_t number = wire_u32(w);

	if (c == NULL || !c->opening || wire_err(w) != 0)
		return RELAY_DROP;
	if (!c->session) {
		channels_remove(&p->channels, c);
		return RELAY_PASS;
	}
	if (channels_upstream(&p->channels, number) != NULL)
		return end(p, "upstream opens a channel under a number in use");
	c->upstream = number;
	c->opening = 0;
	return RELAY_PASS;
}

static enum relay_action
upstream_close(struct policy *p, struct channel *c)
{
	enum relay_action action = c->shut ? RELAY_DROP : RELAY_PASS;
	uint8_t *held = c->held;
	size_t len = c->held_len;
	struct buf b;

	c->upstream_closed = 1;
	if (!c->client_closed)
		return action;
	c->held = NULL;
	channels_remove(&p->channels, c);
	if (held == NULL)
		return action;
	switch (client_open(p, held, len)) {
	case RELAY_PASS:
		buf_init(&b, POLICY_MADE_MAX);
		buf_put(&b, held, len);
		put(p, RELAY_UPSTREAM, &b);
		break;
	case RELAY_DROP:
		break;
	case RELAY_END:
		action = RELAY_END;
		break;
	}
	free(held);
	return action;
}

static enum relay_action
upstream_reply(struct policy *p, struct channel *c)
{
	if (c->shut || replies_come(&c->replies) == REPLY_NONE)
		return RELAY_DROP;
	release(p, c);
	return RELAY_PASS;
}

static enum relay_action
upstream_message(struct policy *p, const uint8_t *payload, size_t len)
{
	struct channel *c;
	struct wire w;

	if (payload[0] == SSH_MSG_CHANNEL_OPEN)
		return upstream_open(p, payload, len);
	wire_init(&w, payload + 1, len - 1);
	c = channels_client(&p->channels, wire_u32(&w));
	if (wire_err(&w) != 0)
		return RELAY_DROP;
	switch (payload[0]) {
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		return upstream_confirmation(p, c, &w);
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		if (c == NULL || !c->opening)
			return RELAY_DROP;
		channels_remove(&p->channels, c);
		return RELAY_PASS;
	}
	if (c == NULL || c->opening)
		return RELAY_PASS;
	switch (payload[0]) {
	case SSH_MSG_CHANNEL_CLOSE:
		return upstream_close(p, c);
	case SSH_MSG_CHANNEL_SUCCESS:
	case SSH_MSG_CHANNEL_FAILURE:
		return upstream_reply(p, c);
	}
	/* EOF, requests */
	return c->shut ? RELAY_DROP : RELAY_PASS;
}

static enum relay_action
client_close(struct policy *p, const uint8_t *payload, size_t len)
{
	struct channel *c;
	struct wire w;

	wire_init(&w, payload + 1, len - 1);
	c = channels_upstream(&p->channels, wire_u32(&w));
	if (wire_end(&w) != 0)
		return RELAY_DROP;
	if (c == NULL)
		return RELAY_PASS;
	if (c->client_closed)
		return RELAY_DROP;
	c->client_closed = 1;
	if (c->upstream_closed)
		channels_remove(&p->channels, c);
	return RELAY_PASS;
}

enum relay_action
policy_message(struct policy *p, enum relay_from from, const uint8_t *payload, size_t len)
{
	switch (payload[0]) {
	case SSH_MSG_CHANNEL_OPEN:
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
	case SSH_MSG_CHANNEL_EOF:
	case SSH_MSG_CHANNEL_CLOSE:
	case SSH_MSG_CHANNEL_REQUEST:
	case SSH_MSG_CHANNEL_SUCCESS:
	case SSH_MSG_CHANNEL_FAILURE:
		break;
	default:
		return RELAY_PASS;
	}
	if (from == RELAY_UPSTREAM)
		return upstream_message(p, payload, len);
	switch (payload[0]) {
	case SSH_MSG_CHANNEL_OPEN:
		return client_open(p, payload, len);
	case SSH_MSG_CHANNEL_CLOSE:
		return client_close(p, payload, len);
	case SSH_MSG_CHANNEL_REQUEST:
		return client_request(p, payload, len);
	}
	return RELAY_PASS;
}

int
policy_global_request(struct policy *p, struct bytes name, struct wire *w)
{
	struct bytes host;
	uint32_t port;

	if (bytes_is(name, "tcpip-forward")) {
		host = wire_string(w);
		port = wire_u32(w);
		p->refused = "tcpip-forward";
		if ((p->rules.permits & RULES_TCP_REMOTE) == 0 || wire_end(w) != 0 ||
		    has_nul(host) || !permission_listen(p->rules.permit_listen, host, port))
			return 0;
		p->asked |= RULES_TCP_REMOTE;
	} else if (bytes_is(name, "streamlocal-forward@openssh.com")) {
		p->refused = "streamlocal-forward";
		if ((p->rules.permits & RULES_STREAM_REMOTE) == 0)
			return 0;
		p->asked |= RULES_STREAM_REMOTE;
	}
	p->refused = NULL;
	return 1;
}
