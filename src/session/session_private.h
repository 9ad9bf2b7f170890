/*
 * Inside of a session, for the files of this directory.
 */
#ifndef SESSION_SESSION_PRIVATE_H
#define SESSION_SESSION_PRIVATE_H

#include "ipc/messages.h"
#include "relay/relay.h"
#include "session/session.h"
#include "transport/leg.h"
#include "wire/policy.h"

enum session_state {
	SESSION_KEX,  /* downstream key exchange */
	SESSION_AUTH, /* USERAUTH messages go to the keeper and back */
	SESSION_UPSTREAM_KEX,
	SESSION_UPSTREAM_SERVICE, /* it has been asked for, and what the upstream takes is not known */
	SESSION_UPSTREAM_AUTH,
	SESSION_AGENT, /* the same, with the client let in already */
	SESSION_RELAY,
	SESSION_CLOSING, /* what waits is written, then it is over */
};

#define SESSION_HOST_KEY_MAX 8192 /* that of a certificate with an RSA key and CA is 3 KiB */

/* Messages that may come from the keeper without having been asked for, while it is asked
 * something: a banner, POLICY and what follows it are three. */
#define SESSION_HELD_MAX 4

/* For the person. */
#define SESSION_ORPHANED                                                                   \
	"sallyport: the gateway cannot log you in right now; try again later or ask your " \
	"administrator (session %04jx)"
#define SESSION_UP_LOST "sallyport: connection to the machine behind lost (session %04jx)"

struct session {
	const struct session_config *config;
	enum session_state state;
	int keeper; /* -1 once it is gone */
	int signals;
	struct leg *down, *up;
	struct agent *agent; /* NULL unless the person's own is asked: agent.h */
	struct relay relay;
	struct policy rules; /* until the relay has them */
	int have_rules;
	int relayed;		  /* the client was let through */
	int by_client;		  /* it is the client who has ended it */
	int orphan;		  /* the keeper was lost before the client was let through */
	unsigned int refused;	  /* how many lines of the log it has got for that */
	int64_t deadline;	  /* of the login */
	int64_t up_deadline;	  /* of the login upstream */
	int64_t up_timeout_ms;	  /* ConnectTimeout */
	int up_alive_interval_ms; /* ServerAliveInterval, for the relay */
	int up_patient;		  /* a person is asked meanwhile: only its handshake has one */
	int64_t trim_at;	  /* give back memory then */
	uint64_t trim_bytes;	  /* relayed since the last time */
	int64_t asked_at;	  /* in us: the client's last login message */
	int64_t pace_until;	  /* in us: the keeper is not listened to before */
	char reason[512];	  /* why it ends; "" while it does not */

	/* The upstream's host key, as first accepted: a rekey must show the same. */
	uint8_t host_key[SESSION_HOST_KEY_MAX];
	size_t host_key_len;

	/* Messages that came while the answer to a question was awaited, as strings. */
	struct buf held;
	int held_fd; /* -1, or the descriptor of one of them */

	uint8_t message[IPC_MAX];
};

extern const struct leg_ops session_down_ops;
extern const struct leg_ops session_up_ops;

/* Begin to end it, with a reason for the log; the first one counts. */
void session_end(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* End it for what the client's leg says. */
void session_client_ended(struct session *s);

/* From here on the log is the keeper's to write: it gets messages.  They are lost when it is gone, or
 * reads none. */
void session_log_begin(struct session *s);

/* It is over: tell the person, if nobody else has, and the keeper. */
void session_report(struct session *s);

void session_set_state(struct session *s, enum session_state state);

/* Act on a message of the keeper. */
void session_keeper_message(struct session *s, struct ipc_msg *msg);

/* Read and act on one message of the keeper's socket. */
void session_keeper_input(struct session *s);

/* Wait for one message, until the deadline, or as long as the keeper may take and so much more.
 * 0 or an ERR_*. */
int session_keeper_wait(struct session *s, int64_t more_ms, struct ipc_msg *msg);

/* The keeper is gone, or has done with this session: a relay goes on without it, until keys
 * are to be exchanged; a login is over. */
void session_orphan(struct session *s);

/* Send to the keeper; an error ends the session.  That it is gone, its end says, behind what it
 * has said before. */
void session_tell(struct session *s, struct buf *b);

/* The login upstream begins, now that it is known what it takes. */
void session_upstream_ready(struct session *s);

/* Send each of these strings as a message on a leg. */
void session_send_payloads(struct session *s, struct leg *leg, struct wire *body);

/* Relay one message, as far as it may pass. */
void session_relay(struct session *s, enum relay_from from, const uint8_t *payload, size_t len);

/* After relay_message() for one that is no data: replies made here, refusals for the log,
 * the end. */
void session_relay_aftermath(struct session *s, enum relay_action action);

#endif
