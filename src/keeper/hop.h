/*
 * Hops (ProxyJump): a session whose route leads through other machines has a ksession for each of them, without
 * a client, whose process is a carrier (session/carrier.h).  A hop is dialled, its host key judged and its
 * login done as those of any upstream, by its own route; then it opens a channel to the machine of the
 * ksession that it is a hop of, its parent, and what is carried there is the parent's connection.
 *
 *	s			the session; s->route is the user's
 *	s->hop			logs in to the machine next to the user's
 *	s->hop->hop		is dialled, with two hops
 */
#ifndef KEEPER_HOP_H
#define KEEPER_HOP_H

#include "wire/wire.h"

struct ksession;

/* Of a hop; hop_link.hop of any ksession. */
struct hop_link {
	struct ksession *parent; /* NULL: a session with a client */
	struct ksession *hop;	 /* NULL: its upstream is dialled */
	/* of a hop: */
	int carried_fd; /* the parent's end of what CARRY is about; -1: none */
	int carried;	/* the parent has it */
};

/* The session of a hop; of a session, itself. */
struct ksession *hop_session(struct ksession *s);
const struct ksession *hop_session_of(const struct ksession *s);

/* The hop that is dialled; of a session without hops, itself. */
struct ksession *hop_first(struct ksession *s);

/* Dial the upstream of a session whose route has ProxyJump.  What goes wrong refuses its client. */
void hop_dial(struct ksession *s);

/* The hop has let the gateway in. */
void hop_logged_in(struct ksession *hop);

/* CARRIED and CARRY_FAILED. */
void hop_carried(struct ksession *hop, struct wire *body);
void hop_carry_failed(struct ksession *hop, struct wire *body);

/* The hop has failed: refuse the session's client, for the user in the words of text, which speaks of
 * "your machine". */
void hop_refuse(struct ksession *hop, const char *text, const char *reason);

/* The ksession has just ended: its own hop ends, and if it is one itself that was still needed, the session's
 * client is refused. */
void hop_unlink(struct ksession *s);

/* Write the machines that it leads through into text, as "USER@HOST port N, ...", in the order of the way. */
void hop_describe(const struct ksession *s, char *text, size_t size);

#endif
