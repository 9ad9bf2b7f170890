/*
 * Inside of a leg, for the files of this directory.
 */
#ifndef TRANSPORT_LEG_PRIVATE_H
#define TRANSPORT_LEG_PRIVATE_H

#include "libssh/priv.h"
#include "libssh/buffer.h"
#include "libssh/callbacks.h"
#include "libssh/crypto.h"
#include "libssh/packet.h"
#include "libssh/server.h"
#include "libssh/session.h"
#include "libssh/socket.h"
#include "libssh/ssh2.h"

#include "transport/leg.h"

/* libssh takes packets of up to 256 KiB; the buffer holds one and a good read. */
#define LEG_INPUT_SIZE (320 * 1024)

/* Buffered output of one leg: a peer that leaves more than this unread is given up. */
#define LEG_OUTPUT_MAX (16 * 1024 * 1024)

/* What a peer may send in the middle of one key exchange (libssh_wrap.c): a few windows of
 * channels, and requests, whose replies have to wait. */
#define LEG_LATE_BYTES (8 * 1024 * 1024)
#define LEG_LATE_MESSAGES 16384

/* Global requests that wait for a reply; a client has a few at a time. */
#define LEG_REQUESTS_MAX 64

/* Where the payload of a packet begins: RFC 4253 section 6. */
#define LEG_PACKET_PAYLOAD 5

struct leg_requests {
	uint32_t seq[LEG_REQUESTS_MAX]; /* the oldest first */
	size_t n;
};

/* In sealed_len: the packet could not be encrypted, and must not be written. */
#define SEALED_NOT SIZE_MAX

struct leg {
	struct leg *next; /* in the list of all legs of the process: libssh_wrap.c */
	int fd;
	int server;
	ssh_session ssh;
	const struct leg_ops *ops;
	void *ctx;
	struct ssh_packet_callbacks_struct callbacks;

	uint8_t *input; /* LEG_INPUT_SIZE bytes, mapped */
	size_t input_off, input_len;
	uint8_t *output; /* bytes off..len wait to be written */
	size_t output_off, output_len, output_cap;
	size_t
	    sealed_len; /* an encrypted packet behind output_len, which libssh has yet to write */
	uint64_t bytes_in, bytes_out;

	/* messages in the middle of a key exchange: libssh_wrap.c */
	enum ssh_session_state_e kex_state; /* the true state, while it is hidden */
	int kex_hidden;
	unsigned int late_messages; /* in this key exchange */
	size_t late_bytes;

	struct leg_requests requests; /* global requests sent and not answered */

	int paused;
	struct buf held;  /* messages that came during the pause, as strings */
	int version_sent; /* client: our version string has gone out in place of libssh's */
	int services;	  /* server: SERVICE_REQUESTs answered */
	int service_accepted;
	int peer_closed; /* a DISCONNECT has come */
	uint32_t peer_reason;
	char peer_text[256];
	char *sig_algs;
	char *host_key_algorithms; /* client: to ask for */
	int host_bound;
	enum leg_failure failure;
	char said[80]; /* client: the first line that the server sent before its version string */
	char error[512];
};

/* The leg of a libssh session or socket; aborts if there is none. */
struct leg *leg_of_session(ssh_session ssh);
struct leg *leg_of_socket(ssh_socket socket);
void leg_register(struct leg *leg);
void leg_unregister(struct leg *leg);

/* Make room for len bytes at the end of the output.  NULL, with the error noted, if there
 * is none. */
uint8_t *leg_output_room(struct leg *leg, size_t len);

/* Append to the output buffer.  SSH_OK or SSH_ERROR. */
int leg_output_add(struct leg *leg, const void *p, size_t len);

/* Note the error of a leg; the first one counts. */
void leg_set_error(struct leg *leg, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A message of the middle of a key exchange has passed libssh's filter: show libssh's true
 * state again. */
void leg_show_kex(struct leg *leg);

/* The error of a leg that got no memory: the memory of a session is limited. */
#define LEG_NO_MEMORY "out of memory"

/* Note why a leg ended, in sshd's words: for an error of libssh, or of the socket.  errno
 * is that of the call into libssh: for ENOMEM libssh has many texts, or none. */
void leg_set_failure(struct leg *leg);
void leg_set_failure_errno(struct leg *leg, int err);

/* After a pause: deliver the messages that were held. */
void leg_deliver_held(struct leg *leg);

/* Global requests: one is sent, in a packet that is not encrypted yet; the oldest is
 * answered; the peer says UNIMPLEMENTED to this sequence number (1: that was a global
 * request). */
void leg_requests_sent(struct leg *leg, uint32_t seq, const uint8_t *packet, size_t len);
void leg_requests_answered(struct leg *leg);
int leg_requests_unknown(struct leg *leg, uint32_t seq);

/* Once: use a faster library for AES-GCM from here on, if there is one. */
void aes_gcm_init(void);

/* Set the packet handlers of types 1 to 127. */
void leg_packets_init(struct leg *leg);

#endif
