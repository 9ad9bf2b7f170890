/*
 * What the keeper gives up before it hears of its first session: the network, other programs and
 * processes, and files that are none of its business.
 */
#ifndef KEEPER_CONFINE_H
#define KEEPER_CONFINE_H

#include "keeper/writable.h"

/*
 * For a keeper with its user, its configuration and its open key store: libraries load what
 * they need, then there are no capabilities, no new privileges, Landlock where the kernel has
 * it, and a filter of system calls. *out says where may be written, NULL if there is no
 * Landlock; the caller's. 0 or an ERR_*.
 */
int confine_enter(const struct conf *conf, struct writable **out) MUST_CHECK;

#endif
