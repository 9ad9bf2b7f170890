/*
 * The way to the machine behind: dial, host key, login.
 */
#ifndef KEEPER_UPSTREAM_H
#define KEEPER_UPSTREAM_H

#include "base/reason.h"
#include "keeper/ksession.h"

/* For the person, when the machine behind does not let the gateway in. */
extern const char *const upstream_text_login;
/* When it may not be the machine meant. */
extern const char *const upstream_text_host_key;
/* When it does not answer. */
extern const char *const upstream_text_unreachable;
/* When it is the gateway's own fault. */
extern const char *const upstream_text_gateway;

/* The client has proven itself: on to the machine behind. */
void upstream_dial(struct ksession *s);
/* Do two sessions have the same first choice of an upstream? */
int upstream_same(const struct ksession *a, const struct ksession *b);
/* For jobs.c: what an errand is told to dial, or to look at a host key, and the result. */
void upstream_put_dial(struct ksession *s, struct buf *order);
void upstream_dial_done(struct ksession *s, const struct job_result *result);
void upstream_put_look(struct ksession *s, struct buf *order);
void upstream_look_done(struct ksession *s, const struct job_result *result);
/* Turn the client away: there is no errand, for err. */
void upstream_no_errand(struct ksession *s, int err);

/* Append four strings: what w->host is asked for by way of kex, host key algorithms, ciphers and MACs;
 * "": by default.  0, or an ERR_* with why: known_hosts could not say which host keys it has. */
int upstream_put_algorithms(const struct ksession *s, struct buf *b, struct reason *why);

/* HOST_KEY: the session asks whether its upstream has shown the right key. */
void upstream_host_key(struct ksession *s, struct wire *body);

/* UPSTREAM_READY, UPSTREAM_AUTH, UPSTREAM_FAILED: the login there. */
void upstream_ready(struct ksession *s, struct wire *body);
void upstream_auth(struct ksession *s, struct wire *body);
void upstream_failed(struct ksession *s, struct wire *body);

/* Turn the client away: the machine has ended the connection before a login, for this reason.  The
 * log has what and the reason; or what to do, where the machine refuses the gateway for a time. */
void upstream_refuse_unreachable(struct ksession *s, const char *what, const char *reason);

/* Do what auth_client says; what it appended to out is sent. */
void upstream_verdict(struct ksession *s, enum auth_client_verdict v, struct buf *out);
/* The upstream has refused the mapped key: log why, if it is for what the route says. */
void upstream_key_refused(const struct ksession *s);
/* The client and the upstream have both let each other in. */
void upstream_finish(struct ksession *s);

#endif
