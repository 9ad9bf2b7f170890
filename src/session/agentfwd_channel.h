/*
 * The channel to the user's agent: opened by us as sshd opens it, with requests and answers
 * of draft-ietf-sshm-ssh-agent section 3 on it, one after another.  It sends nothing
 * itself: messages for the client are appended to out, each as a string.
 */
#ifndef SESSION_AGENTFWD_CHANNEL_H
#define SESSION_AGENTFWD_CHANNEL_H

#include "base/buf.h"
#include "wire/wire.h"

/* The longest answer, without its length: tens of certificates. */
#define AGENT_ANSWER_MAX (64 * 1024)

struct agent_channel {
	enum {
		AGENT_CHANNEL_NONE,
		AGENT_CHANNEL_OPENING,
		AGENT_CHANNEL_OPEN,
		AGENT_CHANNEL_CLOSED
	} state;
	uint32_t number; /* its number here */
	uint32_t client; /* its number at the client */
	uint32_t window; /* bytes that the client still takes */
	uint32_t packet; /* bytes that it takes in one message */
	uint32_t left;	 /* bytes that it may still send */
	struct buf request;
	struct buf answer;
	int asked; /* a request waits for its answer */
};

enum agent_channel_event {
	AGENT_CHANNEL_NOTHING,
	AGENT_CHANNEL_OPENED,
	AGENT_CHANNEL_ANSWER,  /* agent_channel_answer() */
	AGENT_CHANNEL_REFUSED, /* the client has refused to open it */
	AGENT_CHANNEL_GONE,    /* the client has closed it */
	AGENT_CHANNEL_GARBLED, /* a message was malformed or too large */
};

void agent_channel_init(struct agent_channel *c, uint32_t number);
void agent_channel_free(struct agent_channel *c);

/* Ask the client to open it. */
void agent_channel_open(struct agent_channel *c, struct buf *out);

/* Send a request, given without its length; only while the channel is open and no answer is
 * awaited. */
void agent_channel_request(struct agent_channel *c, struct bytes request, struct buf *out);

/* Act on a message of type 91 to 100 whose recipient is our number. */
enum agent_channel_event agent_channel_message(struct agent_channel *c, const uint8_t *payload,
    size_t len, struct buf *out);

/* The agent's answer, without its length; valid until the next call. */
struct bytes agent_channel_answer(const struct agent_channel *c);

/* Close it, if it is open. */
void agent_channel_close(struct agent_channel *c, struct buf *out);

#endif
