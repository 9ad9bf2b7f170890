/*
 * The process of a session: its loop over the two legs and the keeper, its timers, and its
 * end.  The master calls session_run() in a child.
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
#include "session/jump.h"
#include "session/rx_coalesce.h"
#include "session/session_private.h"
#include "session/tunnel_hold.h"
#include "wire/ssh.h"

/* With this many bytes queued for one leg, the other is not read. */
#define SESSION_HIGH_WATER (1024 * 1024)

/* With this many bytes ready to be written to a leg, the leg itself is not read: a peer that asks
 * has to take the answers.  In a relay the limit is above what the other leg alone can fill. */
#define SESSION_ANSWERS_LOGIN (64 * 1024)
#define SESSION_ANSWERS_RELAY (2 * SESSION_HIGH_WATER)

/* Closing ends when the peers have taken nothing of the buffered output for the first time, or have
 * not taken all of it after the second. */
#define SESSION_CLOSE_MS 15000
#define SESSION_CLOSE_MAX_MS 120000
/* How long a socket is still read once we have closed our side, so that no reset overtakes what was
 * sent. */
#define SESSION_LINGER_MS 2000
/* All of these limits for a client that was never let in. */
#define SESSION_REFUSED_MS 1000

/* Relayed bytes after which buffers may have grown, and are given back. */
#define SESSION_TRIM_BYTES (256 * 1024)

/* Bytes of the stack that a key exchange may have used. */
#define STACK_TRIM (256 * 1024)

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

/* Tell one peer why the leg of the other has ended: its DISCONNECT, or this text if it sent
 * none. */
static void
session_forward_disconnect(struct leg *from, struct leg *to, const char *without)
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
session_down_ended(struct session *s)
{
	session_client_ended(s);
	session_forward_disconnect(s->down, s->up, NULL);
}

static void
session_up_ended(struct session *s)
{
	const char *text;
	char line[128];

	if (s->state != SESSION_RELAY) {
		login_upstream_failed(s,
		    leg_peer_disconnect(s->up, &text) != 0 ? text : leg_error(s->up));
		return;
	}
	if (leg_peer_disconnect(s->up, &text) != 0)
		session_end(s, "upstream disconnected: %s", text);
	else
		session_end(s, "upstream: %s", leg_error(s->up));
	snprintf(line, sizeof(line), SESSION_UP_LOST, (uintmax_t)s->config->id);
	session_forward_disconnect(s->up, s->down, line);
}

/* May the leg be read, as far as the other leg's queue goes? */
static int
session_may_relay(const struct leg *leg, const struct leg *other)
{
	if (leg == NULL || leg_paused(leg))
		return 0;
	if (other == NULL || leg_queued(other) < SESSION_HIGH_WATER)
		return 1;
	/* two legs that both exchange keys must not wait for each other */
	return leg_in_kex(leg);
}

static int
session_may_read(const struct session *s, const struct leg *leg, const struct leg *other)
{
	size_t answers = s->state == SESSION_RELAY ? SESSION_ANSWERS_RELAY : SESSION_ANSWERS_LOGIN;

	return session_may_relay(leg, other) && leg_writable(leg) < answers;
}

void
session_leg_events(struct session *s, struct leg *leg, short revents, enum relay_leg which,
    int64_t now)
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
		session_down_ended(s);
	else
		session_up_ended(s);
}

static void
session_flush(struct session *s)
{
	if (leg_writable(s->down) > 0 && leg_flush(s->down) != 0)
		session_client_ended(s);
	/* the client is told, as when the upstream cannot be read any more */
	if (s->up != NULL && leg_writable(s->up) > 0 && leg_flush(s->up) != 0 &&
	    s->state != SESSION_CLOSING)
		session_up_ended(s);
}

void
session_keepalive(struct session *s, struct leg *leg, enum relay_leg which, int64_t now)
{
	const uint8_t *payload;
	size_t len;

	/* a peer that is not being read does not count as silent */
	if (!session_may_relay(leg, which == RELAY_DOWNSTREAM ? s->up : s->down))
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
		    SSH_DISCONNECT_CONNECTION_LOST, "sallyport: keepalives are not answered");
		break;
	}
}

/*
 * Key exchanges use much of the stack, and leave secrets there.  Give the pages below this
 * frame back: when they are used again they are zero.
 */
static void __attribute__((noinline)) session_trim_stack(void)
{
	uintptr_t page = 4096, top = (uintptr_t)__builtin_frame_address(0) & ~(page - 1);

	/* ENOMEM: the stack has never been that deep, which is fine */
	(void)madvise((void *)(top - STACK_TRIM), STACK_TRIM - page, MADV_DONTNEED);
}

void
session_trim(struct session *s, int64_t now)
{
	if (now >= s->trim_at) {
		s->trim_at = CLOCK_NEVER;
		s->trim_bytes = 0;
		if (s->down != NULL)
			leg_trim(s->down);
		if (s->up != NULL)
			leg_trim(s->up);
#ifdef __GLIBC__
		malloc_trim(0);
#endif
		session_trim_stack();
	} else if (s->trim_at == CLOCK_NEVER && s->trim_bytes > SESSION_TRIM_BYTES) {
		s->trim_at = now + 1000;
	}
}

/* End the session for IdleTimeout, SessionTimeout or UnusedConnectionTimeout. */
static void
session_limits(struct session *s, int64_t now)
{
	const char *why, *text;
	char line[160];

	if (!relay_over(&s->relay, now, &why, &text))
		return;
	session_end(s, "%s is over", why);
	/* OpenSSH's client shows this line when the connection ends */
	snprintf(line, sizeof(line), "sallyport: %s (session %04jx)", text,
	    (uintmax_t)s->config->id);
	leg_disconnect(s->down, SSH_DISCONNECT_BY_APPLICATION, line);
	leg_disconnect(s->up, SSH_DISCONNECT_BY_APPLICATION, why);
}

/* SIGTERM has come. */
static void
session_ended_by_operator(struct session *s)
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

/* The login has taken too long.  A person whose second factor was waited for is told. */
static void
session_login_timeout(struct session *s)
{
	char line[160];

	if (!s->factor_time) {
		session_end(s, "LoginGraceTime is over");
		return;
	}
	session_end(s, "FactorTimeout is over");
	snprintf(line, sizeof(line),
	    "sallyport: the time for your second factor is over: log in again (session %04jx)",
	    (uintmax_t)s->config->id);
	session_disconnect(s, line, 0);
}

/* Keepalives, deadlines, and memory to give back. */
static void
session_timers(struct session *s, int64_t now)
{
	if (s->state == SESSION_RELAY) {
		session_keepalive(s, s->down, RELAY_DOWNSTREAM, now);
		if (s->up != NULL)
			session_keepalive(s, s->up, RELAY_UPSTREAM, now);
	}
	if (s->state == SESSION_RELAY) {
		session_limits(s, now);
	}
	if (now >= s->up_deadline && s->up != NULL && s->state != SESSION_CLOSING)
		login_upstream_failed(s, "timed out");
	if (now >= s->deadline && s->state == SESSION_AGENT)
		agentfwd_timeout(s, now);
	else if (now >= s->deadline && s->state != SESSION_CLOSING)
		session_login_timeout(s);
	session_trim(s, now);
}

void
session_send_all(struct session *s, struct buf *out,
    void (*send)(struct session *s, const uint8_t *payload, size_t len))
{
	struct bytes payload;
	struct wire w;

	if (buf_err(out) != 0)
		session_end(s, "%s", err_str(buf_err(out)));
	wire_init(&w, out->data, out->len);
	while (w.left > 0 && s->state != SESSION_CLOSING) {
		payload = wire_string(&w);
		if (wire_err(&w) != 0 || payload.len == 0)
			break;
		send(s, payload.p, payload.len);
	}
	buf_free(out);
}

int64_t
session_next(const struct session *s)
{
	int64_t next = s->deadline;

	if (s->state == SESSION_RELAY && relay_next(&s->relay) < next)
		next = relay_next(&s->relay);
	if (s->up_deadline < next)
		next = s->up_deadline;
	if (s->trim_at < next)
		next = s->trim_at;
	return next;
}

short
session_wanted(const struct session *s, const struct leg *leg, const struct leg *other)
{
	short events = session_may_read(s, leg, other) ? POLLIN : 0;

	if (leg != NULL && leg_writable(leg) > 0)
		events |= POLLOUT;
	return events;
}

/* poll(2); unless us is 0, for no more than us microseconds. */
static int
session_wait_for(struct pollfd *fds, nfds_t n, int timeout_ms, int64_t us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	if (us == 0 || (timeout_ms >= 0 && us / 1000 >= timeout_ms))
		return poll(fds, n, timeout_ms);
	return ppoll(fds, n, &ts, NULL);
}

static void
session_loop(struct session *s)
{
	struct rx_coalesce coalesce = { 0 };
	struct pollfd fds[4 + JUMP_CHANNELS_MAX];
	int64_t now, pace;
	nfds_t jumps = 0;
	int n;

	while (s->state != SESSION_CLOSING) {
		now = clock_ms();
		fds[0] = (struct pollfd){ leg_fd(s->down), session_wanted(s, s->down, s->up), 0 };
		fds[1] = (struct pollfd){ s->up != NULL ? leg_fd(s->up) : -1,
			session_wanted(s, s->up, s->down), 0 };
		pace = login_pace_left(s);
		/* held messages come first */
		fds[2] = (struct pollfd){ pace > 0 || s->held.len > 0 ? -1 : s->keeper, POLLIN, 0 };
		fds[3] = (struct pollfd){ s->signals, POLLIN, 0 };
		if (s->jump != NULL && s->state == SESSION_RELAY)
			jumps = jump_poll(s, fds + 4);
		n = session_wait_for(fds, 4 + jumps,
		    rx_coalesce_before(&coalesce, fds, clock_until(session_next(s), now)), pace);
		if (n == -1 && errno != EINTR) {
			session_end(s, "poll: %s", strerror(errno));
			break;
		}
		rx_coalesce_after(&coalesce, fds, n);
		now = clock_ms();
		if (fds[2].revents != 0)
			keeper_link_input(s);
		session_leg_events(s, s->down, fds[0].revents, RELAY_DOWNSTREAM, now);
		if (s->state == SESSION_RELAY && fds[0].revents != 0)
			rx_coalesce_count(&coalesce, s->down, now);
		if (s->up != NULL && s->state != SESSION_CLOSING)
			session_leg_events(s, s->up, fds[1].revents, RELAY_UPSTREAM, now);
		if (jumps > 0)
			jump_ready(s, fds + 4, jumps, now);
		keeper_link_take_held(s);
		hold_offer(s);
		if (s->state != SESSION_CLOSING)
			login_check_ready(s);
		if (fds[3].revents != 0)
			session_ended_by_operator(s);
		session_timers(s, now);
		session_flush(s);
	}
}

/* Write the buffered output of both legs, within the limits of SESSION_CLOSE_MS. */
static void
session_drain(struct session *s)
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

/* Close our side of both connections, and read them until the peers have closed theirs. */
static void
session_linger(struct session *s)
{
	struct pollfd fds[2] = { { -1, POLLIN, 0 }, { -1, POLLIN, 0 } };
	int64_t deadline, now;
	int i;

	if (s->down != NULL)
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

void
session_prepare(struct session *s, int client, int keeper, const struct session_config *config)
{
	sigset_t mask;

	if (sandbox_descriptors(client, keeper) != 0)
		fatal("session %04jx: cannot arrange its descriptors: %s", (uintmax_t)config->id,
		    strerror(errno));
	/* field by field: the large arrays are zero already, and stay untouched memory */
	s->config = config;
	s->keeper = SESSION_KEEPER;
	session_log_begin(s);
	s->held_fd = -1;
	s->trim_at = s->up_deadline = CLOCK_NEVER;
	buf_init(&s->held, SESSION_HELD_MAX * (IPC_MAX + 4));
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
#ifdef __GLIBC__
	/* keep the memory of large packets: no system calls for each */
	mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
#endif
	if (s->signals == -1 || sandbox_enter(SESSION_KEEPER) != 0)
		fatal("cannot enter the sandbox: %s", strerror(errno));
}

void
session_finish(struct session *s)
{
	session_report(s);
	session_drain(s);
	session_linger(s);
	_exit(0);
}

void
session_run(int client, int keeper, const struct session_config *config)
{
	static struct session session;
	struct session *s = &session;

	canary_renew();
	proctitle_set("session %04jx %s", (uintmax_t)config->id, config->client);
	s->deadline = config->login_grace_ms > 0 ? clock_ms() + config->login_grace_ms :
						   CLOCK_NEVER;
	session_prepare(s, client, keeper, config);
	if (login_begin(s) != 0) {
		session_report(s);
		_exit(1);
	}
	session_flush(s);
	session_loop(s);
	session_finish(s);
}
