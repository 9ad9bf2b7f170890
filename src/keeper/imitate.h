/*
 * Logins that do not exist where passwords and conversations are carried to a machine.
 */
#ifndef KEEPER_IMITATE_H
#define KEEPER_IMITATE_H

#include "keeper/ksession.h"

/* Answer what the client has in hand as if there were a machine, which takes its time to connect
 * to and to answer. */
void imitate_carry(struct ksession *s);

#endif
