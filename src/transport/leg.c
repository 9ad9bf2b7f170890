/*
 * A leg at work: it reads the socket, feeds libssh, and writes the output.  Called by session/,
 * errand/look.c and warmup.c.
 */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "transport/leg_private.h"
#include "wire/ssh.h"

void
leg_set_error(struct leg *leg, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	if (leg->error[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(leg->error, sizeof(leg->error), fmt, ap);
	va_end(ap);
	len = strlen(leg->error);
	if (leg->said[0] != '\0' && leg->ssh->serverbanner == NULL)
		snprintf(leg->error + len, sizeof(leg->error) - len, "; before that it said: %s",
		    leg->said);
}

/*
 * A login message of a client that is logged in already has to be ignored (RFC 4252 section 5.1),
 * but libssh ends the session.  It has read the packet to its end by then: undo the error.
 */
static int
leg_forgives(struct leg *leg)
{
	ssh_session ssh = leg->ssh;

	if (!leg->server || (ssh->flags & SSH_SESSION_FLAG_AUTHENTICATED) == 0 ||
	    ssh->dh_handshake_state != DH_STATE_FINISHED ||
	    ssh->packet_state != PACKET_STATE_PROCESSING ||
	    ssh->in_packet.type < SSH_MSG_USERAUTH_MIN ||
	    ssh->in_packet.type > SSH_MSG_USERAUTH_MAX)
		return 0;
	/* it may have been a password */
	if (ssh_buffer_get_len(ssh->in_buffer) > 0)
		explicit_bzero(ssh_buffer_get(ssh->in_buffer), ssh_buffer_get_len(ssh->in_buffer));
	ssh->session_state = SSH_SESSION_STATE_AUTHENTICATED;
	ssh->packet_state = PACKET_STATE_INIT;
	return 1;
}

static int
leg_failed(struct leg *leg)
{
	if (leg->ssh->session_state != SSH_SESSION_STATE_ERROR || leg_forgives(leg))
		return 0;
	leg_set_failure(leg);
	return 1;
}

/* Feed libssh what has been read, packet by packet. */
static int
leg_process(struct leg *leg)
{
	size_t n;

	while (!leg->paused && leg->input_len > 0 && !leg->peer_closed) {
		errno = 0; /* for leg_set_failure() */
		n = leg->ssh->socket_callbacks.data(leg->input + leg->input_off, leg->input_len,
		    leg->ssh->socket_callbacks.userdata);
		leg_show_kex(leg);
		leg->input_off += n;
		leg->input_len -= n;
		if (leg_failed(leg))
			return ERR_SSH;
		if (n == 0)
			break;
	}
	if (leg->input_len == 0)
		leg->input_off = 0;
	return leg->peer_closed ? ERR_EOF : 0;
}

int
leg_input(struct leg *leg)
{
	size_t room = LEG_INPUT_SIZE - leg->input_off - leg->input_len;
	ssize_t n;

	if (leg->peer_closed)
		return ERR_EOF;
	if (leg->input_off > 0) { /* the rest is an incomplete packet */
		memmove(leg->input, leg->input + leg->input_off, leg->input_len);
		leg->input_off = 0;
		room = LEG_INPUT_SIZE - leg->input_len;
	}
	n = recv(leg->fd, leg->input + leg->input_off + leg->input_len, room, MSG_DONTWAIT);
	if (n == -1) {
		if (errno == EAGAIN || errno == EINTR)
			return ERR_AGAIN;
		leg_set_failure_errno(leg, errno);
		return ERR_SYS;
	}
	if (n == 0) {
		if (leg->error[0] == '\0')
			leg->failure = LEG_CLOSED;
		leg_set_error(leg, "connection closed");
		return ERR_EOF;
	}
	leg->input_len += (size_t)n;
	leg->bytes_in += (size_t)n;
	return leg_process(leg);
}

void
leg_pause(struct leg *leg)
{
	leg->paused = 1;
}

int
leg_resume(struct leg *leg)
{
	leg->paused = 0;
	leg_deliver_held(leg);
	return leg_process(leg);
}

int
leg_paused(const struct leg *leg)
{
	return leg->paused;
}

uint8_t *
leg_output_room(struct leg *leg, size_t len)
{
	size_t used = leg->output_len - leg->output_off, cap;
	uint8_t *output;

	if (leg->output_cap - leg->output_len < len && leg->output_off > 0) {
		memmove(leg->output, leg->output + leg->output_off, used);
		leg->output_off = 0;
		leg->output_len = used;
	}
	if (leg->output_cap - leg->output_len < len) {
		if (used + len > LEG_OUTPUT_MAX) {
			leg_set_error(leg, "does not read what is sent to it");
			return NULL;
		}
		cap = leg->output_cap == 0 ? 4096 : leg->output_cap;
		while (cap < used + len)
			cap *= 2;
		output = realloc(leg->output, cap);
		if (output == NULL) {
			leg_set_error(leg, LEG_NO_MEMORY);
			return NULL;
		}
		leg->output = output;
		leg->output_cap = cap;
	}
	return leg->output + leg->output_len;
}

int
leg_output_add(struct leg *leg, const void *p, size_t len)
{
	uint8_t *room = leg_output_room(leg, len);

	if (room == NULL)
		return SSH_ERROR;
	memcpy(room, p, len);
	leg->output_len += len;
	return SSH_OK;
}

/* Overwrite what libssh's buffer still has of a login message, which may have been a password. */
static void
leg_wipe_out_buffer(struct leg *leg, size_t len)
{
	static const uint8_t zero[256];
	ssh_buffer b = leg->ssh->out_buffer;
	size_t n, left;

	if (ssh_buffer_get_len(b) > 0)
		return;
	/* 64: header and padding */
	for (left = len + 64; left > 0; left -= n) {
		n = left < sizeof(zero) ? left : sizeof(zero);
		if (ssh_buffer_add_data(b, zero, (uint32_t)n) < 0)
			break;
	}
	ssh_buffer_reinit(b);
}

/* Send the message in libssh's output buffer. */
static int
leg_send_buffer(struct leg *leg)
{
	errno = 0;
	if (ssh_packet_send(leg->ssh) != SSH_ERROR)
		return 0;
	leg_set_error(leg, "%s", errno == ENOMEM ? LEG_NO_MEMORY : ssh_get_error(leg->ssh));
	return ERR_SSH;
}

int
leg_send(struct leg *leg, const uint8_t *payload, size_t len)
{
	/* libssh will put a header of 5 bytes in front: with room for it, the payload need not be
	 * moved */
	static const uint8_t room[8];
	ssh_buffer b = leg->ssh->out_buffer;
	int r;

	if (ssh_buffer_add_data(b, room, sizeof(room)) < 0 ||
	    ssh_buffer_add_data(b, payload, (uint32_t)len) < 0 ||
	    ssh_buffer_pass_bytes(b, sizeof(room)) != sizeof(room)) {
		ssh_buffer_reinit(b);
		leg_set_error(leg, LEG_NO_MEMORY);
		return ERR_NOMEM;
	}
	r = leg_send_buffer(leg);
	if (r == 0 && len > 0 && payload[0] < SSH_MSG_CONNECTION_MIN)
		leg_wipe_out_buffer(leg, len);
	return r;
}

/*
 * libssh encrypts its output buffer, after it has added a header in front and padding behind.  So
 * that nothing is copied, the buffer that the message came in becomes the output buffer: it has
 * room for both where the header and padding of the received packet have been.
 */
int
leg_relay(struct leg *leg, struct leg *from, const uint8_t *payload, size_t len)
{
	ssh_buffer in = from->ssh->in_buffer, out = leg->ssh->out_buffer;
	uint8_t type = payload[0];
	int r;

	/* a message that waits for the end of a key exchange keeps its buffer */
	if (leg_in_kex(leg) || ssh_buffer_get_len(in) + 1 != len ||
	    (const uint8_t *)ssh_buffer_get(in) != payload + 1 ||
	    ssh_buffer_prepend_data(in, &type, sizeof(type)) != 0)
		return leg_send(leg, payload, len);
	leg->ssh->out_buffer = in;
	r = leg_send_buffer(leg);
	/* libssh takes another buffer if this message has to wait */
	from->ssh->in_buffer = leg->ssh->out_buffer;
	leg->ssh->out_buffer = out;
	return r;
}

int
leg_flush(struct leg *leg)
{
	size_t len = leg->output_len - leg->output_off;
	ssize_t n;

	if (len == 0)
		return 0;
	n = send(leg->fd, leg->output + leg->output_off, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n == -1) {
		if (errno == EAGAIN || errno == EINTR)
			return 0;
		leg_set_failure_errno(leg, errno);
		return errno == EPIPE || errno == ECONNRESET ? ERR_EOF : ERR_SYS;
	}
	leg->output_off += (size_t)n;
	leg->bytes_out += (size_t)n;
	if (leg->output_off == leg->output_len)
		leg->output_off = leg->output_len = 0;
	return 0;
}

size_t
leg_writable(const struct leg *leg)
{
	return leg->output_len - leg->output_off;
}

size_t
leg_queued(const struct leg *leg)
{
	size_t n = leg_writable(leg);
	struct ssh_iterator *it;

	for (it = ssh_list_get_iterator(leg->ssh->out_queue); it != NULL; it = it->next)
		n += ssh_buffer_get_len(ssh_iterator_value(ssh_buffer, it));
	return n;
}

int
leg_fd(const struct leg *leg)
{
	return leg->fd;
}

int
leg_ready(const struct leg *leg)
{
	return leg->ssh->connected != 0;
}

int
leg_in_kex(const struct leg *leg)
{
	return leg->ssh->dh_handshake_state != DH_STATE_FINISHED;
}

/* libssh computes the limit of a cipher at each key exchange: narrow that of the ciphers in use. */
static void
leg_narrow_blocks(struct ssh_cipher_struct *cipher, uint64_t bytes)
{
	if (cipher == NULL)
		return;
	if (cipher->max_blocks == 0 || cipher->max_blocks > bytes / cipher->blocksize)
		cipher->max_blocks = bytes / cipher->blocksize;
}

void
leg_set_rekey(struct leg *leg, uint64_t bytes, uint32_t ms)
{
	struct ssh_crypto_struct *crypto = leg->ssh->current_crypto;

	leg->ssh->opts.rekey_data = bytes;
	leg->ssh->opts.rekey_time = ms;
	ssh_timestamp_init(&leg->ssh->last_rekey_time);
	if (bytes == 0 || crypto == NULL)
		return;
	leg_narrow_blocks(crypto->in_cipher, bytes);
	leg_narrow_blocks(crypto->out_cipher, bytes);
}

int
leg_send_success(struct leg *leg)
{
	if (ssh_auth_reply_success(leg->ssh, 0) == SSH_ERROR) {
		leg_set_error(leg, "%s", ssh_get_error(leg->ssh));
		return ERR_SSH;
	}
	return 0;
}

int
leg_request_auth(struct leg *leg)
{
	static const char service[] = "ssh-userauth";
	struct buf b;
	int r;

	buf_init(&b, 64);
	buf_put_u8(&b, SSH_MSG_SERVICE_REQUEST);
	wire_put_text(&b, service);
	r = buf_err(&b);
	if (r == 0) {
		leg->ssh->auth.service_state = SSH_AUTH_SERVICE_SENT;
		r = leg_send(leg, b.data, b.len);
	}
	buf_free(&b);
	return r;
}

void
leg_disconnect(struct leg *leg, uint32_t reason, const char *text)
{
	struct buf b;

	if (leg == NULL || leg->ssh->session_state == SSH_SESSION_STATE_ERROR)
		return;
	buf_init(&b, 1024);
	buf_put_u8(&b, SSH_MSG_DISCONNECT);
	wire_put_u32(&b, reason);
	wire_put_string(&b, text, strnlen(text, 512));
	wire_put_text(&b, "");
	if (buf_err(&b) == 0 && leg_send(leg, b.data, b.len) != 0)
		leg_set_error(leg, "cannot send DISCONNECT");
	buf_free(&b);
}

void
leg_trim(struct leg *leg)
{
	if (leg->input_len == 0)
		(void)madvise(leg->input, LEG_INPUT_SIZE, MADV_DONTNEED);
	if (leg_writable(leg) == 0 && leg->output_cap > 4096) {
		free(leg->output);
		leg->output = NULL;
		leg->output_cap = 0;
	}
}

const char *
leg_error(const struct leg *leg)
{
	return leg->error;
}

uint32_t
leg_peer_disconnect(const struct leg *leg, const char **text)
{
	*text = leg->peer_text;
	return leg->peer_reason;
}

const char *
leg_peer_version(const struct leg *leg)
{
	return leg->server ? leg->ssh->clientbanner : leg->ssh->serverbanner;
}

int
leg_host_bound(const struct leg *leg)
{
	return leg->host_bound;
}

int
leg_ext_info_known(const struct leg *leg)
{
	return leg->sig_algs != NULL || leg->service_accepted;
}

const char *
leg_server_sig_algs(const struct leg *leg)
{
	return leg->sig_algs;
}

struct bytes
leg_session_id(const struct leg *leg)
{
	struct ssh_crypto_struct *crypto = leg->ssh->current_crypto;

	if (crypto == NULL)
		return (struct bytes){ (const uint8_t *)"", 0 };
	return (struct bytes){ crypto->session_id, crypto->session_id_len };
}

void
leg_counts(const struct leg *leg, uint64_t *in, uint64_t *out)
{
	*in = leg->bytes_in;
	*out = leg->bytes_out;
}
