/*
 * The channel to the person's agent: opened by us as sshd opens it, with requests and
 * answers of draft-ietf-sshm-ssh-agent section 3 on it, one after another.  Bytes in,
 * bytes out: what is to be sent to the client is appended to out, each message as a string.
 */
#ifndef SESSION_AGENTFWD_CHANNEL_H
#define SESSION_AGENTFWD_CHANNEL_H

#include "base/buf.h"
#include "wire/wire.h"

/* Of an answer, without its length; tens of certificates. */
#define AGENT_ANSWER_MAX (64 * 1024)

struct agent_channel {
	enum {
		AGENT_CHANNEL_NONE,
		AGENT_CHANNEL_OPENING,
		AGENT_CHANNEL_OPEN,
		AGENT_CHANNEL_CLOSED
	} state;
	uint32_t number; /* ours */
	uint32_t client; /* the client's */
	uint32_t window; /* what it still takes */
	uint32_t packet; /* at once */
	uint32_t left;	 /* what it may still send */
	struct buf request;
	struct buf answer;
	int asked; /* an answer is to come */
};

enum agent_channel_event {
	AGENT_CHANNEL_NOTHING,
	AGENT_CHANNEL_OPENED,
	AGENT_CHANNEL_ANSWER,  /* agent_channel_answer() */
	AGENT_CHANNEL_REFUSED, /* the client does not open it */
	AGENT_CHANNEL_GONE,    /* it has closed it */
	AGENT_CHANNEL_GARBLED, /* what came makes no sense, or is too large */
};

void agent_channel_init(struct agent_channel *c, uint32_t number);
void agent_channel_free(struct agent_channel *c);

/* Ask the client to open it. */
void agent_channel_open(struct agent_channel *c, struct buf *out);

/* Send a request, without its length; only while it is open and nothing is asked. */
void agent_channel_request(struct agent_channel *c, struct bytes request, struct buf *out);

/* A message of type 91 to 100 whose recipient is our number. */
enum agent_channel_event agent_channel_message(struct agent_channel *c, const uint8_t *payload,
    size_t len, struct buf *out);

/* What the agent has answered, without its length; valid until the next call. */
struct bytes agent_channel_answer(const struct agent_channel *c);

/* Close it, if it is open. */
void agent_channel_close(struct agent_channel *c, struct buf *out);

#endif
