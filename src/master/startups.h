/*
 * The sessions that run, and the limits of sshd_config(5) that the master keeps for them, so that they
 * hold whatever a session does: MaxStartups, PerSourceMaxStartups, PerSourcePenalties and LoginGraceTime.
 * Times are those of clock_ms(), given by the caller.
 */
#ifndef MASTER_STARTUPS_H
#define MASTER_STARTUPS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/netaddr.h"
#include "conf/conf.h"
#include "ipc/ipc.h"

/* How long after LoginGraceTime a session is killed.  It should end by itself, and the keeper drops it
 * before. */
#define STARTUP_OVERDUE_MS 10000
/* How long after a session's end the keeper's report on its login is waited for. */
#define STARTUP_WORD_MS 10000

enum startup_verdict {
	STARTUP_ADMITTED,
	STARTUP_PENALISED,
	STARTUP_MAX,
	STARTUP_PER_SOURCE,
	/* no verdicts of startups_admit(), but of proxied.c, detect.c and forwards.c */
	STARTUP_NO_HEADER,
	STARTUP_SILENT,
	STARTUP_NOT_LISTED,
	STARTUP_NOT_FORWARDED,
	STARTUP_CONNECT, /* of connect.c */
	STARTUP_VERDICTS
};

struct startups;

struct startups *startups_new(const struct conf_gateway *gateway);
/* Use the limits of gateway from now on; it must live as long as it is used. */
void startups_set_limits(struct startups *s, const struct conf_gateway *gateway, int64_t now);
void startups_free(struct startups **s);

/* May this address connect now?  If not, why is the reason for the log (static). */
enum startup_verdict startups_admit(struct startups *s, const struct netaddr *address, int64_t now,
    const char **why);

/* What counts as one source: the address, masked by PerSourceNetBlockSize. */
struct netaddr startups_source(const struct startups *s, const struct netaddr *address);

/* A penalty for what has never become a session. */
void startups_penalise(struct startups *s, const struct netaddr *address, enum conf_penalty what,
    int64_t now);

/* 1 if this address has penalties, with the reason in why (static).  Is asked before admission by those who serve
 * something besides sessions. */
int startups_penalised(struct startups *s, const struct netaddr *address, int64_t now,
    const char **why);

/* A random number for a new session, which no other session has now. */
uint64_t startups_new_id(const struct startups *s);

/* Add the session that serves a connection from this address and port.  0 or ERR_NOMEM. */
int startups_add(struct startups *s, pid_t pid, uint64_t id, const struct netaddr *address,
    uint32_t port, int64_t now);

/* The same for the process of a TLS connection, which is no session, and logged in once its handshake is done. */
int startups_add_tls(struct startups *s, pid_t pid, uint64_t id, const struct netaddr *address,
    uint32_t port, int64_t now);

/* The keeper's report: the session has logged in, and no longer counts; or its login ended like this. */
void startups_logged_in(struct startups *s, uint64_t id);
/* Or: a second factor is waited for, until this time of clock_ms(): it no longer counts, and is overdue then. */
void startups_half_proven(struct startups *s, uint64_t id, int64_t until);
void startups_login_ended(struct startups *s, uint64_t id, enum ipc_login end, int64_t now);

/*
 * A process has ended, with this status of waitpid(2).  1 if it was a session; a crash is logged.  The
 * source gets its penalty once the keeper has reported as well.
 */
int startups_reap(struct startups *s, pid_t pid, int status, int64_t now);

/* Kill the sessions that are not logged in STARTUP_OVERDUE_MS after LoginGraceTime or FactorTimeout, if they were already
 * overdue at the sweep before. */
void startups_sweep(struct startups *s, int64_t now);
/* When to call startups_sweep() next, or CLOCK_NEVER. */
int64_t startups_next_sweep(const struct startups *s);

/* The sessions that wait for a second factor, at most max of them, and the time of clock_ms() when the last of them is
 * over.  Returns their number. */
size_t startups_half_proven_left(const struct startups *s, uint64_t *ids, size_t max,
    int64_t *until);

/* Send a signal to the process of each session. */
void startups_signal(struct startups *s, int sig);

/* The number of sessions that run, logged in or not. */
unsigned int startups_sessions(const struct startups *s);

/* The same, and the processes of TLS connections. */
unsigned int startups_processes(const struct startups *s);

#endif
