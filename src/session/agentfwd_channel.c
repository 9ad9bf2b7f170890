/*
 * The channel to the user's agent, for agentfwd.c: opened, one request and one answer at a
 * time, closed.
 */
#include "session/agentfwd_channel.h"
#include "wire/ssh.h"

/* An answer and its length: the agent sends no more before the next request. */
#define AGENT_CHANNEL_WINDOW (AGENT_ANSWER_MAX + 4)
#define AGENT_CHANNEL_PACKET 32768

/* The longest request: to sign a login with the largest certificate. */
#define AGENT_CHANNEL_REQUEST_MAX (256 * 1024)

void
agent_channel_init(struct agent_channel *c, uint32_t number)
{
	*c = (struct agent_channel){ .number = number };
	buf_init(&c->request, AGENT_CHANNEL_REQUEST_MAX);
	buf_init(&c->answer, AGENT_CHANNEL_WINDOW);
}

void
agent_channel_free(struct agent_channel *c)
{
	buf_free(&c->request);
	buf_free(&c->answer);
}

void
agent_channel_open(struct agent_channel *c, struct buf *out)
{
	struct buf b;

	buf_init(&b, 64);
	buf_put_u8(&b, SSH_MSG_CHANNEL_OPEN);
	wire_put_text(&b, "auth-agent@openssh.com");
	wire_put_u32(&b, c->number);
	wire_put_u32(&b, AGENT_CHANNEL_WINDOW);
	wire_put_u32(&b, AGENT_CHANNEL_PACKET);
	wire_put_message(out, &b);
	c->left = AGENT_CHANNEL_WINDOW;
	c->state = AGENT_CHANNEL_OPENING;
}

/* As much of the request as the client takes now. */
static void
agent_channel_send_request(struct agent_channel *c, struct buf *out)
{
	struct buf b;
	size_t n;

	while (c->request.len > 0 && c->window > 0 && c->packet > 0) {
		n = c->request.len;
		if (n > c->window)
			n = c->window;
		if (n > c->packet)
			n = c->packet;
		if (n > AGENT_CHANNEL_PACKET)
			n = AGENT_CHANNEL_PACKET;
		wire_begin_channel(&b, SSH_MSG_CHANNEL_DATA, c->client);
		wire_put_string(&b, c->request.data, n);
		wire_put_message(out, &b);
		buf_consume(&c->request, n);
		c->window -= (uint32_t)n;
	}
}

void
agent_channel_request(struct agent_channel *c, struct bytes request, struct buf *out)
{
	struct buf b;

	/* give back the window that the last answer has used */
	if (c->left < AGENT_CHANNEL_WINDOW) {
		wire_begin_channel(&b, SSH_MSG_CHANNEL_WINDOW_ADJUST, c->client);
		wire_put_u32(&b, AGENT_CHANNEL_WINDOW - c->left);
		wire_put_message(out, &b);
		c->left = AGENT_CHANNEL_WINDOW;
	}
	buf_reset(&c->answer);
	buf_reset(&c->request);
	wire_put_bytes(&c->request, request);
	c->asked = 1;
	agent_channel_send_request(c, out);
}

static enum agent_channel_event
agent_channel_data(struct agent_channel *c, struct bytes data)
{
	struct wire w;
	uint32_t len;

	if (data.len > c->left || !c->asked)
		return AGENT_CHANNEL_GARBLED;
	c->left -= (uint32_t)data.len;
	buf_put(&c->answer, data.p, data.len);
	wire_init(&w, c->answer.data, c->answer.len);
	len = wire_u32(&w);
	if (wire_err(&w) != 0)
		return AGENT_CHANNEL_NOTHING;
	if (len == 0 || len > AGENT_ANSWER_MAX || w.left > len || buf_err(&c->answer) != 0)
		return AGENT_CHANNEL_GARBLED;
	if (w.left < len)
		return AGENT_CHANNEL_NOTHING;
	c->asked = 0;
	return AGENT_CHANNEL_ANSWER;
}

static enum agent_channel_event
agent_channel_confirmed(struct agent_channel *c, struct wire *w)
{
	c->client = wire_u32(w);
	c->window = wire_u32(w);
	c->packet = wire_u32(w);
	if (wire_end(w) != 0)
		return AGENT_CHANNEL_GARBLED;
	c->state = AGENT_CHANNEL_OPEN;
	return AGENT_CHANNEL_OPENED;
}

static enum agent_channel_event
agent_channel_open_message(struct agent_channel *c, uint8_t type, struct wire *w, struct buf *out)
{
	struct bytes data;
	uint32_t n;

	switch (type) {
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		n = wire_u32(w);
		if (wire_end(w) != 0 || n > UINT32_MAX - c->window)
			return AGENT_CHANNEL_GARBLED;
		c->window += n;
		agent_channel_send_request(c, out);
		return AGENT_CHANNEL_NOTHING;
	case SSH_MSG_CHANNEL_DATA:
		data = wire_string(w);
		return wire_end(w) != 0 ? AGENT_CHANNEL_GARBLED : agent_channel_data(c, data);
	case SSH_MSG_CHANNEL_EOF:
	case SSH_MSG_CHANNEL_CLOSE:
		agent_channel_close(c, out);
		return AGENT_CHANNEL_GONE;
	}
	return AGENT_CHANNEL_GARBLED;
}

enum agent_channel_event
agent_channel_message(struct agent_channel *c, const uint8_t *payload, size_t len, struct buf *out)
{
	struct wire w;
	uint8_t type;

	wire_init(&w, payload, len);
	type = wire_u8(&w);
	(void)wire_u32(&w);
	switch (c->state) {
	case AGENT_CHANNEL_OPENING:
		if (type == SSH_MSG_CHANNEL_OPEN_CONFIRMATION)
			return agent_channel_confirmed(c, &w);
		c->state = AGENT_CHANNEL_CLOSED;
		return type == SSH_MSG_CHANNEL_OPEN_FAILURE ? AGENT_CHANNEL_REFUSED :
							      AGENT_CHANNEL_GARBLED;
	case AGENT_CHANNEL_OPEN:
		return agent_channel_open_message(c, type, &w, out);
	case AGENT_CHANNEL_CLOSED:
		/* sent before the client knew */
		return AGENT_CHANNEL_NOTHING;
	case AGENT_CHANNEL_NONE:
		break;
	}
	return AGENT_CHANNEL_GARBLED;
}

struct bytes
agent_channel_answer(const struct agent_channel *c)
{
	return (struct bytes){ c->answer.data + 4, c->answer.len - 4 };
}

void
agent_channel_close(struct agent_channel *c, struct buf *out)
{
	if (c->state == AGENT_CHANNEL_OPEN)
		wire_put_channel(out, SSH_MSG_CHANNEL_CLOSE, c->client);
	c->state = AGENT_CHANNEL_CLOSED;
	buf_free(&c->request);
	buf_free(&c->answer);
}
