/*
 * Looks at the host keys of machines that accept-new does not know yet: an errand for each machine, and
 * the logins that wait for it.  upstream_host_key.c asks for them.
 */
#include <string.h>

#include "base/fd.h"
#include "keeper/dials.h"
#include "keeper/looks.h"
#include "keeper/master_link.h"
#include "keeper/upstream.h"

/* Every look has a login that waits for it, which has its place among the dials. */
_Static_assert(KEEPER_LOOKS_MAX >= DIALS_MAX, "a place for each look");

void
looks_init(struct keeper *k)
{
	size_t i;

	for (i = 0; i < KEEPER_LOOKS_MAX; i++) {
		k->looks[i].keeper = k;
		k->looks[i].sock = -1;
		k->looks[i].source = (struct source){ .kind = SOURCE_LOOK, .look = &k->looks[i] };
		TAILQ_INIT(&k->looks[i].waiting);
	}
}

/* The LOOK message: what it says of the machine is what the session is told in UPSTREAM_FD. */
static void
put_order(const struct ksession *s, struct buf *b)
{
	const struct route *r = s->route;
	struct reason why;

	ipc_begin(b, IPC_LOOK);
	wire_put_u32(b, (uint32_t)r->connect_timeout_ms);
	wire_put_u32(b, r->port);
	wire_put_text(b, s->host);
	(void)upstream_put_algorithms(s, b, &why); /* UPSTREAM_FD has logged why */
}

/* The look that is under way for the same order, or NULL; *place is one that is free, or NULL. */
static struct look *
find_look(struct keeper *k, const struct buf *order, struct look **place)
{
	struct look *l;
	size_t i;

	*place = NULL;
	for (i = 0; i < KEEPER_LOOKS_MAX; i++) {
		l = &k->looks[i];
		if (l->sock == -1)
			*place = l;
		else if (l->order.len == order->len &&
		    memcmp(l->order.data, order->data, order->len) == 0)
			return l;
	}
	return NULL;
}

/* 0 or an ERR_*. */
static int
start_look(struct look *l, const struct buf *order)
{
	struct buf b;
	int r;

	buf_init(&l->order, order->max);
	buf_init(&b, order->max);
	buf_put(&l->order, order->data, order->len);
	buf_put(&b, order->data, order->len);
	r = buf_err(&l->order);
	if (r == 0)
		r = master_link_errand(l->keeper, &l->source, IPC_ERRAND_LOOK, &b, &l->sock);
	else
		buf_free(&b);
	if (r != 0)
		buf_free(&l->order);
	return r;
}

int
looks_ask(struct ksession *s)
{
	struct look *l, *place;
	struct buf order;
	int r;

	put_order(s, &order);
	r = buf_err(&order);
	l = r == 0 ? find_look(s->keeper, &order, &place) : NULL;
	if (r == 0 && l == NULL) {
		l = place;
		r = l == NULL ? ERR_TOOBIG : start_look(l, &order);
	}
	buf_free(&order);
	if (r != 0)
		return r;
	s->look = l;
	TAILQ_INSERT_TAIL(&l->waiting, s, look_entry);
	return 0;
}

static void
look_end(struct look *l)
{
	fd_close(&l->sock);
	buf_free(&l->order);
}

static void
stop_waiting(struct ksession *s)
{
	TAILQ_REMOVE(&s->look->waiting, s, look_entry);
	s->look = NULL;
}

void
looks_cancel(struct ksession *s)
{
	struct look *l = s->look;

	if (l == NULL)
		return;
	stop_waiting(s);
	if (TAILQ_EMPTY(&l->waiting))
		look_end(l);
}

void
looks_input(struct look *l)
{
	struct ipc_msg msg, copy;
	struct ksession *s;
	int r;

	if (l->sock == -1)
		return;
	r = ipc_recv(l->sock, l->keeper->message, IPC_ERRAND_TO_KEEPER, IPC_PHASE_UPSTREAM_KEX,
	    &msg);
	if (r == ERR_AGAIN)
		return;
	look_end(l);
	while ((s = TAILQ_FIRST(&l->waiting)) != NULL) {
		stop_waiting(s);
		copy = msg;
		upstream_looked(s, r == 0 ? &copy : NULL, r);
	}
}
