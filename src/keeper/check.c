#include "base/fd.h"
#include "base/log.h"
#include "keeper/check.h"
#include "keeper/downstream.h"
#include "keeper/outbox.h"

void
check_init(struct keeper *k)
{
	size_t i;

	turns_init(&k->checks_line);
	for (i = 0; i < KEEPER_CHECKS_MAX; i++) {
		k->checks[i].keeper = k;
		k->checks[i].sock = -1;
		k->checks[i].source = (struct source){ .kind = SOURCE_CHECK,
			.check = &k->checks[i] };
	}
}

static struct check *
check_free_place(struct keeper *k)
{
	size_t i;

	for (i = 0; i < KEEPER_CHECKS_MAX; i++)
		if (k->checks[i].sock == -1)
			return &k->checks[i];
	return NULL;
}

static int
check_start(struct check *c, struct ward *w)
{
	struct bytes password;
	const char *hash;
	struct buf b;
	int r;

	downstream_password(w, &hash, &password);
	ipc_begin(&b, IPC_PASSWORD);
	wire_put_text(&b, hash);
	wire_put_bytes(&b, password);
	r = outbox_errand(c->keeper, &c->source, IPC_ERRAND_CHECK, &b, &c->sock);
	if (r != 0)
		return r;
	c->ward = w;
	w->check = c;
	return 0;
}

/* As many as there are places for. */
static void
check_next(struct keeper *k)
{
	struct check *c;
	struct ward *w;
	int r;

	while ((c = check_free_place(k)) != NULL && (w = turns_next(&k->checks_line)) != NULL) {
		r = check_start(c, w);
		if (r != 0) {
			log_error("session %04jx: cannot have a password checked: %s",
			    (uintmax_t)w->id, err_str(r));
			downstream_password_checked(w, -1);
		}
	}
}

void
check_begin(struct ward *w)
{
	if (w->check != NULL || w->check_turn.waits)
		return;
	turns_wait(&w->keeper->checks_line, &w->check_turn, w, w->client);
	check_next(w->keeper);
}

void
check_cancel(struct ward *w)
{
	turns_leave(&w->keeper->checks_line, &w->check_turn);
	if (w->check != NULL)
		w->check->ward = NULL;
	w->check = NULL;
}

void
check_input(struct check *c)
{
	struct ward *w = c->ward;
	struct ipc_msg msg;
	int r, ok = -1;

	if (c->sock == -1)
		return;
	r = ipc_recv(c->sock, c->keeper->message, IPC_ERRAND_TO_KEEPER, IPC_PHASE_AUTH, &msg);
	if (r == ERR_AGAIN)
		return;
	if (r == 0 && msg.type == IPC_CHECKED) {
		ok = wire_bool(&msg.body);
		if (wire_end(&msg.body) != 0)
			ok = -1;
	}
	if (r == 0)
		fd_close(&msg.fd);
	fd_close(&c->sock);
	c->ward = NULL;
	if (w != NULL) {
		w->check = NULL;
		downstream_password_checked(w, ok);
	}
	check_next(c->keeper);
}
