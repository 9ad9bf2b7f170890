/*
 * Passthrough: the upstream judges what the client says.
 */
#ifndef KEEPER_CARRY_H
#define KEEPER_CARRY_H

#include "keeper/ward.h"

/* What auth_server has in hand is for the upstream to judge: dial it, or send it there. */
void carry_begin(struct ward *w);

/* Send the upstream what the client has in hand, if it takes that. */
void carry_next(struct ward *w);

/* It has said FAILURE, or SUCCESS, or has ended the login. */
void carry_refused(struct ward *w);
void carry_success(struct ward *w);
void carry_ended(struct ward *w, const char *reason);

#endif
