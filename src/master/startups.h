/*
 * Which process serves whom, and what that costs its source: MaxStartups, PerSourceMaxStartups,
 * PerSourcePenalties and LoginGraceTime of sshd_config(5), kept from outside of the sessions.
 * Times are those of clock_ms(), given by the caller.
 */
#ifndef MASTER_STARTUPS_H
#define MASTER_STARTUPS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/netaddr.h"
#include "conf/conf.h"
#include "ipc/ipc.h"

/* A session has so long beyond LoginGraceTime to end by itself; the keeper cuts it off before. */
#define STARTUP_OVERDUE_MS 10000
/* The keeper's word on a login comes within so long of its end, or never. */
#define STARTUP_WORD_MS 10000

enum startup_verdict {
	STARTUP_ADMITTED,
	STARTUP_PENALISED,
	STARTUP_MAX,
	STARTUP_PER_SOURCE,
	STARTUP_VERDICTS
};

struct startups;

struct startups *startups_new(const struct conf_gateway *gateway);
/* Other limits from now on; gateway must stay as long as it is used. */
void startups_set_limits(struct startups *s, const struct conf_gateway *gateway, int64_t now);
void startups_free(struct startups **s);

/* May one more come from this address?  If not, why is the reason for the log (static). */
enum startup_verdict startups_admit(struct startups *s, const struct netaddr *address, int64_t now,
    const char **why);

/* A number for a new session: no other has it now, and nobody can guess or count it. */
uint64_t startups_new_id(const struct startups *s);

/* A process serves a connection from this address and port.  0 or ERR_NOMEM. */
int startups_add(struct startups *s, pid_t pid, uint64_t id, const struct netaddr *address,
    uint32_t port, int64_t now);

/* The keeper's word: it has logged in, and no longer counts; or its login came to this. */
void startups_logged_in(struct startups *s, uint64_t id);
void startups_login_ended(struct startups *s, uint64_t id, enum ipc_login end, int64_t now);

/*
 * A process has ended, with this status of waitpid(2).  1 if it served a session; a crash is
 * logged.  Its source gets a penalty once the keeper's word is here as well.
 */
int startups_reap(struct startups *s, pid_t pid, int status, int64_t now);

/* Kill sessions that are neither logged in nor gone, STARTUP_OVERDUE_MS after LoginGraceTime and
 * once more at the next sweep. */
void startups_sweep(struct startups *s, int64_t now);
/* When to call it next, or CLOCK_NEVER. */
int64_t startups_next_sweep(const struct startups *s);

/* Send a signal to the process of each session. */
void startups_signal(struct startups *s, int sig);

/* All sessions, logged in or not. */
unsigned int startups_sessions(const struct startups *s);

#endif
