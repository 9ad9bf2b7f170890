/*
 * The client's login, as the keeper sees it.
 */
#ifndef KEEPER_DOWNSTREAM_H
#define KEEPER_DOWNSTREAM_H

#include "keeper/ward.h"

/* SIGN: the host key signs an exchange hash; the first one is the session id. */
void downstream_sign(struct ward *w, struct wire *body);

/* Both logins are done: tell the session, with what the client has yet to see. */
void downstream_success(struct ward *w);

/* The program that was to be asked where the login leads has answered, or not. */
void downstream_looked_up(struct ward *w, const struct lookup_reply *reply);

/* AUTH: a USERAUTH message of the client. */
void downstream_auth(struct ward *w, struct wire *body);

#endif
