/*
 * The time that a person has for a second factor: once the client has proven itself in part, FactorTimeout
 * counts in place of LoginGraceTime, and the session no longer counts for MaxStartups.
 */
#ifndef KEEPER_FACTOR_TIME_H
#define KEEPER_FACTOR_TIME_H

#include <stdint.h>
#include <sys/queue.h>

struct keeper;
struct ksession;

/*
 * Sessions that have this time at once: of one login, which is more than a person answers, so that a stolen key
 * alone takes little; and in all, which is half a gigabyte of processes.  Those beyond it keep to MaxStartups and
 * LoginGraceTime.
 */
#define FACTOR_TIMES_SAME_MAX 10
#define FACTOR_TIMES_MAX 1000

TAILQ_HEAD(factor_time_list, ksession);

/* Of a keeper: the sessions that have it, until they are logged in or end. */
struct factor_times {
	struct factor_time_list list;
	unsigned int n;
};

/* Of a session. */
struct factor_time {
	TAILQ_ENTRY(ksession) entry; /* in the list, if counted */
	int counted;
	int asked;     /* once in a login, whatever became of it */
	int64_t until; /* of clock_ms(); 0: LoginGraceTime counts */
};

void factor_times_init(struct factor_times *times);

/* The keeper has verified a method of this client, and a factor is to come: its time begins, unless it has begun or
 * too many have it. */
void factor_time_begin(struct ksession *s);

/* The session is logged in, or has ended: it does not count any more. */
void factor_time_end(struct ksession *s);

#endif
