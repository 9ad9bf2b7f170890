/*
 * The policy of a login, for policy_enforce.c: the client's requests on a session channel
 * (commands, environment, pty, X11, agent), and the replies made in the upstream's place.
 */
#include <stdio.h>
#include <string.h>

#include "base/match.h"
#include "relay/permit.h"
#include "relay/policy_enforce_private.h"
#include "wire/ssh.h"

/* sshd's words for a session that may do nothing but sftp. */
#define POLICY_ENFORCE_SFTP_ONLY "This service allows sftp connections only.\r\n"

static void
policy_enforce_put_line(struct policy_enforce *p, const struct channel *c, uint8_t type,
    const char *text)
{
	size_t len = strlen(text);
	struct buf b;

	if (len > c->window)
		len = c->window;
	if (len > c->packet)
		len = c->packet;
	if (len == 0)
		return;
	policy_enforce_begin(&b, type, c->client);
	if (type == SSH_MSG_CHANNEL_EXTENDED_DATA)
		wire_put_u32(&b, SSH_EXTENDED_DATA_STDERR);
	wire_put_string(&b, text, len);
	policy_enforce_put_made(p, RELAY_DOWNSTREAM, &b);
}

static int
policy_enforce_list_has(const struct strlist *list, struct bytes text)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (bytes_is(text, list->v[i]))
			return 1;
	return 0;
}

/* Is the forced command "internal-sftp", with or without arguments, as in sshd? */
static int
policy_enforce_forced_sftp(const struct policy_enforce *p)
{
	static const char word[] = "internal-sftp";

	return p->policy.command != NULL &&
	    strncmp(p->policy.command, word, sizeof(word) - 1) == 0 &&
	    strchr(" \t", p->policy.command[sizeof(word) - 1]) != NULL;
}

/* A line for the user whose command may not run. */
static void
policy_enforce_put_refusal_text(struct policy_enforce *p, const struct channel *c)
{
	char line[400];
	int n;
	size_t i;

	if (policy_enforce_forced_sftp(p) && p->policy.commands.n == 0) {
		policy_enforce_put_line(p, c, SSH_MSG_CHANNEL_DATA, POLICY_ENFORCE_SFTP_ONLY);
		return;
	}
	n = snprintf(line, sizeof(line), "sallyport: this login may not do that; it may use:");
	for (i = 0; i < p->policy.commands.n && n < 300; i++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %.60s",
		    p->policy.commands.v[i]);
	snprintf(line + n, sizeof(line) - (size_t)n, "%s (session %04jx)\r\n",
	    i < p->policy.commands.n ? " ..." : "", (uintmax_t)p->session);
	policy_enforce_put_line(p, c, SSH_MSG_CHANNEL_EXTENDED_DATA, line);
}

/* End a session on which nothing may run. */
static void
policy_enforce_put_refusal(struct policy_enforce *p, struct channel *c, int want_reply)
{
	struct buf b;

	if (want_reply) {
		policy_enforce_begin(&b, SSH_MSG_CHANNEL_SUCCESS, c->client);
		policy_enforce_put_made(p, RELAY_DOWNSTREAM, &b);
	}
	policy_enforce_put_refusal_text(p, c);
	policy_enforce_begin(&b, SSH_MSG_CHANNEL_REQUEST, c->client);
	wire_put_text(&b, "exit-status");
	wire_put_bool(&b, 0);
	wire_put_u32(&b, policy_enforce_forced_sftp(p) && p->policy.commands.n == 0 ? 1 : 255);
	policy_enforce_put_made(p, RELAY_DOWNSTREAM, &b);
	policy_enforce_begin(&b, SSH_MSG_CHANNEL_EOF, c->client);
	policy_enforce_put_made(p, RELAY_DOWNSTREAM, &b);
	policy_enforce_begin(&b, SSH_MSG_CHANNEL_CLOSE, c->client);
	policy_enforce_put_made(p, RELAY_DOWNSTREAM, &b);
	c->shut = 1;
}

void
policy_enforce_release(struct policy_enforce *p, struct channel *c)
{
	enum reply kind;
	struct buf b;

	while (
	    !c->shut && !c->upstream_closed && (kind = replies_made(&c->replies)) != REPLY_NONE) {
		if (kind == REPLY_FAILURE) {
			policy_enforce_begin(&b, SSH_MSG_CHANNEL_FAILURE, c->client);
			policy_enforce_put_made(p, RELAY_DOWNSTREAM, &b);
		} else {
			policy_enforce_put_refusal(p, c, kind == REPLY_REFUSAL);
		}
	}
}

static enum relay_action
policy_enforce_add_reply(struct policy_enforce *p, struct channel *c, enum reply kind,
    enum relay_action action)
{
	if (replies_add(&c->replies, kind) != 0)
		return policy_enforce_end(p, "client does not wait for replies");
	policy_enforce_release(p, c);
	return action;
}

static enum relay_action
policy_enforce_pass_request(struct policy_enforce *p, struct channel *c, int want_reply)
{
	return want_reply ? policy_enforce_add_reply(p, c, REPLY_RELAYED, RELAY_PASS) : RELAY_PASS;
}

static enum relay_action
policy_enforce_fail_request(struct policy_enforce *p, struct channel *c, int want_reply,
    const char *what)
{
	p->refused = what;
	return want_reply ? policy_enforce_add_reply(p, c, REPLY_FAILURE, RELAY_DROP) : RELAY_DROP;
}

static enum relay_action
policy_enforce_refuse_command(struct policy_enforce *p, struct channel *c, int want_reply,
    const char *what)
{
	p->refused = what;
	c->refused = 1;
	return policy_enforce_add_reply(p, c, want_reply ? REPLY_REFUSAL : REPLY_REFUSAL_MUTE,
	    RELAY_DROP);
}

static void
policy_enforce_put_env(struct policy_enforce *p, const struct channel *c, struct bytes name,
    struct bytes value)
{
	struct buf b;

	policy_enforce_begin(&b, SSH_MSG_CHANNEL_REQUEST, c->upstream);
	wire_put_text(&b, "env");
	wire_put_bool(&b, 0);
	wire_put_bytes(&b, name);
	wire_put_bytes(&b, value);
	policy_enforce_put_made(p, RELAY_UPSTREAM, &b);
}

static void
policy_enforce_put_set_env(struct policy_enforce *p, struct channel *c)
{
	struct bytes name, value;
	const char *equals;
	size_t i;

	for (i = 0; i < p->policy.set_env.n && !c->env_sent; i++) {
		name.p = (const uint8_t *)p->policy.set_env.v[i];
		equals = strchr(p->policy.set_env.v[i], '=');
		if (equals == NULL)
			continue;
		name.len = (size_t)(equals - p->policy.set_env.v[i]);
		value.p = (const uint8_t *)equals + 1;
		value.len = strlen(equals + 1);
		policy_enforce_put_env(p, c, name, value);
	}
	c->env_sent = 1;
}

static const char policy_enforce_original[] = "SSH_ORIGINAL_COMMAND";

/* shell, exec or subsystem; asked is the command or the name of the subsystem. */
static enum relay_action
policy_enforce_start(struct policy_enforce *p, struct channel *c, const char *kind,
    struct bytes asked, int want_reply, const uint8_t *payload, size_t len)
{
	const struct strlist *may = &p->policy.commands;
	/* a certificate has force-command: sshd puts it in place of what is asked for, and tells it
	 * that, as it would of a client that logs in there itself */
	const char *command = p->policy.command_upstream ? NULL : p->policy.command;
	int subsystem = strcmp(kind, "subsystem") == 0;
	int forced_sftp = policy_enforce_forced_sftp(p);
	/* a certificate that forces a command says itself that sftp only reads */
	int reads = p->policy.sftp != NULL &&
	    (p->policy.command == NULL ? subsystem && bytes_is(asked, "sftp") :
					 command != NULL && forced_sftp);
	struct bytes word = subsystem ? asked :
					(struct bytes){ (const uint8_t *)kind, strlen(kind) };
	struct buf b;

	/* a subsystem called "exec" does not permit exec, nor one called "none" anything */
	if (may->n > 0 &&
	    (!policy_enforce_list_has(may, word) ||
		(subsystem &&
		    (bytes_is(word, "shell") || bytes_is(word, "exec") || bytes_is(word, "none")))))
		return policy_enforce_refuse_command(p, c, want_reply, kind);
	if (forced_sftp && !subsystem)
		return policy_enforce_refuse_command(p, c, want_reply, kind);
	if (command == NULL && !reads && p->policy.set_env.n == 0)
		return policy_enforce_pass_request(p, c, want_reply);
	policy_enforce_put_set_env(p, c);
	if (command == NULL && !reads) {
		buf_init(&b, POLICY_ENFORCE_MADE_MAX);
		buf_put(&b, payload, len);
	} else {
		if (command != NULL && strcmp(kind, "shell") != 0)
			policy_enforce_put_env(p, c,
			    (struct bytes){ (const uint8_t *)policy_enforce_original,
				sizeof(policy_enforce_original) - 1 },
			    asked);
		policy_enforce_begin(&b, SSH_MSG_CHANNEL_REQUEST, c->upstream);
		wire_put_text(&b, forced_sftp && !reads ? "subsystem" : "exec");
		wire_put_bool(&b, want_reply);
		wire_put_text(&b, reads ? p->policy.sftp : forced_sftp ? "sftp" : command);
	}
	policy_enforce_put_made(p, RELAY_UPSTREAM, &b);
	return policy_enforce_pass_request(p, c, want_reply) == RELAY_END ? RELAY_END : RELAY_DROP;
}

/* 1 if SetEnv has a variable of this name. */
static int
policy_enforce_env_is_set(const struct policy_enforce *p, struct bytes name)
{
	const struct strlist *list = &p->policy.set_env;
	size_t i;

	for (i = 0; i < list->n; i++)
		if (strncmp(list->v[i], (const char *)name.p, name.len) == 0 &&
		    list->v[i][name.len] == '=')
			return 1;
	return 0;
}

static int
policy_enforce_env_permitted(const struct policy_enforce *p, struct channel *c, struct bytes name)
{
	const struct strlist *accept = &p->policy.accept_env;
	size_t i;
	int ok = accept->n == 0;

	/* a name with a "=" would set another variable */
	if (name.len == 0 || policy_enforce_has_nul(name) || memchr(name.p, '=', name.len) != NULL)
		return 0;
	for (i = 0; i < accept->n && !ok; i++)
		ok = match_pattern(name,
		    (struct bytes){ (const uint8_t *)accept->v[i], strlen(accept->v[i]) },
		    MATCH_CASE);
	if (!ok || policy_enforce_env_is_set(p, name))
		return 0;
	if (p->policy.command != NULL && bytes_is(name, policy_enforce_original))
		return 0;
	/* sshd takes POLICY_ENV_MAX variables: leave room for ours */
	if ((p->policy.command != NULL || p->policy.set_env.n > 0) && c->env >= POLICY_ENV_MAX)
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
policy_enforce_request_kind(struct bytes name)
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
policy_enforce_permit_request(struct policy_enforce *p, struct channel *c, unsigned int permit,
    int want_reply, const char *what)
{
	if ((p->policy.permits & permit) == 0)
		return policy_enforce_fail_request(p, c, want_reply, what);
	p->asked |= permit;
	return policy_enforce_pass_request(p, c, want_reply);
}

enum relay_action
policy_enforce_client_request(struct policy_enforce *p, const uint8_t *payload, size_t len)
{
	static const char *const starts[] = { [REQUEST_SHELL] = "shell",
		[REQUEST_EXEC] = "exec",
		[REQUEST_SUBSYSTEM] = "subsystem" };
	struct bytes name, text = { (const uint8_t *)"", 0 }, value;
	struct channel *c;
	enum request kind;
	struct wire w;
	int want_reply;

	wire_init(&w, payload + 1, len - 1);
	c = channels_upstream(&p->channels, wire_u32(&w));
	name = wire_string(&w);
	want_reply = wire_bool(&w);
	if (wire_err(&w) != 0 || policy_enforce_has_nul(name))
		return RELAY_DROP;
	kind = policy_enforce_request_kind(name);
	if (c == NULL || !c->session)
		/* not a session, or one that the client cannot know of yet */
		return kind == REQUEST_ANY ? RELAY_PASS : RELAY_DROP;
	if (c->refused || c->client_closed)
		return RELAY_DROP;
	if (kind == REQUEST_EXEC || kind == REQUEST_SUBSYSTEM)
		text = wire_string(&w);
	switch (kind) {
	case REQUEST_SHELL:
	case REQUEST_EXEC:
	case REQUEST_SUBSYSTEM:
		if (wire_end(&w) != 0 || policy_enforce_has_nul(text))
			return RELAY_DROP;
		return policy_enforce_start(p, c, starts[kind], text, want_reply, payload, len);
	case REQUEST_ENV:
		name = wire_string(&w);
		value = wire_string(&w);
		if (wire_end(&w) != 0 || policy_enforce_has_nul(value) ||
		    !policy_enforce_env_permitted(p, c, name))
			return policy_enforce_fail_request(p, c, want_reply, NULL);
		return policy_enforce_pass_request(p, c, want_reply);
	case REQUEST_PTY:
		return policy_enforce_permit_request(p, c, POLICY_PTY, want_reply, "pty-req");
	case REQUEST_X11:
		return policy_enforce_permit_request(p, c, POLICY_X11, want_reply, "x11-req");
	case REQUEST_AGENT:
		return policy_enforce_permit_request(p, c, POLICY_AGENT, want_reply,
		    "auth-agent-req");
	case REQUEST_ANY:
		break;
	}
	return policy_enforce_pass_request(p, c, want_reply);
}
