/*
 * Mode = tunnel: the client's remote forwards (`ssh -R`) end at the gateway.  The keeper decides about each, and
 * sends the connections that come for it; each becomes a forwarded-tcpip channel in the table of jump.c.
 * jump.c, keeper_link.c and session.c call this.
 */
#ifndef SESSION_TUNNEL_HOLD_H
#define SESSION_TUNNEL_HOLD_H

#include "ipc/ipc.h"

/* Clients are asked at least so often whether they live, and given up after so many questions: a name is to be
 * free again within seconds. */
#define HOLD_ALIVE_MS 5000
#define HOLD_ALIVE_COUNT 2

struct hold;
struct session;

/* NULL: out of memory. */
struct hold *hold_new(void);

/* Is this a session with Mode = tunnel? */
int hold_is(const struct session *s);

/* A global request of the client; w is behind its type.  0, or ERR_FORMAT: it breaks the protocol. */
int hold_request(struct session *s, struct wire *w, struct buf *out) MUST_CHECK;

/* Offer the client the connections that have arrived. */
void hold_offer(struct session *s);

/* The connections and forwards of the session are to end, because its user wants that. */
void hold_end(struct session *s, struct buf *out);

/* End the session, which can hold no tunnels any more, and tell the user why. */
void hold_end_all(struct session *s, const char *why);

/* What the user reads of each tunnel, and how many there are. */
const struct strlist *hold_lines(const struct session *s);

/* Are requests waiting for the keeper? */
int hold_waits(const struct session *s);

/* The terminals of the session, for tunnel_terminal.c. */
struct terminals *hold_terminals(struct session *s);

/* TUNNEL_ANSWER, TUNNEL_CONNECTION, TUNNEL_LOST, TUNNEL_OVER.  A connection is kept until hold_offer(). */
void hold_answer(struct session *s, struct wire *body);
void hold_arrived(struct session *s, struct ipc_msg *msg);
void hold_lost(struct session *s, struct wire *body);
void hold_over(struct session *s, struct wire *body);

#endif
