/*
 * Looks at machines whose host key is not known yet (accept-new): an errand has them show it, so
 * that what is written down is no session's word.  Logins that wait for the same machine wait for
 * one look.
 */
#ifndef KEEPER_LOOKS_H
#define KEEPER_LOOKS_H

#include "keeper/ksession.h"

void looks_init(struct keeper *k);

/*
 * Have the machine at w->host looked at, for as long as ConnectTimeout.  The answer comes to
 * upstream_looked().  0, or an ERR_*: there is none.
 */
int looks_ask(struct ksession *s) MUST_CHECK;

/* Not needed any more by this one.  The errand ends with the last that waits for it. */
void looks_cancel(struct ksession *s);

/* The errand has answered, or is gone. */
void looks_input(struct look *l);

#endif
