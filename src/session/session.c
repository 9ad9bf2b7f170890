/*
 * The loop of a session, and its end.
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/canary.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proctitle.h"
#include "session/agentfwd.h"
#include "session/rx_coalesce.h"
#include "session/session_private.h"
#include "wire/ssh.h"

/* With this much waiting for one leg, the other is not read. */
#define SESSION_HIGH_WATER (1024 * 1024)

/* With this much ready for a leg, it is not read itself: who asks has to take the answers.  In a
 * relay it is more than the other leg can bring about. */
#define SESSION_ANSWERS_LOGIN (64 * 1024)
#define SESSION_ANSWERS_RELAY (2 * SESSION_HIGH_WATER)

/* A peer that takes nothing for so long while we close is left alone, and so is one that has not
 * taken all after the second. */
#define SESSION_CLOSE_MS 15000
#define SESSION_CLOSE_MAX_MS 120000
/* How long a closed socket is drained, so that no reset overtakes what was sent. */
#define SESSION_LINGER_MS 2000
/* Either, for who was not let through. */
#define SESSION_REFUSED_MS 1000

/* Relayed bytes after which memory may have grown. */
#define SESSION_TRIM_BYTES (256 * 1024)

/* As much of the stack as a key exchange may have used. */
#define STACK_TRIM (256 * 1024)

#define SESSION_HOST_KEYS_MAX 3

void
session_set_state(struct session *s, enum session_state state)
{
	static const char *const names[] = { "KEX", "AUTH", "UPSTREAM_KEX", "UPSTREAM_SERVICE",
		"UPSTREAM_AUTH", "AGENT", "RELAY", "CLOSING" };

	log_debug("%s -> %s", names[s->state], names[state]);
	s->state = state;
	s->relayed |= state == SESSION_RELAY;
}

void
session_end(struct session *s, const char *fmt, ...)
{
	va_list ap;

	if (s->state == SESSION_CLOSING)
		return;
	va_start(ap, fmt);
	vsnprintf(s->reason, sizeof(s->reason), fmt, ap);
	va_end(ap);
	session_set_state(s, SESSION_CLOSING);
}

/* What the other side should hear when one leg ends. */
static void
pass_on_disconnect(struct leg *from, struct leg *to, const char *without)
{
	const char *text;
	uint32_t code = leg_peer_disconnect(from, &text);

	if (to == NULL)
		return;
	if (code != 0)
		leg_disconnect(to, code, text);
	else if (without != NULL)
		leg_disconnect(to, SSH_DISCONNECT_CONNECTION_LOST, without);
}

static void
down_ended(struct session *s)
{
	session_client_ended(s);
	pass_on_disconnect(s->down, s->up, NULL);
}

/* The upstream did not get as far as the relay: the keeper knows what to tell the
 * client, and answers REFUSE. */
static void
up_failed(struct session *s, const char *reason)
{
	struct buf b;

	ipc_begin(&b, IPC_UPSTREAM_FAILED);
	wire_put_text(&b, reason);
	leg_free(&s->up);
	s->up_deadline = CLOCK_NEVER;
	if (s->agent == NULL)
		session_set_state(s, SESSION_AUTH);
	session_tell(s, &b);
}

static void
up_ended(struct session *s)
{
	const char *text;
	char line[128];

	if (s->state != SESSION_RELAY) {
		up_failed(s, leg_peer_disconnect(s->up, &text) != 0 ? text : leg_error(s->up));
		return;
	}
	if (leg_peer_disconnect(s->up, &text) != 0)
		session_end(s, "upstream disconnected: %s", text);
	else
		session_end(s, "upstream: %s", leg_error(s->up));
	snprintf(line, sizeof(line), SESSION_UP_LOST, (uintmax_t)s->config->id);
	pass_on_disconnect(s->up, s->down, line);
}

void
session_upstream_ready(struct session *s)
{
	const char *algs = leg_server_sig_algs(s->up);
	struct buf b;

	session_set_state(s, SESSION_UPSTREAM_AUTH);
	ipc_begin(&b, IPC_UPSTREAM_READY);
	wire_put_bytes(&b, leg_session_id(s->up));
	wire_put_text(&b, algs != NULL ? algs : "");
	wire_put_bool(&b, leg_host_bound(s->up));
	session_tell(s, &b);
	if (s->up_patient)
		s->up_deadline = CLOCK_NEVER;
}

/* Both handshakes are seen to end here. */
static void
check_ready(struct session *s)
{
	if (s->state == SESSION_KEX && leg_ready(s->down))
		session_set_state(s, SESSION_AUTH);
	if (s->state == SESSION_UPSTREAM_KEX && leg_ready(s->up)) {
		session_set_state(s, SESSION_UPSTREAM_SERVICE);
		if (leg_request_auth(s->up) != 0) {
			session_end(s, "upstream: %s", leg_error(s->up));
			return;
		}
	}
	if (s->state == SESSION_UPSTREAM_SERVICE && leg_ext_info_known(s->up))
		session_upstream_ready(s);
}

/* As far as the other leg goes. */
static int
may_relay(const struct leg *leg, const struct leg *other)
{
	if (leg == NULL || leg_paused(leg))
		return 0;
	if (other == NULL || leg_queued(other) < SESSION_HIGH_WATER)
		return 1;
	/* two legs that exchange keys must not wait for each other */
	return leg_in_kex(leg);
}

static int
may_read(const struct session *s, const struct leg *leg, const struct leg *other)
{
	size_t answers = s->state == SESSION_RELAY ? SESSION_ANSWERS_RELAY : SESSION_ANSWERS_LOGIN;

	return may_relay(leg, other) && leg_writable(leg) < answers;
}

static void
leg_events(struct session *s, struct leg *leg, short revents, enum relay_from which, int64_t now)
{
	int r;

	if ((revents & (POLLIN | POLLHUP | POLLERR)) == 0)
		return;
	r = leg_input(leg);
	if (r == ERR_AGAIN)
		return;
	if (s->state == SESSION_RELAY)
		relay_heard(&s->relay, which, now);
	if (r == 0 || s->state == SESSION_CLOSING)
		return;
	if (which == RELAY_DOWNSTREAM)
		down_ended(s);
	else
		up_ended(s);
}

static void
flush(struct session *s)
{
	if (leg_writable(s->down) > 0 && leg_flush(s->down) != 0)
		session_client_ended(s);
	/* the client is told, as when nothing more can be read */
	if (s->up != NULL && leg_writable(s->up) > 0 && leg_flush(s->up) != 0 &&
	    s->state != SESSION_CLOSING)
		up_ended(s);
}

static void
keepalive(struct session *s, struct leg *leg, enum relay_from which, int64_t now)
{
	const uint8_t *payload;
	size_t len;

	/* not reading it, we cannot say that it is silent */
	if (!may_relay(leg, which == RELAY_DOWNSTREAM ? s->up : s->down))
		relay_heard(&s->relay, which, now);
	switch (relay_tick(&s->relay, which, now)) {
	case RELAY_TICK_NOTHING:
		break;
	case RELAY_TICK_KEEPALIVE:
		payload = relay_keepalive(&len);
		if (leg_send(leg, payload, len) != 0)
			session_end(s, "%s", leg_error(leg));
		break;
	case RELAY_TICK_DEAD:
		session_end(s, "%s does not answer keepalives",
		    which == RELAY_DOWNSTREAM ? "client" : "upstream");
		leg_disconnect(which == RELAY_DOWNSTREAM ? s->up : s->down,
		    SSH_DISCONNECT_CONNECTION_LOST, "sallyport: the other side does not answer");
		break;
	}
}

/*
 * Key exchanges leave deep stacks behind, with what was on them.  Give the pages below
 * this frame back: they come again as zeroes.
 */
static void __attribute__((noinline)) trim_stack(void)
{
	uintptr_t page = 4096, top = (uintptr_t)__builtin_frame_address(0) & ~(page - 1);

	/* ENOMEM where the stack has never been: that is fine */
	(void)madvise((void *)(top - STACK_TRIM), STACK_TRIM - page, MADV_DONTNEED);
}

/* IdleTimeout and SessionTimeout. */
static void
limits(struct session *s, int64_t now)
{
	const char *why, *text;
	char line[160];

	if (!relay_over(&s->relay, now, &why, &text))
		return;
	session_end(s, "%s is over", why);
	/* at the end of the connection this is what OpenSSH's client shows */
	snprintf(line, sizeof(line), "sallyport: %s (session %04jx)", text,
	    (uintmax_t)s->config->id);
	leg_disconnect(s->down, SSH_DISCONNECT_BY_APPLICATION, line);
	leg_disconnect(s->up, SSH_DISCONNECT_BY_APPLICATION, why);
}

/* SIGTERM. */
static void
ended_by_operator(struct session *s)
{
	static const char why[] = "ended by the operator";
	int told = s->state == SESSION_RELAY;
	char line[128];

	session_end(s, "%s", why);
	if (!told)
		return;
	snprintf(line, sizeof(line), "sallyport: %s (session %04jx)", why,
	    (uintmax_t)s->config->id);
	leg_disconnect(s->down, SSH_DISCONNECT_BY_APPLICATION, line);
	leg_disconnect(s->up, SSH_DISCONNECT_BY_APPLICATION, why);
}

/* What time brings: deadlines, keepalives, memory to give back. */
static void
timers(struct session *s, int64_t now)
{
	if (s->state == SESSION_RELAY) {
		keepalive(s, s->down, RELAY_DOWNSTREAM, now);
		keepalive(s, s->up, RELAY_UPSTREAM, now);
	}
	if (s->state == SESSION_RELAY) {
		limits(s, now);
	}
	if (now >= s->up_deadline && s->up != NULL && s->state != SESSION_CLOSING)
		up_failed(s, "timed out");
	if (now >= s->deadline && s->state == SESSION_AGENT)
		agent_timeout(s, now);
	else if (now >= s->deadline && s->state != SESSION_CLOSING)
		session_end(s, "LoginGraceTime is over");
	if (now >= s->trim_at) {
		s->trim_at = CLOCK_NEVER;
		s->trim_bytes = 0;
		leg_trim(s->down);
		if (s->up != NULL)
			leg_trim(s->up);
		malloc_trim(0);
		trim_stack();
	} else if (s->trim_at == CLOCK_NEVER && s->trim_bytes > SESSION_TRIM_BYTES) {
		s->trim_at = now + 1000;
	}
}

/* Until when nothing of the keeper is acted on: 0, or how many microseconds it is. */
static int64_t
pace_left(const struct session *s)
{
	int64_t left = s->pace_until > 0 ? s->pace_until - clock_us() : 0;

	return left > 0 ? left : 0;
}

static int
next_timeout(const struct session *s, int64_t now)
{
	int64_t next = s->deadline;

	if (s->state == SESSION_RELAY && relay_next(&s->relay) < next)
		next = relay_next(&s->relay);
	if (s->up_deadline < next)
		next = s->up_deadline;
	if (s->trim_at < next)
		next = s->trim_at;
	return clock_until(next, now);
}

static short
wanted(const struct session *s, const struct leg *leg, const struct leg *other)
{
	short events = may_read(s, leg, other) ? POLLIN : 0;

	if (leg != NULL && leg_writable(leg) > 0)
		events |= POLLOUT;
	return events;
}

/* Messages held back while an answer was awaited. */
static void
take_held(struct session *s)
{
	struct ipc_msg msg;
	struct bytes message;
	struct wire w;

	if (s->held.len == 0 || pace_left(s) > 0)
		return;
	wire_init(&w, s->held.data, s->held.len);
	for (message = wire_string(&w); message.len > 0; message = wire_string(&w)) {
		memcpy(s->message, message.p, message.len);
		wire_init(&msg.body, s->message, message.len);
		msg.type = wire_u8(&msg.body);
		msg.fd = -1;
		/* no other comes with one */
		if (msg.type == IPC_UPSTREAM_FD) {
			msg.fd = s->held_fd;
			s->held_fd = -1;
		}
		session_keeper_message(s, &msg);
	}
	buf_wipe(&s->held);
}

/* poll(2), and no longer than so many microseconds unless they are none. */
static int
wait_for(struct pollfd *fds, nfds_t n, int timeout_ms, int64_t us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	if (us == 0 || (timeout_ms >= 0 && us / 1000 >= timeout_ms))
		return poll(fds, n, timeout_ms);
	return ppoll(fds, n, &ts, NULL);
}

static void
session_loop(struct session *s)
{
	struct rx_coalesce gather = { 0 };
	struct pollfd fds[4];
	int64_t now, pace;
	int n;

	while (s->state != SESSION_CLOSING) {
		now = clock_ms();
		fds[0] = (struct pollfd){ leg_fd(s->down), wanted(s, s->down, s->up), 0 };
		fds[1] = (struct pollfd){ s->up != NULL ? leg_fd(s->up) : -1,
			wanted(s, s->up, s->down), 0 };
		pace = pace_left(s);
		/* a message that is held comes first */
		fds[2] = (struct pollfd){ pace > 0 || s->held.len > 0 ? -1 : s->keeper, POLLIN, 0 };
		fds[3] = (struct pollfd){ s->signals, POLLIN, 0 };
		n = wait_for(fds, 4, rx_coalesce_before(&gather, fds, next_timeout(s, now)), pace);
		if (n == -1 && errno != EINTR) {
			session_end(s, "poll: %s", strerror(errno));
			break;
		}
		rx_coalesce_after(&gather, fds, n);
		now = clock_ms();
		if (fds[2].revents != 0)
			session_keeper_input(s);
		leg_events(s, s->down, fds[0].revents, RELAY_DOWNSTREAM, now);
		if (s->state == SESSION_RELAY && fds[0].revents != 0)
			rx_coalesce_count(&gather, s->down, now);
		if (s->up != NULL && s->state != SESSION_CLOSING)
			leg_events(s, s->up, fds[1].revents, RELAY_UPSTREAM, now);
		take_held(s);
		if (s->state != SESSION_CLOSING)
			check_ready(s);
		if (fds[3].revents != 0)
			ended_by_operator(s);
		timers(s, now);
		flush(s);
	}
}

/* Write what waits for both, as long as they take something, and not for ever. */
static void
drain(struct session *s)
{
	struct pollfd fds[2];
	struct leg *legs[2] = { s->down, s->up };
	int64_t now = clock_ms(), patience = s->relayed ? SESSION_CLOSE_MS : SESSION_REFUSED_MS;
	int64_t last = now + (s->relayed ? SESSION_CLOSE_MAX_MS : SESSION_REFUSED_MS);
	int64_t deadline = now + patience;
	int i, busy;

	for (;;) {
		busy = 0;
		for (i = 0; i < 2; i++) {
			fds[i] = (struct pollfd){ -1, POLLOUT, 0 };
			if (legs[i] == NULL || leg_writable(legs[i]) == 0)
				continue;
			if (leg_flush(legs[i]) != 0) {
				legs[i] = NULL;
				continue;
			}
			if (leg_writable(legs[i]) > 0) {
				fds[i].fd = leg_fd(legs[i]);
				busy = 1;
			}
		}
		now = clock_ms();
		if (!busy || now >= deadline)
			return;
		if (poll(fds, 2, clock_until(deadline, now)) > 0)
			deadline = now + patience < last ? now + patience : last;
	}
}

/* Close in an orderly way: say that no more comes, and hear the rest out. */
static void
linger(struct session *s)
{
	struct pollfd fds[2] = { { -1, POLLIN, 0 }, { -1, POLLIN, 0 } };
	int64_t deadline, now;
	int i;

	fds[0].fd = leg_fd(s->down);
	if (s->up != NULL)
		fds[1].fd = leg_fd(s->up);
	for (i = 0; i < 2; i++)
		if (fds[i].fd != -1 && shutdown(fds[i].fd, SHUT_WR) == -1)
			fds[i].fd = -1;
	now = clock_ms();
	deadline = now + (s->relayed ? SESSION_LINGER_MS : SESSION_REFUSED_MS);
	for (; now < deadline && (fds[0].fd != -1 || fds[1].fd != -1); now = clock_ms()) {
		if (poll(fds, 2, clock_until(deadline, now)) <= 0)
			continue;
		for (i = 0; i < 2; i++)
			if (fds[i].fd != -1 && fds[i].revents != 0 &&
			    recv(fds[i].fd, s->message, sizeof(s->message), MSG_DONTWAIT) <= 0)
				fds[i].fd = -1;
	}
}

/* The keeper's first message, and the leg made of it.  0, or an ERR_* with the session ended. */
static int
start(struct session *s)
{
	struct bytes keys[SESSION_HOST_KEYS_MAX];
	struct leg_config config = { .software = TRANSPORT_SOFTWARE,
		.host_keys = keys,
		.compression = "none,zlib@openssh.com" };
	struct ipc_msg msg;
	const char *why;
	uint32_t n;
	int r;

	r = session_keeper_wait(s, 0, &msg);
	if (r == ERR_EOF) {
		session_orphan(s);
		return r;
	}
	if (r == 0 && msg.type != IPC_HELLO)
		r = ERR_BADSTATE;
	for (n = r == 0 ? wire_u32(&msg.body) : 0;
	     n > 0 && config.n_host_keys < SESSION_HOST_KEYS_MAX; n--)
		keys[config.n_host_keys++] = wire_string(&msg.body);
	if (r == 0)
		r = wire_end(&msg.body);
	why = err_str(r);
	if (r == 0) {
		s->down = leg_new_server(SESSION_CLIENT, &config, &session_down_ops, s, &why);
		r = s->down == NULL ? ERR_SSH : 0;
	}
	if (r != 0) {
		log_error("cannot begin: %s", why);
		session_end(s, "cannot begin: %s", why);
		return r;
	}
	flush(s);
	return 0;
}

void
session_run(int client, int keeper, const struct session_config *config)
{
	static struct session session;
	struct session *s = &session;
	sigset_t mask;

	canary_renew();
	if (sandbox_descriptors(client, keeper) != 0)
		fatal("session %04jx: cannot arrange its descriptors: %s", (uintmax_t)config->id,
		    strerror(errno));
	/* field by field: the large ones are zero already, and stay unused memory */
	s->config = config;
	s->keeper = SESSION_KEEPER;
	session_log_begin(s);
	s->held_fd = -1;
	s->trim_at = s->up_deadline = CLOCK_NEVER;
	buf_init(&s->held, SESSION_HELD_MAX * (IPC_MAX + 4));
	s->deadline = config->login_grace_ms > 0 ? clock_ms() + config->login_grace_ms :
						   CLOCK_NEVER;
	proctitle_set("session %04jx %s", (uintmax_t)config->id, config->client);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	/* packets are large: no going back and forth to the kernel for each */
	mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
	if (s->signals == -1 || sandbox_enter(SESSION_KEEPER) != 0)
		fatal("cannot enter the sandbox: %s", strerror(errno));
	if (start(s) != 0) {
		session_report(s);
		_exit(1);
	}
	session_loop(s);
	session_report(s);
	drain(s);
	linger(s);
	_exit(0);
}
