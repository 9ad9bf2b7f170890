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
	SESSION_AUTH, /* the client logs in: USERAUTH messages go to the keeper and back */
	SESSION_UPSTREAM_KEX,
	SESSION_UPSTREAM_SERVICE, /* ssh-userauth is asked for, EXT_INFO may be on its way */
	SESSION_UPSTREAM_AUTH,
	SESSION_AGENT, /* as UPSTREAM_AUTH, with the client logged in: agentfwd.h */
	SESSION_RELAY,
	SESSION_CLOSING, /* buffered output is written, then the session is over */
};

#define SESSION_HOST_KEY_MAX 8192 /* a certificate with an RSA key and CA has 3 KiB */

/* Messages that the keeper may send of its own accord while a question waits for its
 * answer: a banner, POLICY and RELAY are three. */
#define SESSION_HELD_MAX 4

/* For the user. */
#define SESSION_ORPHANED                                                                   \
	"sallyport: the gateway cannot log you in right now; try again later or ask your " \
	"administrator (session %04jx)"
#define SESSION_UP_LOST "sallyport: connection to your machine lost (session %04jx)"

struct session {
	const struct session_config *config;
	enum session_state state;
	int keeper; /* -1 once it is gone */
	int signals;
	struct leg *down, *up;
	struct agentfwd *agent; /* NULL without Key = agent; agentfwd*.c alone use it */
	struct jump *
	    jump; /* NULL with an upstream: Mode = jump or tunnel, with which up is always NULL; jump.c
		    * and tunnel_*.c alone */
	struct carrier
	    *carrier; /* NULL but in the process of a hop, with which down is always NULL;
				  * carrier.c alone */
	struct relay relay;
	struct policy policy; /* until the relay has it */
	int has_policy;
	int relayed;		  /* it has been in SESSION_RELAY */
	int by_client;		  /* the client has ended it */
	int orphan;		  /* the keeper was lost before the client was let in */
	unsigned int refused;	  /* refusals by the policy */
	int64_t deadline;	  /* of the client's login */
	int factor_time;	  /* it is that of FactorTimeout, and not of LoginGraceTime */
	int64_t up_deadline;	  /* of the login upstream */
	int64_t up_timeout_ms;	  /* ConnectTimeout */
	int up_alive_interval_ms; /* ServerAliveInterval */
	int up_patient;	     /* the user is asked in the login upstream: its deadline is for the
			     * key exchange alone */
	int64_t trim_at;     /* when memory is given back */
	uint64_t trim_bytes; /* relayed since the last time */
	int64_t asked_at;    /* us: the client's last login message */
	int64_t pace_until;  /* us: the keeper's messages wait until then */
	char reason[512];    /* why it ends; "" while it does not */

	/* The upstream's host key, as first accepted: a rekey must show the same. */
	uint8_t host_key[SESSION_HOST_KEY_MAX];
	size_t host_key_len;

	/* The gateway's own host keys, public blobs as strings: until they are announced. */
	struct buf announced;

	/* Messages of the keeper that came while an answer was awaited, as strings. */
	struct buf held;
	int held_fd; /* -1, or the descriptor of one of them */

	uint8_t message[IPC_MAX];
};

/* --- session.c --- */

/* Begin to end it, with a reason for the log; the first one counts. */
void session_end(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void session_set_state(struct session *s, enum session_state state);

/* The beginning and the end of session_run(), for carrier_run() as well, with client -1: descriptors, signals,
 * sandbox; and report, write what is buffered, and exit. */
void session_prepare(struct session *s, int client, int keeper,
    const struct session_config *config);
void session_finish(struct session *s) __attribute__((noreturn));

/* Parts of session_loop(): what to poll a leg for, unless other has too much queued; what its events are
 * about; its keepalives; and memory to give back. */
short session_wanted(const struct session *s, const struct leg *leg, const struct leg *other);
void session_leg_events(struct session *s, struct leg *leg, short revents, enum relay_leg which,
    int64_t now);
void session_keepalive(struct session *s, struct leg *leg, enum relay_leg which, int64_t now);
void session_trim(struct session *s, int64_t now);

/* Send messages, which are freed: each by this function. */
void session_send_all(struct session *s, struct buf *out,
    void (*send)(struct session *s, const uint8_t *payload, size_t len));

/* When the next of these, or of the deadlines, is due; CLOCK_NEVER. */
int64_t session_next(const struct session *s);

/* --- report.c --- */

/* Send log lines to the keeper from here on.  They are lost when it is gone, or reads none. */
void session_log_begin(struct session *s);

/* The client's leg has ended: end the session for the same reason. */
void session_client_ended(struct session *s);

/* DISCONNECT with this line for the user, which went out as a banner before if told: a client that
 * shows banners is not to show it twice. */
void session_disconnect(struct session *s, const char *line, int told);

/* Is the client one that shows the text of a DISCONNECT, and in newer versions a banner right before it as
 * well?  PuTTY and WinSCP. */
int session_shows_both(const struct session *s);

/* It is over: tell the user, if nobody else has, and the keeper. */
void session_report(struct session *s);

/* --- keeper_link.c --- */

/* Send a message, and free it.  An error ends the session; a keeper that is gone is found
 * out when its socket is read, behind what it has said before. */
void keeper_link_send(struct session *s, struct buf *b);

/* Wait for one message, until the login's deadline, or as long as the keeper may take and more_ms
 * longer.  0 or an ERR_*. */
int keeper_link_wait(struct session *s, int64_t more_ms, struct ipc_msg *msg) MUST_CHECK;

/* Read and act on one message. */
void keeper_link_input(struct session *s);

/* Act on the messages that came while an answer was awaited. */
void keeper_link_take_held(struct session *s);

/* The keeper is gone, or does not want this session any more: a relay goes on until the next key
 * exchange, a login is over. */
void keeper_link_lost(struct session *s);

/* Have the keeper prove the host keys, given as strings, and append the signatures to out, as
 * strings.  0 or an ERR_*. */
int keeper_link_prove(struct session *s, struct bytes blobs, struct buf *out) MUST_CHECK;

/* For leg_ops: the keeper signs, and judges host keys. */
int keeper_link_sign(void *ctx, const char *alg, struct bytes hash, struct buf *sig);
int keeper_link_host_key(void *ctx, const char *alg, struct bytes hash, struct bytes blob,
    struct bytes sig);

/* --- login.c --- */

/* Wait for HELLO and make the downstream leg.  0, or an ERR_* with the session ended. */
int login_begin(struct session *s) MUST_CHECK;

/* See whether a key exchange is over, and go on from there. */
void login_check_ready(struct session *s);

/* The login upstream may begin: tell the keeper. */
void login_upstream_ready(struct session *s);

/* The upstream leg ended before the relay: the keeper knows what to tell the client, and answers
 * REFUSE. */
void login_upstream_failed(struct session *s, const char *reason);

/* PACE: delay the keeper's next messages.  This hides from the client how long the keeper
 * took: RFC 4252 sets no time within which a server has to answer. */
void login_pace(struct session *s, struct wire *body);

/* LOGIN_TIME: FactorTimeout counts from now on, in place of LoginGraceTime. */
void login_time(struct session *s, struct wire *body);

/* Microseconds until the keeper's messages are acted on; 0: now. */
int64_t login_pace_left(const struct session *s);

/* UPSTREAM_FD, POLICY, RELAY, REFUSE */
void login_upstream_begin(struct session *s, struct ipc_msg *msg);
void login_policy(struct session *s, struct wire *body);
void login_relay(struct session *s, struct wire *body);
void login_refuse(struct session *s, struct wire *body);

/* --- host_keys.c --- */

/* Keep the gateway's host keys, without certificates, for host_keys_announce(). */
void host_keys_keep(struct session *s, const struct ipc_host_keys *keys);

/* The client is logged in: tell it the gateway's host keys. */
void host_keys_announce(struct session *s);

/* RELAY_PROVE: answer the client's request for proofs. */
void host_keys_prove(struct session *s, const uint8_t *payload, size_t len);

/* --- dispatch.c --- */

/* For leg_ops: a message of the client, of the upstream. */
void dispatch_downstream(void *ctx, struct leg *leg, uint8_t *payload, size_t len);
void dispatch_upstream(void *ctx, struct leg *leg, uint8_t *payload, size_t len);

/* The same of a hop, in carrier.c. */
void carrier_packet(void *ctx, struct leg *leg, uint8_t *payload, size_t len);

/* Send each of the strings as a message on a leg. */
void dispatch_payloads(struct session *s, struct leg *leg, struct wire *body);

/* Relay one message, if it may pass. */
void dispatch_relay(struct session *s, enum relay_leg from, const uint8_t *payload, size_t len);

/* What follows relay_message() for a message that is no data: replies made here, refusals for the
 * log, the end. */
void dispatch_after_relay(struct session *s, enum relay_action action);

#endif
