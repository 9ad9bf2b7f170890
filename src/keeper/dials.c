#include <string.h>

#include "base/clock.h"
#include "keeper/dials.h"
#include "keeper/outbox.h"
#include "keeper/upstream.h"

/* The hosts of the route, those that did not answer lately after the others. */
static void
put_hosts(struct ward *w, struct buf *b)
{
	const struct strlist *hosts = &w->route->hosts;
	size_t i, n = hosts->n > IPC_HOSTS_MAX ? IPC_HOSTS_MAX : hosts->n;
	int64_t now = clock_ms();
	int dead;

	wire_put_u32(b, (uint32_t)n);
	for (dead = 0; dead <= 1; dead++)
		for (i = 0; i < n; i++)
			if (dead_hosts_has(&w->keeper->dead, hosts->v[i], w->route->port, now) ==
			    dead)
				wire_put_text(b, hosts->v[i]);
}

/* Ask the master for an errand.  0 or an ERR_*. */
static int
send_errand(struct ward *w)
{
	struct buf b;

	ipc_begin(&b, IPC_DIAL);
	wire_put_u64(&b, w->id);
	wire_put_u32(&b, (uint32_t)w->route->connect_timeout_ms);
	wire_put_u32(&b, w->route->port);
	put_hosts(w, &b);
	return outbox_errand(w->keeper, &w->from_errand, IPC_ERRAND_DIAL, &b, &w->errand);
}

static void
start(struct ward *w)
{
	struct keeper *k = w->keeper;
	int r;

	TAILQ_REMOVE(&k->to_dial, w, dial_entry);
	TAILQ_INSERT_TAIL(&k->dialling, w, dial_entry);
	w->dial = WARD_DIALS;
	k->n_dialling++;
	r = send_errand(w);
	if (r == 0)
		return;
	dials_cancel(w);
	upstream_not_dialled(w, r);
}

static int
same_machine(const struct ward *a, const struct ward *b)
{
	return a->route->port == b->route->port &&
	    strcmp(a->route->hosts.v[0], b->route->hosts.v[0]) == 0;
}

/* How many are on their way to the machine that is the first of this one's. */
static unsigned int
dialling_same(const struct ward *w)
{
	const struct ward *other;
	unsigned int n = 0;

	TAILQ_FOREACH(other, &w->keeper->dialling, dial_entry)
		n += same_machine(other, w);
	return n;
}

static struct ward *
next(const struct keeper *k)
{
	struct ward *w;

	if (k->n_dialling >= DIALS_MAX)
		return NULL;
	TAILQ_FOREACH(w, &k->to_dial, dial_entry)
		if (dialling_same(w) < DIALS_SAME_MAX)
			return w;
	return NULL;
}

void
dials_start(struct keeper *k)
{
	struct ward *w;

	while (k->dials_changed) {
		k->dials_changed = 0;
		while ((w = next(k)) != NULL)
			start(w);
	}
}

void
dials_ask(struct ward *w)
{
	w->dial = WARD_DIALS_LATER;
	w->dial_deadline = clock_ms() + w->route->connect_timeout_ms;
	TAILQ_INSERT_TAIL(&w->keeper->to_dial, w, dial_entry);
	w->keeper->dials_changed = 1;
}

void
dials_arrived(struct ward *w)
{
	int64_t now = clock_ms();
	struct ward *other;

	if (w->dial != WARD_DIALS)
		return;
	dials_cancel(w);
	/* the machine is alive: the line moves */
	TAILQ_FOREACH(other, &w->keeper->to_dial, dial_entry)
		if (same_machine(other, w))
			other->dial_deadline = now + other->route->connect_timeout_ms;
}

void
dials_cancel(struct ward *w)
{
	struct keeper *k = w->keeper;

	if (w->dial == WARD_DIALS_LATER) {
		TAILQ_REMOVE(&k->to_dial, w, dial_entry);
	} else if (w->dial == WARD_DIALS) {
		TAILQ_REMOVE(&k->dialling, w, dial_entry);
		k->n_dialling--;
		k->dials_changed = 1;
	}
	w->dial = WARD_DIALS_NOT;
}

void
dials_sweep(struct keeper *k, int64_t now)
{
	struct ward *w, *after;

	for (w = TAILQ_FIRST(&k->to_dial); w != NULL; w = after) {
		after = TAILQ_NEXT(w, dial_entry);
		if (now < w->dial_deadline)
			continue;
		dials_cancel(w);
		upstream_not_dialled(w, ERR_AGAIN);
	}
}
