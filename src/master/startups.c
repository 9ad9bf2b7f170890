/*
 * The master's table of sessions: admits connections (MaxStartups), follows each session to its end,
 * kills overdue ones, and gives penalties.  Called by master.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/dontfork.h"
#include "master/penalties.h"
#include "master/startups.h"

/* With 10,000 sessions a bucket has two or three. */
#define STARTUP_BUCKETS 4096
/* How often overdue sessions are looked for. */
#define STARTUP_SWEEP_MS 1000

struct startup {
	TAILQ_ENTRY(startup) entry; /* in starting, half_proven or unsettled */
	LIST_ENTRY(startup) by_pid, by_id;
	pid_t pid;
	uint64_t id;
	struct netaddr address;
	uint32_t port;
	int tls; /* it is the process of a TLS connection, and no session */
	int logged_in;
	int half_proven;
	int late;    /* it was overdue at the last sweep */
	int overdue; /* it was overdue twice and has been killed */
	int has_end; /* end is set: the keeper has reported how the login ended */
	enum ipc_login end;
	int64_t grace_end; /* of LoginGraceTime or FactorTimeout; CLOCK_NEVER: there is none */
	int64_t ended;	   /* when its process ended; 0: it runs */
};

/* How many connections of one source are logging in. */
struct startup_source {
	LIST_ENTRY(startup_source) chain;
	struct netaddr source; /* masked */
	unsigned int n;
};

LIST_HEAD(startup_chain, startup);
LIST_HEAD(startup_sources, startup_source);
TAILQ_HEAD(startup_list, startup);

struct startups {
	const struct conf_gateway *gateway;
	struct penalties *penalties;
	struct netaddr_key key;
	struct startup_chain by_pid[STARTUP_BUCKETS], by_id[STARTUP_BUCKETS];
	struct startup_sources sources[STARTUP_BUCKETS];
	struct startup_list starting;	 /* running, and not logged in yet */
	struct startup_list half_proven; /* the same, and waiting for a second factor */
	struct startup_list unsettled;	 /* ended, and the keeper has not reported yet */
	unsigned int n_starting, all;	 /* all: every one whose process runs */
	unsigned int tls;		 /* of these, processes of TLS connections */
	int64_t swept;
	int signalled; /* the signal of startups_signal(); 0: none */
};

struct startups *
startups_new(const struct conf_gateway *gateway)
{
	struct startups *s = dontfork_new(sizeof(*s));

	if (s == NULL)
		return NULL;
	s->gateway = gateway;
	TAILQ_INIT(&s->starting);
	TAILQ_INIT(&s->half_proven);
	TAILQ_INIT(&s->unsettled);
	netaddr_key_make(&s->key);
	s->penalties = penalties_new(gateway);
	if (s->penalties == NULL)
		startups_free(&s);
	return s;
}

/* --- connections of a source that are logging in --- */

static struct startup_sources *
startup_source_chain(struct startups *s, const struct netaddr *source)
{
	return &s->sources[netaddr_hash(source, &s->key) % STARTUP_BUCKETS];
}

struct netaddr
startups_source(const struct startups *s, const struct netaddr *address)
{
	struct netaddr source = *address;

	netaddr_mask(&source, (unsigned int)s->gateway->per_source_net_block[0],
	    (unsigned int)s->gateway->per_source_net_block[1]);
	return source;
}

/* NULL: the source has none. */
static struct startup_source *
startup_source_find(struct startups *s, const struct netaddr *address)
{
	struct netaddr source = startups_source(s, address);
	struct startup_source *e;

	LIST_FOREACH(e, startup_source_chain(s, &source), chain)
		if (netaddr_equal(&e->source, &source))
			break;
	return e;
}

static int
startup_source_add(struct startups *s, const struct netaddr *address)
{
	struct startup_source *e = startup_source_find(s, address);

	if (e == NULL) {
		e = calloc(1, sizeof(*e));
		if (e == NULL)
			return ERR_NOMEM;
		e->source = startups_source(s, address);
		LIST_INSERT_HEAD(startup_source_chain(s, &e->source), e, chain);
	}
	e->n++;
	return 0;
}

static void
startup_source_remove(struct startups *s, const struct netaddr *address)
{
	struct startup_source *e = startup_source_find(s, address);

	if (e == NULL || --e->n > 0)
		return;
	LIST_REMOVE(e, chain);
	free(e);
}

static void
startup_sources_clear(struct startups *s)
{
	struct startup_source *e;
	size_t i;

	for (i = 0; i < STARTUP_BUCKETS; i++)
		while ((e = LIST_FIRST(&s->sources[i])) != NULL) {
			LIST_REMOVE(e, chain);
			free(e);
		}
}

/* --- a session --- */

static struct startup *
startup_by_id(struct startups *s, uint64_t id)
{
	struct startup *e;

	LIST_FOREACH(e, &s->by_id[id % STARTUP_BUCKETS], by_id)
		if (e->id == id)
			break;
	return e;
}

static struct startup *
startup_by_pid(struct startups *s, pid_t pid)
{
	struct startup *e;

	LIST_FOREACH(e, &s->by_pid[(unsigned int)pid % STARTUP_BUCKETS], by_pid)
		if (e->pid == pid)
			break;
	return e;
}

/* A session has logged in, or half, or ended: it no longer counts for MaxStartups and PerSourceMaxStartups. */
static void
startup_leave(struct startups *s, struct startup *e)
{
	if (e->half_proven) {
		TAILQ_REMOVE(&s->half_proven, e, entry);
		return;
	}
	TAILQ_REMOVE(&s->starting, e, entry);
	s->n_starting--;
	startup_source_remove(s, &e->address);
}

static void
startup_forget(struct startup *e)
{
	LIST_REMOVE(e, by_id);
	free(e);
}

/* The process has ended and the keeper has reported: give the source its penalty, and forget the session. */
static void
startup_settle(struct startups *s, struct startup *e, int64_t now)
{
	static const enum conf_penalty costs[] = {
		[IPC_LOGIN_NOAUTH] = CONF_PENALTY_NOAUTH,
		[IPC_LOGIN_AUTHFAIL] = CONF_PENALTY_AUTHFAIL,
		[IPC_LOGIN_INVALIDUSER] = CONF_PENALTY_INVALIDUSER,
	};

	if (!e->logged_in && e->end != IPC_LOGIN_EXCUSED)
		penalties_add(s->penalties, &e->address,
		    e->ended >= e->grace_end ? CONF_PENALTY_GRACE_EXCEEDED : costs[e->end], now);
	startup_forget(e);
}

/* --- admission --- */

/* MaxStartups begin:rate:full: random early drop, from begin on with a chance of rate percent, which rises
 * to 100 percent at full. */
static int
startups_drop(const struct startups *s)
{
	unsigned int begin = (unsigned int)s->gateway->max_startups[0];
	unsigned int rate = (unsigned int)s->gateway->max_startups[1];
	unsigned int full = (unsigned int)s->gateway->max_startups[2];
	unsigned int chance;

	if (s->n_starting < begin)
		return 0;
	if (s->n_starting >= full || rate == 100)
		return 1;
	chance = rate + (100 - rate) * (s->n_starting - begin) / (full - begin);
	return randombytes_uniform(100) < chance;
}

enum startup_verdict
startups_admit(struct startups *s, const struct netaddr *address, int64_t now, const char **why)
{
	unsigned int per_source = (unsigned int)s->gateway->per_source_max_startups;
	const struct startup_source *e;

	if (!penalties_admit(s->penalties, address, now, why))
		return STARTUP_PENALISED;
	*why = "MaxStartups";
	if (startups_drop(s))
		return STARTUP_MAX;
	*why = "PerSourceMaxStartups";
	e = per_source == 0 ? NULL : startup_source_find(s, address);
	if (e != NULL && e->n >= per_source)
		return STARTUP_PER_SOURCE;
	return STARTUP_ADMITTED;
}

void
startups_penalise(struct startups *s, const struct netaddr *address, enum conf_penalty what,
    int64_t now)
{
	penalties_add(s->penalties, address, what, now);
}

int
startups_penalised(struct startups *s, const struct netaddr *address, int64_t now, const char **why)
{
	return !penalties_admit(s->penalties, address, now, why);
}

/* An unused number of eight hexadecimal digits: short enough to be read out on the telephone. */
uint64_t
startups_new_id(const struct startups *s)
{
	const struct startup *e;
	uint64_t id;

	do {
		id = 0x10000000U + randombytes_uniform(0xf0000000U);
		LIST_FOREACH(e, &s->by_id[id % STARTUP_BUCKETS], by_id)
			if (e->id == id)
				break;
	} while (e != NULL);
	return id;
}

int
startups_add(struct startups *s, pid_t pid, uint64_t id, const struct netaddr *address,
    uint32_t port, int64_t now)
{
	struct startup *e = calloc(1, sizeof(*e));

	if (e == NULL || startup_source_add(s, address) != 0) {
		free(e);
		return ERR_NOMEM;
	}
	e->pid = pid;
	e->id = id;
	e->address = *address;
	e->port = port;
	e->grace_end = s->gateway->login_grace_ms > 0 ? now + s->gateway->login_grace_ms :
							CLOCK_NEVER;
	LIST_INSERT_HEAD(&s->by_pid[(unsigned int)pid % STARTUP_BUCKETS], e, by_pid);
	LIST_INSERT_HEAD(&s->by_id[id % STARTUP_BUCKETS], e, by_id);
	TAILQ_INSERT_TAIL(&s->starting, e, entry);
	s->n_starting++;
	s->all++;
	return 0;
}

int
startups_add_tls(struct startups *s, pid_t pid, uint64_t id, const struct netaddr *address,
    uint32_t port, int64_t now)
{
	int r = startups_add(s, pid, id, address, port, now);

	if (r == 0) {
		startup_by_id(s, id)->tls = 1;
		s->tls++;
	}
	return r;
}

/* --- what the keeper reports, and the end --- */

void
startups_logged_in(struct startups *s, uint64_t id)
{
	struct startup *e = startup_by_id(s, id);

	if (e == NULL || e->logged_in || e->has_end)
		return;
	e->logged_in = 1;
	if (e->ended == 0) {
		startup_leave(s, e);
		return;
	}
	TAILQ_REMOVE(&s->unsettled, e, entry);
	startup_forget(e);
}

void
startups_half_proven(struct startups *s, uint64_t id, int64_t until)
{
	struct startup *e = startup_by_id(s, id);

	if (e == NULL || e->logged_in || e->half_proven || e->has_end)
		return;
	e->grace_end = until;
	e->late = 0;
	/* the report of its end is on its way */
	if (e->ended != 0)
		return;
	startup_leave(s, e);
	e->half_proven = 1;
	TAILQ_INSERT_TAIL(&s->half_proven, e, entry);
}

void
startups_login_ended(struct startups *s, uint64_t id, enum ipc_login end, int64_t now)
{
	struct startup *e = startup_by_id(s, id);

	if (e == NULL || e->logged_in || e->has_end)
		return;
	e->has_end = 1;
	e->end = end;
	if (e->ended == 0)
		return;
	TAILQ_REMOVE(&s->unsettled, e, entry);
	startup_settle(s, e, now);
}

static void
startup_log_crash(const struct startup *e, int sig)
{
	char text[NETADDR_TEXT_SIZE], number[24];
	struct log_fields f;

	snprintf(number, sizeof(number), "%04jx", (uintmax_t)e->id);
	log_fields_begin(&f, "crashed");
	log_field_text(&f, "session", number);
	log_field_text(&f, "client", netaddr_text(&e->address, text));
	log_field_number(&f, "client_port", e->port);
	log_field_number(&f, "signal", (uint64_t)sig);
	log_event(LOG_LVL_ERROR, &f, "session %s: crashed: killed by signal %d%s, from %s port %u",
	    number, sig, sig == SIGSYS ? " (system call not allowed)" : "", text, e->port);
}

int
startups_reap(struct startups *s, pid_t pid, int status, int64_t now)
{
	struct startup *e = startup_by_pid(s, pid);

	if (e == NULL)
		return 0;
	LIST_REMOVE(e, by_pid);
	s->all--;
	s->tls -= (unsigned int)e->tls;
	e->ended = now;
	if (!e->logged_in)
		startup_leave(s, e);
	if (WIFSIGNALED(status) && !e->overdue && WTERMSIG(status) != s->signalled) {
		startup_log_crash(e, WTERMSIG(status));
		penalties_add(s->penalties, &e->address, CONF_PENALTY_CRASH, now);
		startup_forget(e);
	} else if (e->overdue) {
		penalties_add(s->penalties, &e->address, CONF_PENALTY_GRACE_EXCEEDED, now);
		startup_forget(e);
	} else if (e->logged_in || e->has_end) {
		startup_settle(s, e, now);
	} else {
		TAILQ_INSERT_TAIL(&s->unsettled, e, entry);
	}
	return 1;
}

static void
startup_kill(struct startup *e)
{
	char text[NETADDR_TEXT_SIZE];

	/* the process has not been reaped, so its number cannot be another's */
	(void)kill(e->pid, SIGKILL);
	e->overdue = 1;
	log_warn("session %04jx: killed: neither logged in nor gone %d s after %s, from %s port %u",
	    (uintmax_t)e->id, STARTUP_OVERDUE_MS / 1000,
	    e->half_proven ? "FactorTimeout" : "LoginGraceTime", netaddr_text(&e->address, text),
	    e->port);
}

static void
startups_sweep_list(const struct startup_list *list, int64_t now)
{
	struct startup *e;

	TAILQ_FOREACH(e, list, entry) {
		/* cppcheck does not see through the loop: the queue has whole entries alone */
		/* cppcheck-suppress uninitvar */
		if (e->overdue || e->grace_end == CLOCK_NEVER ||
		    now < e->grace_end + STARTUP_OVERDUE_MS)
			continue;
		/* only at the second sweep: if the master stood still, LOGGED_IN may wait to be read */
		if (e->late)
			startup_kill(e);
		e->late = 1;
	}
}

void
startups_sweep(struct startups *s, int64_t now)
{
	struct startup *e;

	if (now < startups_next_sweep(s))
		return;
	s->swept = now;
	startups_sweep_list(&s->starting, now);
	startups_sweep_list(&s->half_proven, now);
	while ((e = TAILQ_FIRST(&s->unsettled)) != NULL && now >= e->ended + STARTUP_WORD_MS)
		startups_login_ended(s, e->id, IPC_LOGIN_NOAUTH, now);
}

int64_t
startups_next_sweep(const struct startups *s)
{
	if (TAILQ_EMPTY(&s->starting) && TAILQ_EMPTY(&s->half_proven) && TAILQ_EMPTY(&s->unsettled))
		return CLOCK_NEVER;
	return s->swept + STARTUP_SWEEP_MS;
}

size_t
startups_half_proven_left(const struct startups *s, uint64_t *ids, size_t max, int64_t *until)
{
	const struct startup *e;
	size_t n = 0;

	*until = 0;
	TAILQ_FOREACH(e, &s->half_proven, entry) {
		if (e->has_end || n == max)
			continue;
		ids[n++] = e->id;
		if (e->grace_end > *until)
			*until = e->grace_end;
	}
	return n;
}

void
startups_signal(struct startups *s, int sig)
{
	const struct startup *e;
	size_t i;

	s->signalled = sig;
	for (i = 0; i < STARTUP_BUCKETS; i++)
		LIST_FOREACH(e, &s->by_pid[i], by_pid)
			(void)kill(e->pid, sig);
}

unsigned int
startups_sessions(const struct startups *s)
{
	return s->all - s->tls;
}

unsigned int
startups_processes(const struct startups *s)
{
	return s->all;
}

/* --- a reload, and freeing --- */

void
startups_set_limits(struct startups *s, const struct conf_gateway *gateway, int64_t now)
{
	const struct startup *e;

	penalties_set_limits(s->penalties, gateway, now);
	startup_sources_clear(s);
	s->gateway = gateway;
	/* counted anew, because PerSourceNetBlockSize may have changed */
	TAILQ_FOREACH(e, &s->starting, entry)
		if (startup_source_add(s, &e->address) != 0)
			log_error("no memory to count connections");
}

void
startups_free(struct startups **sp)
{
	struct startups *s = *sp;
	struct startup *e;
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < STARTUP_BUCKETS; i++)
		while ((e = LIST_FIRST(&s->by_id[i])) != NULL)
			startup_forget(e);
	startup_sources_clear(s);
	penalties_free(&s->penalties);
	dontfork_free(s, sizeof(*s));
	*sp = NULL;
}
