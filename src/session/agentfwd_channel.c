#include "session/agentfwd_channel.h"
#include "wire/ssh.h"

/* An answer and its length; nobody sends the next before it is asked. */
#define WINDOW (AGENT_ANSWER_MAX + 4)
#define PACKET 32768

/* Of a request: a signature over a login with the largest certificate. */
#define REQUEST_MAX (256 * 1024)

void
agent_channel_init(struct agent_channel *c, uint32_t number)
{
	*c = (struct agent_channel){ .number = number };
	buf_init(&c->request, REQUEST_MAX);
	buf_init(&c->answer, WINDOW);
}

void
agent_channel_free(struct agent_channel *c)
{
	buf_free(&c->request);
	buf_free(&c->answer);
}

/* A message about the channel, begun. */
static void
begin(const struct agent_channel *c, struct buf *b, uint8_t type)
{
	buf_init(b, PACKET + 64);
	buf_put_u8(b, type);
	wire_put_u32(b, c->client);
}

void
agent_channel_open(struct agent_channel *c, struct buf *out)
{
	struct buf b;

	buf_init(&b, 64);
	buf_put_u8(&b, SSH_MSG_CHANNEL_OPEN);
	wire_put_text(&b, "auth-agent@openssh.com");
	wire_put_u32(&b, c->number);
	wire_put_u32(&b, WINDOW);
	wire_put_u32(&b, PACKET);
	wire_put_message(out, &b);
	c->left = WINDOW;
	c->state = AGENT_CHANNEL_OPENING;
}

/* As much of the request as the client takes now. */
static void
send_request(struct agent_channel *c, struct buf *out)
{
	struct buf b;
	size_t n;

	while (c->request.len > 0 && c->window > 0 && c->packet > 0) {
		n = c->request.len;
		if (n > c->window)
			n = c->window;
		if (n > c->packet)
			n = c->packet;
		if (n > PACKET)
			n = PACKET;
		begin(c, &b, SSH_MSG_CHANNEL_DATA);
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

	/* what the last answer took */
	if (c->left < WINDOW) {
		begin(c, &b, SSH_MSG_CHANNEL_WINDOW_ADJUST);
		wire_put_u32(&b, WINDOW - c->left);
		wire_put_message(out, &b);
		c->left = WINDOW;
	}
	buf_reset(&c->answer);
	buf_reset(&c->request);
	wire_put_bytes(&c->request, request);
	c->asked = 1;
	send_request(c, out);
}

static enum agent_channel_event
take_data(struct agent_channel *c, struct bytes data)
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
confirmed(struct agent_channel *c, struct wire *w)
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
open_message(struct agent_channel *c, uint8_t type, struct wire *w, struct buf *out)
{
	struct bytes data;
	uint32_t n;

	switch (type) {
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		n = wire_u32(w);
		if (wire_end(w) != 0 || n > UINT32_MAX - c->window)
			return AGENT_CHANNEL_GARBLED;
		c->window += n;
		send_request(c, out);
		return AGENT_CHANNEL_NOTHING;
	case SSH_MSG_CHANNEL_DATA:
		data = wire_string(w);
		return wire_end(w) != 0 ? AGENT_CHANNEL_GARBLED : take_data(c, data);
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
			return confirmed(c, &w);
		c->state = AGENT_CHANNEL_CLOSED;
		return type == SSH_MSG_CHANNEL_OPEN_FAILURE ? AGENT_CHANNEL_REFUSED :
							      AGENT_CHANNEL_GARBLED;
	case AGENT_CHANNEL_OPEN:
		return open_message(c, type, &w, out);
	case AGENT_CHANNEL_CLOSED:
		/* what was under way */
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
	struct buf b;

	if (c->state == AGENT_CHANNEL_OPEN) {
		begin(c, &b, SSH_MSG_CHANNEL_CLOSE);
		wire_put_message(out, &b);
	}
	c->state = AGENT_CHANNEL_CLOSED;
	buf_free(&c->request);
	buf_free(&c->answer);
}
