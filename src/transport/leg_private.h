/*
 * The inside of a leg, for the leg*.c and libssh_wrap.c of this directory.
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

/* Input buffer of a leg: the largest packet that libssh accepts, 256 KiB, and 64 KiB more, so that
 * a read beside an incomplete packet is never small. */
#define LEG_INPUT_SIZE (320 * 1024)

/* Output of one leg that the peer has not read yet; beyond it the leg fails.  A session stops
 * reading from one leg long before (SESSION_HIGH_WATER), but a key exchange must be read on.  The
 * memory limit of a session counts on this number (session/sandbox.c). */
#define LEG_OUTPUT_MAX (16 * 1024 * 1024)

/* Messages of the connection protocol that a peer may send in the middle of one key exchange
 * (libssh_wrap.c): data of a few channels, whose windows are 2 MiB as a rule, and requests. */
#define LEG_LATE_BYTES (8 * 1024 * 1024)
#define LEG_LATE_MESSAGES 16384

/* Global requests of one leg that wait for a reply.  Clients have one or two at a time; a request
 * beyond the limit is sent, but an UNIMPLEMENTED for it is not recognized. */
#define LEG_REQUESTS_MAX 64

/* Where the payload of a packet begins: RFC 4253 section 6. */
#define LEG_PACKET_PAYLOAD 5

/* Types of host keys that a server's leg may have: leg_host_keys.c. */
#define LEG_HOST_KEY_TYPES 10

struct leg_host_key {
	const char *algorithms; /* a name-list; static */
	ssh_string blob;
};

struct leg_requests {
	uint32_t seq[LEG_REQUESTS_MAX]; /* the oldest first */
	size_t n;
};

/* A value of sealed_len: the packet could not be encrypted, and must not be written. */
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
	size_t sealed_len; /* of an encrypted packet behind output_len: __wrap_ssh_socket_write() */
	uint64_t bytes_in, bytes_out;

	/* messages in the middle of a key exchange: libssh_wrap.c */
	enum ssh_session_state_e kex_state; /* the true state, while it is hidden */
	int kex_hidden;
	unsigned int late_messages; /* in this key exchange */
	size_t late_bytes;

	struct leg_requests requests; /* global requests sent and not answered */

	int paused;
	struct buf held;  /* messages that came during the pause, as strings */
	int version_sent; /* client: the version string is in the output, in place of libssh's */
	int services;	  /* server: SERVICE_REQUESTs answered */
	int service_accepted;
	int peer_closed; /* a DISCONNECT has come */
	uint32_t peer_reason;
	char peer_text[256];
	char *sig_algs;
	char *host_key_algorithms;			   /* for its KEXINIT */
	struct leg_host_key host_keys[LEG_HOST_KEY_TYPES]; /* server: those that serve */
	size_t n_host_keys;
	int host_bound;
	enum leg_failure failure;
	unsigned int lines_before_version; /* client: that the server has sent */
	char said[80]; /* client: the first line that the server sent before its version string */
	char error[512];
};

/* The leg of a libssh session, which must have one; the leg of a libssh socket, or NULL. */
struct leg *leg_of_session(ssh_session ssh);
struct leg *leg_of_socket(ssh_socket socket);
void leg_register(struct leg *leg);
void leg_unregister(struct leg *leg);

/* Make room for len bytes at the end of the output, and return where.  NULL with the leg's error
 * set: no memory, or LEG_OUTPUT_MAX. */
uint8_t *leg_output_room(struct leg *leg, size_t len);

/* Add a host key, of which the public blob is given, and append its algorithms to list; the second
 * key of a type is passed over.  0, ERR_ALGORITHM, ERR_FORMAT or ERR_NOMEM. */
int leg_host_keys_add(struct leg *leg, struct bytes blob, struct buf *list) MUST_CHECK;

/* The blob of the host key for an algorithm, or NULL. */
ssh_string leg_host_keys_find(const struct leg *leg, const char *algorithm);
void leg_host_keys_free(struct leg *leg);

/* Append to the output.  SSH_OK, or SSH_ERROR with the leg's error set. */
int leg_output_add(struct leg *leg, const void *p, size_t len);

/* Set the error of a leg, unless it has one already. */
void leg_set_error(struct leg *leg, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put back libssh's state, which was changed to let a message in the middle of a key exchange pass
 * its filter. */
void leg_show_kex(struct leg *leg);

/* The error of a leg that got no memory.  Sessions have a limit of memory (session/sandbox.c). */
#define LEG_NO_MEMORY "out of memory"

/* Set the error and the failure of a leg, in sshd's words: after an error of libssh, or with the
 * errno of its socket.  leg_set_failure() looks at the errno that the call into libssh left, for
 * its texts do not tell ENOMEM. */
void leg_set_failure(struct leg *leg);
void leg_set_failure_errno(struct leg *leg, int err);

/* The same for a peer that sends no version string, or one of another protocol; a client is told. */
void leg_set_not_ssh(struct leg *leg);

/* Have the peer's version string read by leg_version.c: to be called once libssh has been started. */
void leg_version_init(struct leg *leg);

/* After a pause: deliver the messages that came during it. */
void leg_deliver_held(struct leg *leg);

/* Global requests that wait for a reply.  _sent: remember a request that is about to be encrypted;
 * packet is the whole of it.  _answered: forget the oldest, which a reply has come for.  _unknown:
 * the peer has sent UNIMPLEMENTED for this sequence number; 1 if that was a request, now
 * forgotten. */
void leg_requests_sent(struct leg *leg, uint32_t seq, const uint8_t *packet, size_t len);
void leg_requests_answered(struct leg *leg);
int leg_requests_unknown(struct leg *leg, uint32_t seq);

/* Make libssh use libipsec-mb for AES-GCM from here on, if it is there and faster.  Once. */
void aes_gcm_init(void);

/* Set the packet handlers of types 1 to 127. */
void leg_packets_init(struct leg *leg);

#endif
