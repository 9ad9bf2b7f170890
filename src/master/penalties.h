/*
 * PerSourcePenalties of sshd_config(5): a source with penalties is refused for a time.  Penalties add up
 * to a maximum, have no effect below a minimum, and expire.  Times are milliseconds of clock_ms().
 */
#ifndef MASTER_PENALTIES_H
#define MASTER_PENALTIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/netaddr.h"
#include "conf/conf.h"

struct penalties;

/* NULL: out of memory.  gateway must stay as long as it is used. */
struct penalties *penalties_new(const struct conf_gateway *gateway);
void penalties_free(struct penalties **p);

/*
 * Use other limits from now on.  Penalties are kept, but for those that no longer fit (the soonest to
 * expire go), and all of a family whose PerSourceNetBlockSize has changed; and none if penalties are
 * switched off.
 */
void penalties_set_limits(struct penalties *p, const struct conf_gateway *gateway, int64_t now);

/* 1 if a client with this address may connect, or 0 with the reason in sshd's words (static). */
int penalties_admit(struct penalties *p, const struct netaddr *address, int64_t now,
    const char **why);

/* Add a penalty to the source of this address.  Logged when the source is refused from then on. */
void penalties_add(struct penalties *p, const struct netaddr *address, enum conf_penalty what,
    int64_t now);

/* For tests: the number of sources with penalties, IPv4 and IPv6; and the bytes of memory they take. */
size_t penalties_count(const struct penalties *p);
size_t penalties_bytes(const struct penalties *p);

#endif
