/*
 * PermitOpen and PermitListen, as sshd matches them.
 */
#ifndef RELAY_PERMIT_H
#define RELAY_PERMIT_H

#include "base/strlist.h"
#include "wire/wire.h"

/* The port of a Unix socket, which has none: only "*:*" and "PATH:*" match it. */
#define PERMIT_PATH UINT32_MAX

/* 1 if both lists (of the route and of the key: wire/policy.h) permit it; an empty list
 * permits all. */
int permit_open(const struct strlist lists[2], struct bytes host, uint32_t port);
int permit_listen(const struct strlist lists[2], struct bytes host, uint32_t port);

#endif
