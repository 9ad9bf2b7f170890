/*
 * The errand that looks at a host key: it does the key exchange with an upstream for the
 * keeper, where StrictHostKeyChecking is accept-new and no key is known yet.  So the key
 * that the keeper writes down is not a session's word.  For `sallyport route --dial`
 * (cli/keyscan.c) it is a trial, which goes on to where a login would begin, and asks there what
 * its caller wants to know (query.c).  A role of cli/role.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/proctitle.h"
#include "errand/approach.h"
#include "errand/confine.h"
#include "errand/dial.h"
#include "errand/errand.h"
#include "errand/query.h"
#include "ipc/messages.h"
#include "session/session.h"
#include "transport/leg.h"
#include "wire/ssh.h"

#define LOOK_WHY_MAX 500
/* An SSH server sends its version string at once. */
#define LOOK_LISTEN_MS 200
#define LOOK_KEY_MAX 8192 /* the same limit as a session's */

/* What the key exchange has shown so far. */
struct look_state {
	struct leg *leg;
	struct buf key; /* as in HOST_KEY, once the host has shown it */
	int hostbound;
	struct query query;
};

static int
look_shown(void *ctx, const char *alg, struct bytes hash, struct bytes blob, struct bytes sig)
{
	struct look_state *look = ctx;

	if (look->key.len > 0)
		return ERR_BADSTATE; /* a second key exchange */
	if (blob.len > LOOK_KEY_MAX || sig.len > LOOK_KEY_MAX)
		return ERR_TOOBIG;
	ipc_host_key_put(&look->key,
	    &(struct ipc_host_key){ .alg = alg, .hash = hash, .blob = blob, .sig = sig });
	return buf_err(&look->key);
}

static void
look_packet(void *ctx, struct leg *leg, uint8_t *payload, size_t len)
{
	struct look_state *look = ctx;

	query_packet(&look->query, payload, len);
}

static const struct leg_ops look_ops = { .host_key = look_shown, .packet = look_packet };

/* NULL once the keys have been exchanged, and in a trial it is known what the host takes; or why
 * not. */
static const char *
look_exchange(struct look_state *look, int trial, int answer, int64_t deadline)
{
	struct leg *leg = look->leg;
	struct pollfd fds[2] = { { leg_fd(leg), POLLIN, 0 }, { answer, POLLIN, 0 } };
	const char *why;
	int r, asked = 0;

	/* A host that closes at once would reset the connection for what is sent to it: hear it
	 * first, so that the reason is the right one. */
	if (trial)
		(void)poll(fds, 2, LOOK_LISTEN_MS);
	for (;;) {
		if (leg_ready(leg) && trial && !asked) {
			asked = 1;
			if (leg_request_auth(leg) != 0)
				return leg_error(leg);
		}
		if (leg_flush(leg) != 0)
			return leg_error(leg);
		if (trial ? asked && leg_ext_info_known(leg) : leg_ready(leg))
			return NULL;
		r = query_step(leg, answer, deadline, &why);
		if (r == ERR_EOF)
			_exit(1); /* no login waits for the answer */
		if (r != 0)
			return why;
	}
}

/* NULL, or why it went no further. */
static const char *
look_at(struct look_state *look, int fd, const struct ipc_look *order, int answer, int64_t deadline)
{
	const struct ipc_algorithms *a = &order->algorithms;
	const struct leg_config config = {
		.kex_algorithms = a->kex[0] != '\0' ? a->kex : NULL,
		.host_key_algorithms = a->host_keys[0] != '\0' ? a->host_keys : NULL,
		.ciphers = a->ciphers[0] != '\0' ? a->ciphers : NULL,
		.macs = a->macs[0] != '\0' ? a->macs : NULL,
	};
	const char *why;

	look->leg = leg_new_client(fd, &config, &look_ops, look, &why);
	if (look->leg == NULL)
		return why;
	why = look_exchange(look, order->trial, answer, deadline);
	if (why != NULL)
		return why;
	look->hostbound = order->trial && leg_host_bound(look->leg);
	return NULL;
}

static void
look_end(const struct look_state *look, const char *text)
{
	leg_disconnect(look->leg, SSH_DISCONNECT_BY_APPLICATION, text);
	(void)!leg_flush(look->leg);
}

/* The LOOKED message. */
static int
look_answer(const struct look_state *look, const char *address, const char *why, int answer)
{
	const char *version = look->leg != NULL ? leg_peer_version(look->leg) : NULL;
	char version_text[256], reason[512];
	struct ipc_looked looked = {
		.address = address,
		.version = version_text,
		.reason = reason,
		.hostbound = look->hostbound,
		.key.alg = "",
	};
	struct wire key;
	struct buf b;

	snprintf(version_text, sizeof(version_text), "%s", version != NULL ? version : "");
	snprintf(reason, sizeof(reason), "%s", why != NULL ? why : "");
	wire_init(&key, look->key.data, look->key.len);
	if (look->key.len > 0 && ipc_host_key_get(&key, &looked.key) != 0)
		return ERR_FORMAT;
	ipc_begin(&b, IPC_LOOKED);
	ipc_looked_put(&b, &looked);
	return ipc_send(answer, &b, -1);
}

static int
look_failed(const struct reason *why, int answer)
{
	struct buf b;

	ipc_begin(&b, IPC_DIAL_FAILED);
	wire_put_string(&b, why->text, strnlen(why->text, LOOK_WHY_MAX));
	wire_put_u32(&b, 0);
	return ipc_send(answer, &b, -1);
}

/* The numeric address of the peer, or "". */
static void
look_address(int fd, char *out, size_t size)
{
	struct sockaddr_storage to;
	socklen_t len = sizeof(to);

	if (getpeername(fd, (struct sockaddr *)&to, &len) == -1 ||
	    getnameinfo((struct sockaddr *)&to, len, out, (socklen_t)size, NULL, 0,
		NI_NUMERICHOST) != 0)
		out[0] = '\0';
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
	int64_t start = clock_ms();
	struct look_state look = { 0 };
	char address[64];
	struct ipc_look order;
	struct ipc_msg msg;
	const char *reason;
	struct reason why = { "" };
	struct buf reply;
	int fd, err;

	if (ipc_recv(answer, message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg) != 0 ||
	    msg.type != IPC_LOOK || ipc_look_get(&msg.body, &order) != 0)
		_exit(1);
	proctitle_set("errand look %s", order.host);
	/* the libraries load what they need before the process is confined */
	if (leg_global_init() != 0 || leg_warm_up() != 0 || look_silent() != 0)
		_exit(1);
	signal(SIGTERM, SIG_DFL);
	dial_end_with(answer);
	/* the resolver knows no deadline */
	alarm(order.total_ms / 1000 + 2);
	if (errand_confine_look(approach_has_tls(&order.approach)) != 0)
		_exit(1);
	buf_init(&look.key, IPC_MAX);
	fd = approach_connect(&order.approach, order.host, (uint16_t)order.port,
	    &order.destinations, start + order.connect_ms, &why);
	ipc_look_free(&order);
	explicit_bzero(message, sizeof(message)); /* the password for the proxy */
	signal(SIGIO, SIG_IGN); /* the keeper's reading of the answer raises it as well */
	if (fd == -1)
		_exit(look_failed(&why, answer) == 0 ? 0 : 1);
	look_address(fd, address, sizeof(address));
	/* once connected it needs no more than a session does */
	if (sandbox_enter(order.trial ? answer : -1) != 0)
		_exit(1);
	reason = look_at(&look, fd, &order, answer, start + order.total_ms);
	if (reason == NULL && !order.trial)
		look_end(&look, "sallyport: a look at the host key");
	if (look_answer(&look, address, reason, answer) != 0)
		_exit(1);
	if (reason == NULL && order.trial) {
		err = query_run(&look.query, look.leg, answer, start + order.total_ms, &reply);
		look_end(&look, "sallyport: a trial connection");
		_exit(err == 0 && ipc_send(answer, &reply, -1) == 0 ? 0 : 1);
	}
	_exit(0);
}
