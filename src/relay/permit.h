/*
 * PermitOpen and PermitListen, as sshd matches them.
 */
#ifndef RELAY_PERMIT_H
#define RELAY_PERMIT_H

#include "base/strlist.h"
#include "wire/wire.h"

/* A Unix socket has no port: only "*:*" (or its path with ":*") is for it. */
#define PERMISSION_PATH UINT32_MAX

/* 1 if each of the two lists (wire/policy.h) permits it; an empty list permits all. */
int permit_open(const struct strlist lists[2], struct bytes host, uint32_t port);
int permit_listen(const struct strlist lists[2], struct bytes host, uint32_t port);

/* '*' and '?', letters as they are. */
int permit_pattern(struct bytes text, const char *pattern);

#endif
