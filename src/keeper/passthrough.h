/*
 * Passthrough: the upstream judges what the client says.
 */
#ifndef KEEPER_PASSTHROUGH_H
#define KEEPER_PASSTHROUGH_H

#include "keeper/ksession.h"

/* What auth_server has in hand is for the upstream to judge: dial it, or send it there. */
void passthrough_begin(struct ksession *s);

/* Send the upstream what the client has in hand, if it takes that. */
void passthrough_next(struct ksession *s);

/* It has said FAILURE, or SUCCESS, or has ended the login. */
void passthrough_refused(struct ksession *s);
void passthrough_success(struct ksession *s);
void passthrough_ended(struct ksession *s, const char *reason);

#endif
