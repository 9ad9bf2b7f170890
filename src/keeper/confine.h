/*
 * What the keeper gives up before its first session: the network, other programs and
 * processes, and most files.
 */
#ifndef KEEPER_CONFINE_H
#define KEEPER_CONFINE_H

#include "keeper/writable.h"

/* To be called by a keeper that has its user, its configuration and its open key store.
 * Libraries load what they need; then there are no capabilities, no new privileges, Landlock
 * where the kernel has it, and a filter of system calls.  *out says where the keeper may
 * write (NULL: there is no Landlock); the caller frees it.  0 or an ERR_*. */
int confine_enter(const struct conf *conf, struct writable **out) MUST_CHECK;

#endif
