/*
 * FactorTimeout: how long a login that has been proven in part may take, and how many may be so at
 * once.  downstream.c begins it; ksession.c ends it, and has the deadlines.
 */
#include <string.h>

#include "base/clock.h"
#include "keeper/factor_time.h"
#include "keeper/ksession.h"
#include "keeper/master_link.h"

void
factor_times_init(struct factor_times *times)
{
	TAILQ_INIT(&times->list);
	times->n = 0;
}

/* How many sessions of this login have it.  A style (alice:x) makes no other login. */
static unsigned int
factor_times_same(const struct factor_times *times, const char *login)
{
	const size_t len = lookup_style(login);
	const struct ksession *s;
	const char *other;
	unsigned int n = 0;

	TAILQ_FOREACH(s, &times->list, factor_time.entry) {
		other = auth_server_login(s->down.auth);
		n += lookup_style(other) == len && memcmp(other, login, len) == 0;
	}
	return n;
}

/* 1 if there is room for one more; else 0, and the log says why. */
static int
factor_time_fits(const struct ksession *s)
{
	const struct factor_times *times = &s->keeper->factor_times;
	const unsigned int same = factor_times_same(times, auth_server_login(s->down.auth));

	if (times->n < FACTOR_TIMES_MAX && same < FACTOR_TIMES_SAME_MAX)
		return 1;
	ksession_info(s,
	    "%s: LoginGraceTime and MaxStartups count, and no FactorTimeout: %u logins%s wait for "
	    "their second factor already",
	    ksession_login(s), same < FACTOR_TIMES_SAME_MAX ? times->n : same,
	    same < FACTOR_TIMES_SAME_MAX ? "" : " of this user");
	return 0;
}

void
factor_time_begin(struct ksession *s)
{
	struct factor_time *t = &s->factor_time;
	struct buf b;

	if (t->asked)
		return;
	t->asked = 1;
	if (!factor_time_fits(s))
		return;
	t->until = clock_ms() + s->route->factor_timeout_ms;
	t->counted = 1;
	TAILQ_INSERT_TAIL(&s->keeper->factor_times.list, s, factor_time.entry);
	s->keeper->factor_times.n++;
	ksession_set_deadline(s);
	ipc_begin(&b, IPC_HALF_PROVEN);
	wire_put_u64(&b, s->id);
	wire_put_u64(&b, (uint64_t)t->until);
	ksession_tell_master(s, &b);
	ipc_begin(&b, IPC_LOGIN_TIME);
	wire_put_u64(&b, (uint64_t)t->until);
	(void)ksession_send(s, &b, -1);
}

void
factor_time_end(struct ksession *s)
{
	if (!s->factor_time.counted)
		return;
	s->factor_time.counted = 0;
	TAILQ_REMOVE(&s->keeper->factor_times.list, s, factor_time.entry);
	s->keeper->factor_times.n--;
}
