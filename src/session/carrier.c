/*
 * The process of a hop (carrier.h): its loop, the hosts that it tries, and the channel, which is a
 * jump_channel seen from its other end.  The master calls carrier_run() in a child; keeper_link.c calls
 * carrier_begin().
 */
#include "session/carrier.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/canary.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proctitle.h"
#include "base/reason.h"
#include "session/jump_channel.h"
#include "session/session_private.h"
#include "wire/ssh.h"

/* Our window, as OpenSSH's for such a channel: what is kept when the session does not read. */
#define CARRIER_WINDOW (2u * 1024 * 1024)
/* With this many bytes queued for the hop, the session is not read. */
#define CARRIER_HIGH_WATER (1024 * 1024)
/* Messages of JUMP_PACKET bytes in one round. */
#define CARRIER_READS 8
/* Answers to one message, or to one round of poll(2). */
#define CARRIER_ANSWERS_MAX (64 * 1024)
/* How often a carrier that cannot read its session looks whether there is one, once the keeper is gone. */
#define CARRIER_LOOK_MS 1000
/* The text of one refusal, and of all, for the log: as much as an errand says. */
#define CARRIER_REFUSAL_MAX 200
#define CARRIER_WHY_MAX 400
/* Before CARRY the master's child waits for its order, which is there already. */
#define CARRIER_ORDER_MS 10000

struct carrier {
	struct strlist hosts;
	size_t next; /* of the hosts: that is tried */
	uint32_t port;
	int64_t deadline; /* of CARRY */
	int64_t try_end;  /* of this host; CLOCK_NEVER once the channel is open */
	int fd;		  /* the session's connection, until the channel has it; -1 */
	int forbidden;	  /* the last refusal was by the hop's rules */
	int open;
	struct reason why;
	struct jump_channel channel;
	uint8_t message[JUMP_MESSAGE_MAX];
};

/* --- to the hop --- */

static void
carrier_send(struct session *s, const uint8_t *payload, size_t len)
{
	enum relay_action action = relay_message(&s->relay, RELAY_DOWNSTREAM, payload, len);

	if (action == RELAY_PASS && leg_send(s->up, payload, len) != 0)
		session_end(s, "upstream: %s", leg_error(s->up));
}

static void
carrier_send_all(struct session *s, struct buf *out)
{
	session_send_all(s, out, carrier_send);
}

/* --- hosts --- */

static void
carrier_put_dead(const struct carrier *c, struct buf *b)
{
	size_t i;

	wire_put_u32(b, (uint32_t)c->next);
	for (i = 0; i < c->next; i++)
		wire_put_text(b, c->hosts.v[i]);
}

/* Ask the hop for a connection to the next host, or tell the keeper that there is none left. */
static void
carrier_try(struct session *s)
{
	struct carrier *c = s->carrier;
	int64_t now = clock_ms();
	struct buf b;

	if (c->next < c->hosts.n) {
		/* a host that does not answer leaves time for the next one */
		c->try_end = now + (c->deadline - now) / (int64_t)(c->hosts.n - c->next);
		c->channel.number = (uint32_t)c->next;
		buf_init(&b, CARRIER_ANSWERS_MAX);
		jump_channel_ask(&c->channel, c->hosts.v[c->next], c->port, CARRIER_WINDOW, &b);
		carrier_send_all(s, &b);
		return;
	}
	c->try_end = CLOCK_NEVER;
	ipc_begin(&b, IPC_CARRY_FAILED);
	wire_put_bool(&b, c->forbidden);
	wire_put_string(&b, c->why.text, strnlen(c->why.text, CARRIER_WHY_MAX));
	carrier_put_dead(c, &b);
	keeper_link_send(s, &b);
}

/* The host that is tried cannot be reached. */
static void __attribute__((format(printf, 2, 3)))
carrier_next(struct session *s, const char *fmt, ...)
{
	struct carrier *c = s->carrier;
	char text[CARRIER_REFUSAL_MAX + 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	reason_add(&c->why, "%s%.255s port %u: %s", c->why.text[0] != '\0' ? "; " : "",
	    c->hosts.v[c->next], c->port, text);
	c->next++;
	carrier_try(s);
}

void
carrier_begin(struct session *s, struct ipc_msg *msg)
{
	struct carrier *c = s->carrier;
	struct ipc_carry carry;
	int r;

	if (c == NULL || c->fd != -1 || c->open || s->state != SESSION_UPSTREAM_AUTH ||
	    ipc_carry_get(&msg->body, &carry) != 0) {
		fd_close(&msg->fd);
		session_end(s, "unexpected message from the keeper");
		return;
	}
	c->fd = msg->fd;
	c->hosts = carry.hosts;
	c->port = carry.port;
	c->deadline = clock_ms() + carry.timeout_ms;
	relay_init(&s->relay, clock_ms(), 0, s->up_alive_interval_ms,
	    s->config->client_alive_count_max);
	relay_set_version(&s->relay, leg_peer_version(s->up));
	leg_set_rekey(s->up, s->policy.rekey_bytes, s->policy.rekey_ms);
	session_set_state(s, SESSION_RELAY);
	s->deadline = s->up_deadline = CLOCK_NEVER;
	s->trim_at = clock_ms() + 1000;
	carrier_try(s);
	r = leg_resume(s->up);
	if (r != 0)
		session_end(s, "upstream: %s", leg_error(s->up));
}

/* --- from the hop --- */

static void
carrier_confirmed(struct session *s, struct wire *w)
{
	struct carrier *c = s->carrier;
	struct buf b;

	if (jump_channel_confirmed(&c->channel, c->fd, w) != 0) {
		session_end(s, "upstream: unreadable CHANNEL_OPEN_CONFIRMATION");
		return;
	}
	c->fd = -1;
	c->open = 1;
	c->try_end = CLOCK_NEVER;
	ipc_begin(&b, IPC_CARRIED);
	wire_put_text(&b, c->hosts.v[c->next]);
	wire_put_string(&b, c->why.text, strnlen(c->why.text, CARRIER_WHY_MAX));
	carrier_put_dead(c, &b);
	keeper_link_send(s, &b);
}

static void
carrier_refused(struct session *s, struct wire *w)
{
	uint32_t reason = wire_u32(w);
	struct bytes text = wire_string(w);

	(void)wire_string(w); /* language */
	if (wire_end(w) != 0) {
		session_end(s, "upstream: unreadable CHANNEL_OPEN_FAILURE");
		return;
	}
	s->carrier->forbidden = reason == SSH_OPEN_ADMINISTRATIVELY_PROHIBITED;
	carrier_next(s, "%s: %.*s",
	    s->carrier->forbidden ? "administratively prohibited" : "the hop cannot connect",
	    (int)(text.len < CARRIER_REFUSAL_MAX ? text.len : CARRIER_REFUSAL_MAX),
	    (const char *)text.p);
}

/* A message about a channel that was asked for and given up: should it have been opened, it is closed. */
static void
carrier_given_up(uint8_t type, struct wire *w, struct buf *out)
{
	struct jump_channel late = { .fd = -1 };

	if (type != SSH_MSG_CHANNEL_OPEN_CONFIRMATION)
		return;
	late.client = wire_u32(w);
	if (wire_err(w) == 0)
		jump_channel_close(&late, out);
}

/* A message about a channel: w is behind its type. */
static void
carrier_channel_message(struct session *s, uint8_t type, struct wire *w, struct buf *out)
{
	struct carrier *c = s->carrier;
	uint32_t number = wire_u32(w);

	if (wire_err(w) == 0 && number < c->next) {
		carrier_given_up(type, w, out);
	} else if (wire_err(w) != 0 || number != c->channel.number || c->next == c->hosts.n) {
		session_end(s, "upstream breaks the protocol of channels");
	} else if (type == SSH_MSG_CHANNEL_OPEN_CONFIRMATION && !c->open) {
		carrier_confirmed(s, w);
	} else if (type == SSH_MSG_CHANNEL_OPEN_FAILURE && !c->open) {
		carrier_refused(s, w);
	} else if (!c->open || jump_channel_message(&c->channel, type, w, out) != 0) {
		session_end(s, "upstream breaks the protocol of channels");
	} else if (c->channel.state == JUMP_FREE) {
		session_end(s, "its connection has ended");
	}
}

/* Answer what an sshd asks of its clients: nothing is granted. */
static void
carrier_request(uint8_t type, struct wire *w, struct buf *out)
{
	struct jump_channel refused = { .fd = -1 };
	struct buf b;

	(void)wire_string(w);
	if (type == SSH_MSG_CHANNEL_OPEN) {
		refused.client = wire_u32(w);
		if (wire_err(w) == 0)
			jump_channel_refuse(&refused, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
			    "this client takes no channels", out);
	} else if (wire_bool(w)) {
		buf_init(&b, 1);
		buf_put_u8(&b, SSH_MSG_REQUEST_FAILURE);
		wire_put_message(out, &b);
	}
}

void
carrier_packet(void *ctx, struct leg *leg, uint8_t *payload, size_t len)
{
	struct session *s = ctx;
	struct buf out;
	struct wire w;

	if (s->state != SESSION_RELAY || payload[0] < SSH_MSG_CONNECTION_MIN) {
		dispatch_upstream(ctx, leg, payload, len);
		return;
	}
	if (relay_message(&s->relay, RELAY_UPSTREAM, payload, len) != RELAY_PASS) {
		if (relay_why(&s->relay)[0] != '\0')
			session_end(s, "%s", relay_why(&s->relay));
		return;
	}
	s->trim_bytes += len;
	buf_init(&out, CARRIER_ANSWERS_MAX);
	wire_init(&w, payload + 1, len - 1);
	if (payload[0] == SSH_MSG_GLOBAL_REQUEST || payload[0] == SSH_MSG_CHANNEL_OPEN)
		carrier_request(payload[0], &w, &out);
	else if (payload[0] >= SSH_MSG_CHANNEL_OPEN)
		carrier_channel_message(s, payload[0], &w, &out);
	carrier_send_all(s, &out);
}

/* --- the loop --- */

static struct pollfd
carrier_wants(const struct session *s)
{
	const struct jump_channel *ch = &s->carrier->channel;
	short events = s->carrier->open ? jump_channel_wants(ch) : 0;

	if (s->up != NULL && leg_queued(s->up) >= CARRIER_HIGH_WATER)
		events &= ~POLLIN;
	/* once all has been read, an end of the other end as a whole is waited for */
	if (s->carrier->open && (events != 0 || ch->eof_sent))
		return (struct pollfd){ ch->fd, events, 0 };
	return (struct pollfd){ -1, 0, 0 };
}

static void
carrier_ready(struct session *s, const struct pollfd *pfd)
{
	struct jump_channel *ch = &s->carrier->channel;
	struct buf out;
	size_t len;
	int i;

	if (pfd->revents == 0 || ch->fd != pfd->fd || s->state != SESSION_RELAY)
		return;
	buf_init(&out, CARRIER_ANSWERS_MAX);
	if (ch->late.len > 0 && (pfd->revents & (POLLOUT | POLLERR | POLLHUP)) != 0)
		jump_channel_writable(ch, &out);
	for (i = 0; i < CARRIER_READS && (pfd->events & POLLIN) != 0 &&
	     (jump_channel_wants(ch) & POLLIN) != 0;
	     i++) {
		len = jump_channel_read(ch, s->carrier->message, &out);
		if (len == 0)
			break;
		s->trim_bytes += len;
		carrier_send(s, s->carrier->message, len);
	}
	carrier_send_all(s, &out);
	if (ch->state == JUMP_FREE)
		session_end(s, "its connection has ended");
	else if ((pfd->revents & POLLHUP) != 0 && ch->eof_sent)
		session_end(s, "the session has ended");
}

/* The session may have ended while it could not be read. */
static void
carrier_look(struct session *s)
{
	struct pollfd pfd = { s->carrier->open ? s->carrier->channel.fd : -1, 0, 0 };

	if (poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP) != 0)
		session_end(s, "the session has ended");
}

static int
carrier_timeout(const struct session *s, int64_t now, int blind)
{
	int64_t next = session_next(s);

	if (s->carrier->try_end < next)
		next = s->carrier->try_end;
	if (blind && now + CARRIER_LOOK_MS < next)
		next = now + CARRIER_LOOK_MS;
	return clock_until(next, now);
}

static void
carrier_timers(struct session *s, int64_t now, int blind)
{
	if (s->state == SESSION_RELAY)
		session_keepalive(s, s->up, RELAY_UPSTREAM, now);
	if (now >= s->up_deadline && s->up != NULL && s->state != SESSION_CLOSING)
		login_upstream_failed(s, "timed out");
	if (now >= s->carrier->try_end && s->state == SESSION_RELAY)
		carrier_next(s, "timed out");
	if (blind && s->state == SESSION_RELAY)
		carrier_look(s);
	/* until the channel is open, the keeper is who waits for it */
	if (s->keeper == -1 && !s->carrier->open)
		session_end(s, "the keeper has closed the connection");
	session_trim(s, now);
}

static void
carrier_loop(struct session *s)
{
	struct pollfd fds[4];
	int64_t now;
	int blind;

	while (s->state != SESSION_CLOSING) {
		now = clock_ms();
		fds[0] = (struct pollfd){ s->up != NULL ? leg_fd(s->up) : -1,
			session_wanted(s, s->up, NULL), 0 };
		fds[1] = carrier_wants(s);
		fds[2] = (struct pollfd){ s->held.len > 0 ? -1 : s->keeper, POLLIN, 0 };
		fds[3] = (struct pollfd){ s->signals, POLLIN, 0 };
		blind = s->keeper == -1 && fds[1].fd == -1;
		if (poll(fds, 4, carrier_timeout(s, now, blind)) == -1 && errno != EINTR) {
			session_end(s, "poll: %s", strerror(errno));
			break;
		}
		now = clock_ms();
		if (fds[2].revents != 0)
			keeper_link_input(s);
		if (s->up != NULL && s->state != SESSION_CLOSING)
			session_leg_events(s, s->up, fds[0].revents, RELAY_UPSTREAM, now);
		carrier_ready(s, &fds[1]);
		keeper_link_take_held(s);
		if (s->state != SESSION_CLOSING)
			login_check_ready(s);
		if (fds[3].revents != 0)
			session_end(s, "ended by the operator");
		carrier_timers(s, now, blind);
		if (s->up != NULL && leg_writable(s->up) > 0 && leg_flush(s->up) != 0)
			session_end(s, "upstream: %s", leg_error(s->up));
	}
}

/* HOP: wait for it, and do as it says.  0 or an ERR_*. */
static int
carrier_take_order(struct session *s, struct session_config *config)
{
	struct ipc_msg msg;
	struct ipc_hop hop;
	int r;

	s->deadline = clock_ms() + CARRIER_ORDER_MS;
	r = keeper_link_wait(s, 0, &msg);
	s->deadline = CLOCK_NEVER;
	if (r == 0)
		r = msg.type == IPC_HOP && msg.fd == -1 ? ipc_hop_get(&msg.body, &hop) :
							  ERR_BADSTATE;
	if (r != 0)
		return r;
	config->id = hop.session;
	config->client_alive_count_max = (int)hop.alive_max;
	s->policy.rekey_ms = hop.rekey_ms;
	s->policy.rekey_bytes = hop.rekey_bytes;
	proctitle_set("hop %s", hop.title);
	return 0;
}

void
carrier_run(int keeper)
{
	static struct session session;
	static struct session_config config;
	static struct carrier carrier = { .fd = -1, .try_end = CLOCK_NEVER, .channel.fd = -1 };
	struct session *s = &session;

	canary_renew();
	s->carrier = &carrier;
	s->state = SESSION_AUTH;
	session_prepare(s, -1, keeper, &config);
	if (carrier_take_order(s, &config) != 0)
		_exit(1);
	carrier_loop(s);
	if (s->up != NULL)
		leg_disconnect(s->up, SSH_DISCONNECT_BY_APPLICATION,
		    "sallyport: the session is over");
	/* the time for sessions that were never let in: nobody waits for what is left */
	s->relayed = 0;
	session_finish(s);
}
