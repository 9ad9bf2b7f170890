/*
 * Asking an upstream whether it would take a key (query.h).  Called by look.c once the caller of a
 * trial has judged the host key.
 */
#include <poll.h>

#include "base/clock.h"
#include "errand/query.h"
#include "ipc/messages.h"

void
query_packet(struct query *q, const uint8_t *payload, size_t len)
{
	struct buf none;

	if (q->auth == NULL || len == 0)
		return;
	buf_init(&none, AUTH_CLIENT_MESSAGE_MAX);
	q->verdict = auth_client_input(q->auth, payload, len, &none);
	buf_free(&none);
}

int
query_step(struct leg *leg, int answer, int64_t deadline, const char **why)
{
	struct pollfd fds[2] = { { leg_fd(leg), POLLIN, 0 }, { answer, POLLIN, 0 } };
	int n, r;

	*why = NULL;
	if (leg_writable(leg) > 0)
		fds[0].events |= POLLOUT;
	n = poll(fds, 2, clock_until(deadline, clock_ms()));
	if (n == -1 || fds[1].revents != 0) {
		*why = "nobody waits for the answer";
		return ERR_EOF;
	}
	if (n == 0) {
		*why = "timed out";
		return ERR_TIMEOUT;
	}
	r = leg_input(leg);
	if (r == 0 || r == ERR_AGAIN)
		return 0;
	if (leg_peer_disconnect(leg, why) == 0)
		*why = leg_error(leg);
	return ERR_SSH;
}

/* NULL once the host has answered, or why it has not. */
static const char *
query_await(struct query *q, struct leg *leg, int answer, int64_t deadline)
{
	const char *why;

	for (;;) {
		if (leg_flush(leg) != 0)
			return leg_error(leg);
		if (q->verdict != AUTH_CLIENT_WAIT && q->verdict != AUTH_CLIENT_BANNER)
			return NULL;
		if (query_step(leg, answer, deadline, &why) != 0)
			return why;
	}
}

/* Ask about one key.  NULL, with 1 in *taken if the host would take it; or why there is no answer. */
static const char *
query_key(struct query *q, struct leg *leg, struct bytes blob, int answer, int64_t deadline,
    int *taken)
{
	const char *why = NULL;
	struct bytes payload;
	struct wire r;
	struct buf out;

	*taken = 0;
	buf_init(&out, AUTH_CLIENT_MESSAGE_MAX + 1024);
	if (!auth_client_query(q->auth, blob, &out)) {
		why = "the gateway has no algorithm for such a key";
		goto out;
	}
	wire_init(&r, out.data, out.len);
	payload = wire_string(&r);
	q->verdict = AUTH_CLIENT_WAIT;
	if (wire_err(&r) != 0 || leg_send(leg, payload.p, payload.len) != 0)
		why = leg_error(leg);
	else
		why = query_await(q, leg, answer, deadline);
	if (why == NULL && q->verdict != AUTH_CLIENT_WANTED && q->verdict != AUTH_CLIENT_REFUSED)
		why = q->verdict == AUTH_CLIENT_FAILED ? auth_client_reason(q->auth) :
							 "an answer that nothing asked for";
	*taken = why == NULL && q->verdict == AUTH_CLIENT_WANTED;
out:
	buf_free(&out);
	return why;
}

/* The certificate first, as a login does. */
static const char *
query_keys(struct query *q, struct leg *leg, struct bytes certificate, struct bytes key, int answer,
    int64_t deadline, enum ipc_taken *by)
{
	const char *why = NULL;
	int taken = 0;

	*by = IPC_TAKEN_NONE;
	if (certificate.len > 0)
		why = query_key(q, leg, certificate, answer, deadline, &taken);
	if (taken)
		*by = IPC_TAKEN_CERTIFICATE;
	if (why != NULL || taken)
		return why;
	why = query_key(q, leg, key, answer, deadline, &taken);
	if (taken)
		*by = IPC_TAKEN_KEY;
	return why;
}

/* Ask about both, and put the answer into queried, whose texts belong to q and the leg. */
static void
query_ask(struct query *q, struct leg *leg, const char *user, struct bytes certificate,
    struct bytes key, int answer, int64_t deadline, struct ipc_queried *queried)
{
	static const struct auth_client_ops no_signatures = { 0 };
	struct bytes id = leg_session_id(leg);
	const struct auth_client_config config = { .session_id = id.p,
		.session_id_len = id.len,
		.user = user,
		.server_sig_algs = leg_server_sig_algs(leg),
		.several = 1 };
	const char *why = err_str(ERR_NOMEM);

	q->auth = auth_client_new(&config, &no_signatures, NULL);
	if (q->auth != NULL)
		why = query_keys(q, leg, certificate, key, answer, deadline, &queried->taken);
	if (why != NULL)
		queried->reason = why;
	else if (queried->taken == IPC_TAKEN_NONE)
		queried->methods = auth_client_methods(q->auth);
	if (config.server_sig_algs != NULL)
		queried->sig_algs = config.server_sig_algs;
}

int
query_run(struct query *q, struct leg *leg, int answer, int64_t deadline, struct buf *reply)
{
	static uint8_t message[IPC_MAX];
	struct pollfd pfd = { answer, POLLIN, 0 };
	struct ipc_queried queried = { .methods = "", .sig_algs = "", .reason = "" };
	struct bytes certificate, key;
	struct ipc_msg msg;
	char user[256];
	int r;

	if (poll(&pfd, 1, clock_until(deadline, clock_ms())) != 1)
		return ERR_TIMEOUT;
	r = ipc_recv(answer, message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg);
	if (r == 0 && msg.type != IPC_QUERY)
		r = ERR_BADSTATE;
	if (r != 0)
		return r;
	wire_text(&msg.body, user, sizeof(user));
	certificate = wire_string(&msg.body);
	key = wire_string(&msg.body);
	r = wire_end(&msg.body);
	if (r != 0)
		return r;
	if (key.len > 0)
		query_ask(q, leg, user, certificate, key, answer, deadline, &queried);
	ipc_begin(reply, IPC_QUERIED);
	ipc_queried_put(reply, &queried);
	auth_client_free(&q->auth);
	return 0;
}
