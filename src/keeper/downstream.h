/*
 * The client's login, as the keeper sees it.
 */
#ifndef KEEPER_DOWNSTREAM_H
#define KEEPER_DOWNSTREAM_H

#include "keeper/ksession.h"

/* SIGN: the host key signs an exchange hash; the first one is the session id.  One beyond the bucket
 * waits, and is answered by downstream_sign_sweep(), which is called each second. */
void downstream_sign(struct ksession *s, struct wire *body);
void downstream_sign_sweep(struct ksession *s, int64_t now);

/* Both logins are done: tell the session, with what the client has yet to see. */
void downstream_success(struct ksession *s);
/* The client's is, and the other needs its agent: likewise. */
void downstream_let_in(struct ksession *s);

/* The program that was to be asked where the login leads has answered, or not. */
void downstream_looked_up(struct ksession *s, const struct lookup_reply *reply);

/* AUTH: a USERAUTH message of the client. */
void downstream_auth(struct ksession *s, struct wire *body);

/* The password to be checked and its hash: a hash of nothing for unknown logins.  Valid
 * until it is answered. */
void downstream_password(struct ksession *s, const char **hash, struct bytes *password);
/* The answer: 1, 0, or -1 if none is to be had. */
void downstream_password_checked(struct ksession *s, int ok);

/* For jobs.c: what an errand is told, to run a lookup program or to check a password, and the result. */
void downstream_put_lookup(struct ksession *s, struct buf *order);
void downstream_lookup_done(struct ksession *s, const struct job_result *result);
void downstream_put_password(struct ksession *s, struct buf *order);
void downstream_password_done(struct ksession *s, const struct job_result *result);

/* For auth_server_ops, with the session: may this key log in, and is this its signature? */
int downstream_key_allowed(void *session, const char *alg, struct bytes blob);
int downstream_key_verify(void *session, const char *alg, struct bytes blob, struct bytes sig,
    const void *data, size_t len);

/* What upstream.c has to tell the client in answer to what it carried. */
void downstream_failed(struct ksession *s);   /* it was wrong */
void downstream_declined(struct ksession *s); /* the upstream does not do that */
void downstream_passed(struct ksession *s);   /* one step of several */
void downstream_ask(struct ksession *s, struct bytes question);
/* What PAM asks in most places: for PasswordHash, and so that an unknown login is asked it as
 * well. */
void downstream_ask_password(struct ksession *s);
/* For auth_server_ops, with the session: a try was wrong, a key was offered in vain. */
void downstream_try_failed(void *session);
void downstream_key_refused(void *session);

#endif
