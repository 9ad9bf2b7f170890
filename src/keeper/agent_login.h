/*
 * Key = agent: the login upstream with a key of the agent that the client forwards.
 */
#ifndef KEEPER_AGENT_LOGIN_H
#define KEEPER_AGENT_LOGIN_H

#include "keeper/ksession.h"

/* As sshd has MaxAuthTries by default: it ends the login after so many. */
#define AGENT_TRIES_MAX 6

extern const struct upstream_method agent_login_method;

void agent_login_free(struct agent_login **a); /* takes NULL */

/* AGENT_OPEN, AGENT_ANSWER, AGENT_FAILED. */
void agent_login_opened(struct ksession *s);
void agent_login_answer(struct ksession *s, struct wire *body);
void agent_login_failed(struct ksession *s, struct wire *body);

#endif
