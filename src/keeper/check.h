/*
 * Passwords are checked by errands, a few at a time: each takes the memory that
 * its hash asks for.
 */
#ifndef KEEPER_CHECK_H
#define KEEPER_CHECK_H

#include "keeper/ksession.h"

void check_init(struct keeper *k);

/* Have downstream_password() checked; downstream_password_checked() gets the answer. */
void check_begin(struct ksession *s);

/* The answer is no longer wanted.  An errand that runs keeps its place till its end. */
void check_cancel(struct ksession *s);

/* An errand has said something, or has died. */
void check_input(struct check *c);

#endif
