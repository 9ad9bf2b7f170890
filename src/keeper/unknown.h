/*
 * Logins that do not exist: what they are offered, and what their passwords are
 * checked against.
 */
#ifndef KEEPER_UNKNOWN_H
#define KEEPER_UNKNOWN_H

#include "keeper/ward.h"

/*
 * They are offered what most routes in the configuration offer; where those check
 * passwords, a hash nobody has the password of costs what the first of them does.
 */
void unknown_init(struct keeper *k);

#endif
