/*
 * Key = agent: the login upstream with a key of the person's own agent.
 */
#ifndef KEEPER_AGENT_LOGIN_H
#define KEEPER_AGENT_LOGIN_H

#include "keeper/ksession.h"

/* As sshd has MaxAuthTries by default: it ends the login after so many. */
#define AGENT_TRIES_MAX 6

/* With s->host_key and its signature over the session identifier, as they have been verified:
 * agents want to know whom they sign for.  0 or ERR_NOMEM. */
int agent_login_new(struct ksession *s, struct bytes signature) MUST_CHECK;
void agent_login_free(struct agent_login **a);

/* The upstream is ready for a login: let the client in, whose agent is needed. */
void agent_login_begin(struct ksession *s);

/* AGENT_OPEN, AGENT_ANSWER, AGENT_FAILED. */
void agent_login_opened(struct ksession *s);
void agent_login_answer(struct ksession *s, struct wire *body);
void agent_login_failed(struct ksession *s, struct wire *body);

/* A banner of the upstream's: kept, and added to the message that the client's session goes
 * on or ends with. */
void agent_login_banner(struct ksession *s, struct bytes text);
void agent_login_put_banner(const struct ksession *s, struct buf *b);

/* The upstream would take the key it was asked about; it has refused one; it has ended. */
void agent_login_wanted(struct ksession *s);
void agent_login_refused(struct ksession *s);
void agent_login_ended(struct ksession *s, const char *reason);

#endif
