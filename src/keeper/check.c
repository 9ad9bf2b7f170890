#include "base/fd.h"
#include "base/log.h"
#include "keeper/check.h"
#include "keeper/downstream.h"
#include "keeper/master_link.h"

void
check_init(struct keeper *k)
{
	size_t i;

	fairq_init(&k->checks_line);
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
check_start(struct check *c, struct ksession *s)
{
	struct bytes password;
	const char *hash;
	struct buf b;
	int r;

	downstream_password(s, &hash, &password);
	ipc_begin(&b, IPC_PASSWORD);
	wire_put_text(&b, hash);
	wire_put_bytes(&b, password);
	r = master_link_errand(c->keeper, &c->source, IPC_ERRAND_CHECK, &b, &c->sock);
	if (r != 0)
		return r;
	c->session = s;
	s->check = c;
	return 0;
}

/* As many as there are places for. */
static void
check_next(struct keeper *k)
{
	struct check *c;
	struct ksession *s;
	int r;

	while ((c = check_free_place(k)) != NULL && (s = fairq_next(&k->checks_line)) != NULL) {
		r = check_start(c, s);
		if (r != 0) {
			log_error("session %04jx: cannot have a password checked: %s",
			    (uintmax_t)s->id, err_str(r));
			downstream_password_checked(s, -1);
		}
	}
}

void
check_begin(struct ksession *s)
{
	if (s->check != NULL || s->check_turn.waits)
		return;
	fairq_wait(&s->keeper->checks_line, &s->check_turn, s, s->client);
	check_next(s->keeper);
}

void
check_cancel(struct ksession *s)
{
	fairq_leave(&s->keeper->checks_line, &s->check_turn);
	if (s->check != NULL)
		s->check->session = NULL;
	s->check = NULL;
}

void
check_input(struct check *c)
{
	struct ksession *s = c->session;
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
	c->session = NULL;
	if (s != NULL) {
		s->check = NULL;
		downstream_password_checked(s, ok);
	}
	check_next(c->keeper);
}
