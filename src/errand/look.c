/*
 * The errand that looks at a host key: it does the key exchange with an upstream for the keeper, where
 * StrictHostKeyChecking is accept-new and no key is known yet.  So the key that the keeper writes down
 * is not a session's word.  A role of cli/role.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/proctitle.h"
#include "errand/confine.h"
#include "errand/dial.h"
#include "errand/errand.h"
#include "ipc/ipc.h"
#include "session/session.h"
#include "transport/leg.h"
#include "wire/ssh.h"

#define LOOK_WHY_MAX 400
#define LOOK_KEY_MAX 8192 /* the same limit as a session's */

/* What a LOOK message says. */
struct look_order {
	int64_t deadline;
	char host[256], port[16];
	char kex[1024], host_keys[1024], ciphers[1024], macs[1024]; /* "": our defaults */
};

struct look_result {
	struct buf looked; /* the LOOKED message, once the upstream has shown its key */
	struct reason why; /* why there is none; "" if there is */
};

static int
look_shown(void *ctx, const char *alg, struct bytes hash, struct bytes blob, struct bytes sig)
{
	struct look_result *result = ctx;

	if (result->looked.len > 0)
		return ERR_BADSTATE; /* a second key exchange */
	if (blob.len > LOOK_KEY_MAX || sig.len > LOOK_KEY_MAX)
		return ERR_TOOBIG;
	ipc_begin(&result->looked, IPC_LOOKED);
	wire_put_text(&result->looked, alg);
	wire_put_bytes(&result->looked, hash);
	wire_put_bytes(&result->looked, blob);
	wire_put_bytes(&result->looked, sig);
	return buf_err(&result->looked);
}

static int
look_never_sign(void *ctx, const char *alg, struct bytes hash, struct buf *sig)
{
	return ERR_BADSTATE;
}

static void
look_no_packet(void *ctx, struct leg *leg, uint8_t *payload, size_t len)
{
}

static const struct leg_ops look_ops = { look_never_sign, look_shown, look_no_packet };

/* NULL once the keys have been exchanged, or why they have not. */
static const char *
look_exchange(struct leg *leg, int answer, int64_t deadline)
{
	struct pollfd fds[2] = { { .fd = leg_fd(leg) }, { .fd = answer, .events = POLLIN } };
	const char *text;
	int n, r;

	for (;;) {
		if (leg_flush(leg) != 0)
			return leg_error(leg);
		if (leg_ready(leg))
			return NULL;
		fds[0].events = leg_writable(leg) > 0 ? POLLIN | POLLOUT : POLLIN;
		n = poll(fds, 2, clock_until(deadline, clock_ms()));
		if (n == 0)
			return "timed out";
		/* the keeper has closed the socket: no login waits for the answer */
		if (n == -1 || fds[1].revents != 0)
			_exit(1);
		r = leg_input(leg);
		if (r != 0 && r != ERR_AGAIN)
			return leg_peer_disconnect(leg, &text) != 0 ? text : leg_error(leg);
	}
}

static void
look_at(int fd, const struct look_order *order, int answer, struct look_result *result)
{
	const struct leg_config config = {
		.kex_algorithms = order->kex[0] != '\0' ? order->kex : NULL,
		.host_key_algorithms = order->host_keys[0] != '\0' ? order->host_keys : NULL,
		.ciphers = order->ciphers[0] != '\0' ? order->ciphers : NULL,
		.macs = order->macs[0] != '\0' ? order->macs : NULL,
	};
	struct leg *leg;
	const char *why;

	leg = leg_new_client(fd, &config, &look_ops, result, &why);
	if (leg != NULL)
		why = look_exchange(leg, answer, order->deadline);
	if (why != NULL) {
		reason_set(&result->why, "%s port %s: %.300s", order->host, order->port, why);
		return;
	}
	leg_disconnect(leg, SSH_DISCONNECT_BY_APPLICATION, "sallyport: a look at the host key");
	(void)!leg_flush(leg);
	leg_free(&leg);
}

/* /dev/null on 0 to 2: what the upstream says leaves this process in the answer alone. */
static int
look_silent(void)
{
	int fd, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (null == -1 || dup2(null, fd) == -1)
			return ERR_SYS;
	if (null > STDERR_FILENO)
		close(null);
	return 0;
}

void
errand_look(int answer)
{
	static uint8_t message[IPC_MAX];
	struct ipc_msg msg;
	struct wire *body = &msg.body;
	struct look_result result;
	struct look_order order;
	uint32_t timeout_ms;
	int fd;

	if (ipc_recv(answer, message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg) != 0 ||
	    msg.type != IPC_LOOK)
		_exit(1);
	timeout_ms = wire_u32(body);
	snprintf(order.port, sizeof(order.port), "%u", wire_u32(body));
	wire_text(body, order.host, sizeof(order.host));
	wire_text(body, order.kex, sizeof(order.kex));
	wire_text(body, order.host_keys, sizeof(order.host_keys));
	wire_text(body, order.ciphers, sizeof(order.ciphers));
	wire_text(body, order.macs, sizeof(order.macs));
	if (wire_end(body) != 0)
		_exit(1);
	order.deadline = clock_ms() + timeout_ms;
	proctitle_set("errand look %s", order.host);
	/* the libraries load what they need before the process is confined */
	if (leg_global_init() != 0 || leg_warm_up() != 0 || look_silent() != 0)
		_exit(1);
	signal(SIGTERM, SIG_DFL);
	dial_end_with(answer);
	/* the resolver knows no deadline */
	alarm(timeout_ms / 1000 + 2);
	if (errand_confine_look() != 0)
		_exit(1);
	buf_init(&result.looked, 0);
	result.why.text[0] = '\0';
	fd = dial_host(order.host, order.port, order.deadline, &result.why);
	signal(SIGIO, SIG_IGN); /* the keeper's reading of the answer raises it as well */
	/* once connected it needs no more than a session does */
	if (fd != -1 && sandbox_enter(-1) != 0)
		_exit(1);
	if (fd != -1)
		look_at(fd, &order, answer, &result);
	if (result.why.text[0] == '\0')
		_exit(ipc_send(answer, &result.looked, -1) == 0 ? 0 : 1);
	ipc_begin(&result.looked, IPC_DIAL_FAILED);
	wire_put_string(&result.looked, result.why.text, strnlen(result.why.text, LOOK_WHY_MAX));
	wire_put_u32(&result.looked, 0);
	_exit(ipc_send(answer, &result.looked, -1) == 0 ? 0 : 1);
}
