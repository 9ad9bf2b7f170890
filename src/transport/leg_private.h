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

/* A peer that leaves more than this unread is given up. */
#define LEG_OUTPUT_MAX (16 * 1024 * 1024)

/* So much of a peer's is taken in the middle of a key exchange: a few windows of channels, and
 * questions, the answers to which have to wait. */
#define LEG_LATE_BYTES (8 * 1024 * 1024)
#define LEG_LATE_MESSAGES 16384

/* Of so many global requests it is known that they wait for a reply; a client has a few. */
#define LEG_REQUESTS_MAX 64

/* Where the payload of a packet begins: RFC 4253 section 6. */
#define LEG_PACKET_PAYLOAD 5

struct leg_requests {
	uint32_t seq[LEG_REQUESTS_MAX]; /* the oldest first */
	size_t n;
};

/* In sealed_len: a packet could not be encrypted, nothing may be written. */
#define SEALED_NOT SIZE_MAX

struct leg {
	struct leg *next; /* of all legs of the process: see hooks.c */
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
	size_t sealed_len; /* of a packet behind output_len that libssh has yet to write */
	uint64_t bytes_in, bytes_out;

	/* where it is in exchanging keys, while it is to look as if it were not: hooks.c */
	enum ssh_session_state_e kex_state;
	int kex_hidden;
	unsigned int late_messages; /* and how many there were of those, in one exchange */
	size_t late_bytes;

	struct leg_requests requests; /* global ones, sent and not answered */

	int paused;
	struct buf held;  /* messages that came while it was, as strings */
	int version_sent; /* client: our version string instead of libssh's */
	int services;	  /* server: SERVICE_REQUESTs answered */
	int service_accepted;
	int peer_closed; /* a DISCONNECT came */
	uint32_t peer_reason;
	char peer_text[256];
	char *sig_algs;
	char *host_key_algorithms; /* client: to ask for */
	int host_bound;
	enum leg_failure failure;
	char said[80]; /* client: the first line, if the server said something before its version */
	char error[512];
};

/* The leg of a libssh session or socket; aborts if there is none. */
struct leg *leg_of_session(ssh_session ssh);
struct leg *leg_of_socket(ssh_socket socket);
void leg_register(struct leg *leg);
void leg_unregister(struct leg *leg);

/* Room for len bytes behind what waits; NULL if there can be none. */
uint8_t *leg_output_room(struct leg *leg, size_t len);

/* Append to the output buffer.  SSH_OK or SSH_ERROR. */
int leg_output_add(struct leg *leg, const void *p, size_t len);

/* Note the first error of a leg. */
void leg_set_error(struct leg *leg, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The message that came in the middle of a key exchange is through libssh's filter. */
void leg_show_kex(struct leg *leg);

/* The error of a leg that got no memory: a session has a limit. */
#define LEG_NO_MEMORY "out of memory"

/* Note why it ended, in sshd's words: an error of libssh's, or one of the socket.  errno is that of
 * the call that failed: ENOMEM is an error for which libssh has many words, or none. */
void leg_set_failure(struct leg *leg);
void leg_set_failure_errno(struct leg *leg, int err);

/* After a pause: what has been held back. */
void leg_deliver_held(struct leg *leg);

/* A packet, not encrypted yet, whose message is a GLOBAL_REQUEST; its oldest is answered; it does
 * not know the message with this number: 1 if that was one of them. */
void leg_requests_sent(struct leg *leg, uint32_t seq, const uint8_t *packet, size_t len);
void leg_requests_answered(struct leg *leg);
int leg_requests_unknown(struct leg *leg, uint32_t seq);

/* Once: AES-GCM by a faster library from here on, if there is one. */
void aes_gcm_init(void);

/* The packet handlers of types 1 to 127. */
void leg_packets_init(struct leg *leg);

#endif
