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

/* AUTH: a USERAUTH message of the client. */
void downstream_auth(struct ward *w, struct wire *body);

#endif
