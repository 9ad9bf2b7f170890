/*
 * PerSourcePenalties of sshd_config(5): a source that earns penalties is refused for a time.  They
 * add up to a maximum, count from a minimum on, and run out.  The times are milliseconds of the
 * clock of base/clock.h, given by the caller.
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
 * Other limits from now on.  Penalties stay, unless there is less room than they take (the soonest
 * to expire go), the size of blocks of their family has changed, or there are to be none at all.
 */
void penalties_set_limits(struct penalties *p, const struct conf_gateway *gateway, int64_t now);

/* May this one come in?  1, or 0 with the reason in sshd's words (static). */
int penalties_admit(struct penalties *p, const struct netaddr *address, int64_t now,
    const char **why);

/* It has earned one more; a line in the log when that keeps it out from now on. */
void penalties_add(struct penalties *p, const struct netaddr *address, enum conf_penalty what,
    int64_t now);

/* Sources that have penalties, of both families; and the memory for them, in bytes. */
size_t penalties_count(const struct penalties *p);
size_t penalties_bytes(const struct penalties *p);

#endif
