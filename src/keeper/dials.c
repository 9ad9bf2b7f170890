#include <string.h>

#include "base/clock.h"
#include "keeper/dials.h"
#include "keeper/master_link.h"
#include "keeper/upstream.h"

/* The hosts of the route, those that did not answer lately after the others. */
static void
put_hosts(struct ksession *s, struct buf *b)
{
	const struct strlist *hosts = &s->route->hosts;
	size_t i, n = hosts->n > IPC_HOSTS_MAX ? IPC_HOSTS_MAX : hosts->n;
	int64_t now = clock_ms();
	int dead;

	wire_put_u32(b, (uint32_t)n);
	for (dead = 0; dead <= 1; dead++)
		for (i = 0; i < n; i++)
			if (dead_hosts_has(&s->keeper->dead, hosts->v[i], s->route->port, now) ==
			    dead)
				wire_put_text(b, hosts->v[i]);
}

/* Ask the master for an errand.  0 or an ERR_*. */
static int
send_errand(struct ksession *s)
{
	struct buf b;

	ipc_begin(&b, IPC_DIAL);
	wire_put_u64(&b, s->id);
	wire_put_u32(&b, (uint32_t)s->route->connect_timeout_ms);
	wire_put_u32(&b, s->route->port);
	put_hosts(s, &b);
	return master_link_errand(s->keeper, &s->from_errand, IPC_ERRAND_DIAL, &b, &s->errand);
}

static void
start(struct ksession *s)
{
	struct keeper *k = s->keeper;
	int r;

	TAILQ_REMOVE(&k->to_dial, s, dial_entry);
	TAILQ_INSERT_TAIL(&k->dialling, s, dial_entry);
	s->dial = KSESSION_DIALS;
	k->n_dialling++;
	r = send_errand(s);
	if (r == 0)
		return;
	dials_cancel(s);
	upstream_not_dialled(s, r);
}

static int
same_machine(const struct ksession *a, const struct ksession *b)
{
	return a->route->port == b->route->port &&
	    strcmp(a->route->hosts.v[0], b->route->hosts.v[0]) == 0;
}

/* How many are on their way to the machine that is the first of this one's. */
static unsigned int
dialling_same(const struct ksession *s)
{
	const struct ksession *other;
	unsigned int n = 0;

	TAILQ_FOREACH(other, &s->keeper->dialling, dial_entry)
		n += same_machine(other, s);
	return n;
}

static struct ksession *
next(const struct keeper *k)
{
	struct ksession *s;

	if (k->n_dialling >= DIALS_MAX)
		return NULL;
	TAILQ_FOREACH(s, &k->to_dial, dial_entry)
		if (dialling_same(s) < DIALS_SAME_MAX)
			return s;
	return NULL;
}

void
dials_start(struct keeper *k)
{
	struct ksession *s;

	while (k->dials_changed) {
		k->dials_changed = 0;
		while ((s = next(k)) != NULL)
			start(s);
	}
}

void
dials_ask(struct ksession *s)
{
	s->dial = KSESSION_DIALS_LATER;
	s->dial_deadline = clock_ms() + s->route->connect_timeout_ms;
	TAILQ_INSERT_TAIL(&s->keeper->to_dial, s, dial_entry);
	s->keeper->dials_changed = 1;
}

void
dials_arrived(struct ksession *s)
{
	int64_t now = clock_ms();
	struct ksession *other;

	if (s->dial != KSESSION_DIALS)
		return;
	dials_cancel(s);
	/* the machine is alive: the line moves */
	TAILQ_FOREACH(other, &s->keeper->to_dial, dial_entry)
		if (same_machine(other, s))
			other->dial_deadline = now + other->route->connect_timeout_ms;
}

void
dials_cancel(struct ksession *s)
{
	struct keeper *k = s->keeper;

	if (s->dial == KSESSION_DIALS_LATER) {
		TAILQ_REMOVE(&k->to_dial, s, dial_entry);
	} else if (s->dial == KSESSION_DIALS) {
		TAILQ_REMOVE(&k->dialling, s, dial_entry);
		k->n_dialling--;
		k->dials_changed = 1;
	}
	s->dial = KSESSION_DIALS_NOT;
}

void
dials_sweep(struct keeper *k, int64_t now)
{
	struct ksession *s, *after;

	for (s = TAILQ_FIRST(&k->to_dial); s != NULL; s = after) {
		after = TAILQ_NEXT(s, dial_entry);
		if (now < s->dial_deadline)
			continue;
		dials_cancel(s);
		upstream_not_dialled(s, ERR_AGAIN);
	}
}
