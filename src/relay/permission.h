/*
 * PermitOpen and PermitListen, as sshd matches them.
 */
#ifndef RELAY_PERMISSION_H
#define RELAY_PERMISSION_H

#include "base/strlist.h"
#include "wire/wire.h"

/* A Unix socket has no port: only "*:*" (or its path with ":*") is for it. */
#define PERMISSION_PATH UINT32_MAX

/* 1 if each of the two lists (wire/rules.h) permits it; an empty list permits all. */
int permission_open(const struct strlist lists[2], struct bytes host, uint32_t port);
int permission_listen(const struct strlist lists[2], struct bytes host, uint32_t port);

/* '*' and '?', letters as they are. */
int permission_pattern(struct bytes text, const char *pattern);

#endif
