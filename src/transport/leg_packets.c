/*
 * The packet handlers of a leg, which libssh calls for each message.  They come before libssh's
 * own; types that have none here stay with the library (key exchange, IGNORE, DEBUG).
 */
#include <string.h>

#include "base/log.h"
#include "transport/leg_private.h"
#include "wire/ssh.h"

/* Service requests of one client.  Some clients send one before each login request, and
 * MaxAuthTries ends the session after fewer of those. */
#define LEG_SERVICES_MAX 100

static struct bytes
leg_packet_bytes(ssh_buffer packet)
{
	return (struct bytes){ ssh_buffer_get(packet), ssh_buffer_get_len(packet) };
}

static int
leg_protocol_error(struct leg *leg, const char *text)
{
	leg_set_error(leg, "%s", text);
	leg->ssh->session_state = SSH_SESSION_STATE_ERROR;
	return SSH_PACKET_USED;
}

static int
leg_on_disconnect(ssh_session ssh, uint8_t type, ssh_buffer packet, void *user)
{
	struct leg *leg = user;
	struct bytes text, all = leg_packet_bytes(packet);
	struct wire w;

	wire_init(&w, all.p, all.len);
	leg->peer_closed = 1;
	leg->peer_reason = wire_u32(&w);
	text = wire_string(&w);
	if (wire_err(&w) != 0)
		text.len = 0;
	if (text.len >= sizeof(leg->peer_text))
		text.len = sizeof(leg->peer_text) - 1;
	memcpy(leg->peer_text, text.p, text.len);
	leg->peer_text[text.len] = '\0';
	return SSH_PACKET_USED;
}

/* Set the error to sshd's words for it. */
static int
leg_bad_service(struct leg *leg, struct bytes name)
{
	char shown[64];

	log_vis(shown, sizeof(shown), name.p, name.len);
	leg_set_error(leg, "bad service request %s", shown);
	return leg_protocol_error(leg, "");
}

static int
leg_on_service_request(ssh_session ssh, uint8_t type, ssh_buffer packet, void *user)
{
	static const char service[] = "ssh-userauth";
	struct leg *leg = user;
	struct bytes name, all = leg_packet_bytes(packet);
	struct wire w;
	struct buf b;
	int r;

	wire_init(&w, all.p, all.len);
	name = wire_string(&w);
	if (wire_end(&w) != 0 || !bytes_is(name, service))
		return leg_bad_service(leg, name);
	/* repeated requests are answered, as sshd does, until the client is logged in */
	if (leg->ssh->session_state == SSH_SESSION_STATE_AUTHENTICATED ||
	    ++leg->services > LEG_SERVICES_MAX)
		return leg_protocol_error(leg, "service request out of place");
	buf_init(&b, 64);
	buf_put_u8(&b, SSH_MSG_SERVICE_ACCEPT);
	wire_put_text(&b, service);
	r = buf_err(&b);
	if (r == 0)
		r = leg_send(leg, b.data, b.len);
	buf_free(&b);
	if (r != 0)
		return leg_protocol_error(leg, err_str(r));
	return SSH_PACKET_USED;
}

static int
leg_on_service_accept(ssh_session ssh, uint8_t type, ssh_buffer packet, void *user)
{
	struct leg *leg = user;

	leg->service_accepted = 1;
	return SSH_PACKET_USED;
}

/* EXT_INFO (RFC 8308): keep what the login upstream needs. */
static int
leg_on_ext_info(ssh_session ssh, uint8_t type, ssh_buffer packet, void *user)
{
	struct leg *leg = user;
	struct bytes name, value, all = leg_packet_bytes(packet);
	struct wire w;
	uint32_t n;

	wire_init(&w, all.p, all.len);
	for (n = wire_u32(&w); n > 0 && wire_err(&w) == 0; n--) {
		name = wire_string(&w);
		value = wire_string(&w);
		if (wire_err(&w) == 0 && bytes_is(name, "server-sig-algs") &&
		    leg->sig_algs == NULL && value.len <= 4096)
			leg->sig_algs = strndup((const char *)value.p, value.len);
		if (wire_err(&w) == 0 && bytes_is(name, "publickey-hostbound@openssh.com") &&
		    bytes_is(value, "0"))
			leg->host_bound = 1;
	}
	return SSH_PACKET_USED;
}

/*
 * Keep a message that comes while the leg is paused.  libssh 0.11 handles all packets that it has
 * been fed in one call, so that more come after the one that paused the leg; 0.12 handles one.
 */
static void
leg_hold(struct leg *leg, const uint8_t *payload, size_t len)
{
	wire_put_string(&leg->held, payload, len);
	if (buf_err(&leg->held) != 0)
		leg_protocol_error(leg, "too much at once");
}

static void
leg_deliver(struct leg *leg, uint8_t *payload, size_t len)
{
	if (leg->paused)
		leg_hold(leg, payload, len);
	else
		leg->ops->packet(leg->ctx, leg, payload, len);
}

void
leg_deliver_held(struct leg *leg)
{
	struct bytes payload;
	struct buf held = leg->held;
	struct wire w;

	if (held.len == 0)
		return;
	buf_init(&leg->held, LEG_INPUT_SIZE);
	wire_init(&w, held.data, held.len);
	for (payload = wire_string(&w); payload.len > 0; payload = wire_string(&w))
		leg_deliver(leg, held.data + (payload.p - held.data), payload.len);
	buf_wipe(&held);
}

/* --- global requests --- */

/* A server without global requests (TinySSH) answers them with UNIMPLEMENTED.  The client waits for
 * a reply: leg_on_unimplemented() makes it a REQUEST_FAILURE. */

void
leg_requests_sent(struct leg *leg, uint32_t seq, const uint8_t *packet, size_t len)
{
	struct leg_requests *r = &leg->requests;
	struct wire w;

	wire_init(&w, packet + LEG_PACKET_PAYLOAD + 1, len - LEG_PACKET_PAYLOAD - 1);
	(void)wire_string(&w); /* name */
	if (!wire_bool(&w) || wire_err(&w) != 0 || r->n == LEG_REQUESTS_MAX)
		return;
	r->seq[r->n++] = seq;
}

static void
leg_requests_take(struct leg_requests *r, size_t i)
{
	r->n--;
	memmove(&r->seq[i], &r->seq[i + 1], (r->n - i) * sizeof(r->seq[0]));
}

void
leg_requests_answered(struct leg *leg)
{
	if (leg->requests.n > 0)
		leg_requests_take(&leg->requests, 0);
}

int
leg_requests_unknown(struct leg *leg, uint32_t seq)
{
	size_t i;

	/* TinySSH gives the number of the message after it */
	for (i = 0; i < leg->requests.n; i++)
		if (seq - leg->requests.seq[i] <= 1) {
			leg_requests_take(&leg->requests, i);
			return 1;
		}
	return 0;
}

static int
leg_on_unimplemented(ssh_session ssh, uint8_t type, ssh_buffer packet, void *user)
{
	struct bytes all = leg_packet_bytes(packet);
	uint8_t failure = SSH_MSG_REQUEST_FAILURE;
	struct leg *leg = user;
	struct wire w;
	uint32_t seq;

	wire_init(&w, all.p, all.len);
	seq = wire_u32(&w);
	if (wire_err(&w) != 0 || !leg_requests_unknown(leg, seq))
		return SSH_PACKET_NOT_USED;
	leg_deliver(leg, &failure, 1);
	return SSH_PACKET_USED;
}

static int
leg_on_message(ssh_session ssh, uint8_t type, ssh_buffer packet, void *user)
{
	struct leg *leg = user;
	size_t len = ssh_buffer_get_len(packet);

	leg_show_kex(leg);
	if (type == SSH_MSG_REQUEST_SUCCESS || type == SSH_MSG_REQUEST_FAILURE)
		leg_requests_answered(leg);
	/* libssh has read the type, which is still in front of the rest; unless the rest is empty,
	 * which may have reset the buffer */
	if (len == 0)
		leg_deliver(leg, &type, 1);
	else
		leg_deliver(leg, (uint8_t *)ssh_buffer_get(packet) - 1, len + 1);
	/* it may have been a password */
	if (type < SSH_MSG_CONNECTION_MIN && ssh_buffer_get_len(packet) > 0)
		explicit_bzero(ssh_buffer_get(packet), ssh_buffer_get_len(packet));
	/* libssh handles this message too, and lets the connection protocol pass from here on */
	if (!leg->server && type == SSH_MSG_USERAUTH_SUCCESS)
		return SSH_PACKET_NOT_USED;
	return SSH_PACKET_USED;
}

static ssh_packet_callback leg_server_handlers[SSH_MSG_CONNECTION_MAX];
static ssh_packet_callback leg_client_handlers[SSH_MSG_CONNECTION_MAX];

void
leg_packets_init(struct leg *leg)
{
	ssh_packet_callback *h = leg->server ? leg_server_handlers : leg_client_handlers;
	int type;

	/* index 0 is type 1 */
	h[SSH_MSG_DISCONNECT - 1] = leg_on_disconnect;
	h[SSH_MSG_UNIMPLEMENTED - 1] = leg_on_unimplemented;
	h[SSH_MSG_SERVICE_REQUEST - 1] = leg->server ? leg_on_service_request : NULL;
	h[SSH_MSG_SERVICE_ACCEPT - 1] = leg->server ? NULL : leg_on_service_accept;
	h[SSH_MSG_EXT_INFO - 1] = leg_on_ext_info;
	for (type = SSH_MSG_USERAUTH_MIN; type <= SSH_MSG_CONNECTION_MAX; type++)
		h[type - 1] = leg_on_message;
	leg->callbacks.start = 1;
	leg->callbacks.n_callbacks = SSH_MSG_CONNECTION_MAX;
	leg->callbacks.callbacks = h;
	leg->callbacks.user = leg;
	ssh_packet_set_callbacks(leg->ssh, &leg->callbacks);
}
