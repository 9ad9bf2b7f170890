/*
 * One leg: an SSH transport (RFC 4253) on a connected socket, server or client
 * side, that hands over every message above the transport as its bytes.
 *
 * libssh does the protocol and the cryptography; the leg does the input and
 * output.  It reads the socket into a buffer of its own and feeds libssh from it, and
 * what libssh wants to write is gathered in a buffer that goes out with one
 * send(2) for many packets.  libssh itself never sees the socket, polls nothing,
 * opens nothing and resolves nothing.
 *
 * Nothing here blocks, except the two callbacks that ask the keeper.
 */
#ifndef TRANSPORT_LEG_H
#define TRANSPORT_LEG_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/wire.h"

struct leg;

/*
 * What both legs call themselves in the version string.  OpenSSH speaks some of its
 * extensions only to what begins with "OpenSSH" (eow@openssh.com, which tells a
 * command that nobody reads its output, is one), and through a gateway they mean the
 * OpenSSH on the other side.
 */
#define TRANSPORT_SOFTWARE "OpenSSH_sallyport_" SALLYPORT_VERSION

struct leg_ops {
	/*
	 * Server: sign the exchange hash (RFC 4253 section 8) with the host key for
	 * the algorithm and append the signature blob to sig.  The first hash is
	 * the session identifier.  0 or an ERR_*, which ends the leg.  NULL in a client.
	 */
	int (*sign)(void *ctx, const char *alg, struct bytes hash, struct buf *sig);
	/*
	 * Client: is this the host key of the machine meant, and sig its signature
	 * over hash?  Asked at each key exchange.  0: go on.  NULL in a server.
	 */
	int (*host_key)(void *ctx, const char *alg, struct bytes hash, struct bytes blob,
	    struct bytes sig);
	/*
	 * A message of type 50 to 127; payload[0] is its type.  Valid during the
	 * call, and may be changed.  May send on any leg and may pause this one.
	 */
	void (*packet)(void *ctx, struct leg *leg, uint8_t *payload, size_t len);
};

struct leg_config {
	/* Comma-separated lists, as in ssh_config; NULL: our defaults. */
	const char *kex_algorithms;
	const char *host_key_algorithms; /* client only; the server's follow its keys */
	const char *ciphers;
	const char *macs;
	const char *compression;
	const char *software; /* server only: after "SSH-2.0-" in the version string */
	/* Server only: public blobs of the host keys, in order of preference; at
	 * most one each of Ed25519, ECDSA and RSA. */
	const struct bytes *host_keys;
	size_t n_host_keys;
};

/* Once in a process, before any other call: the library's own initialization. */
int leg_global_init(void) MUST_CHECK;

/* Exchange keys with ourselves, so that all that is loaded once is loaded.  0 or an
 * ERR_*: then the libraries do not work. */
int leg_warm_up(void) MUST_CHECK;

/* Make a server leg with these host keys (public blobs), and throw it away.  0 with none or good ones;
 * or an ERR_*, the reason in why, which is static. */
int leg_try_host_keys(const struct bytes *keys, size_t n, const char **why) MUST_CHECK;

/*
 * A leg on the connected socket fd, which it owns from then on, also on error.
 * The version string and KEXINIT wait in its buffer for leg_flush().  NULL: out of
 * memory or an algorithm list libssh does not take (*why, static text, says so).
 */
struct leg *leg_new_server(int fd, const struct leg_config *config, const struct leg_ops *ops,
    void *ctx, const char **why);
struct leg *leg_new_client(int fd, const struct leg_config *config, const struct leg_ops *ops,
    void *ctx, const char **why);
void leg_free(struct leg **leg); /* closes the socket; takes NULL */

int leg_fd(const struct leg *leg);

/*
 * Take what the socket has (one read of up to LEG_INPUT_SIZE bytes) and work
 * through the packets in it.  0; ERR_AGAIN if there was nothing; ERR_EOF when
 * the peer has closed or sent DISCONNECT, ERR_SYS or ERR_SSH (see leg_error()).
 */
int leg_input(struct leg *leg) MUST_CHECK;

/* While paused nothing is read, and packets already read wait.  leg_resume()
 * works through those and returns as leg_input() does. */
void leg_pause(struct leg *leg);
int leg_resume(struct leg *leg) MUST_CHECK;
int leg_paused(const struct leg *leg);

/* Put a message in the buffer; payload[0] is its type.  0 or ERR_SSH, ERR_TOOBIG
 * when the peer has not been reading for too long. */
int leg_send(struct leg *leg, const uint8_t *payload, size_t len) MUST_CHECK;

/* The same for the message of from that is being delivered, which is gone afterwards: it is not
 * copied if it can be helped. */
int leg_relay(struct leg *leg, struct leg *from, const uint8_t *payload, size_t len) MUST_CHECK;

/* Write what waits, as far as the socket takes it.  0 (leg_queued() tells whether
 * something is left), ERR_EOF or ERR_SYS. */
int leg_flush(struct leg *leg) MUST_CHECK;

/* Bytes that wait to be written, those held back by a key exchange included. */
size_t leg_queued(const struct leg *leg);

/* Bytes that are ready to be written now: poll for output while not 0. */
size_t leg_writable(const struct leg *leg);

/* 1 once the first key exchange is over. */
int leg_ready(const struct leg *leg);

/* 1 while keys are being exchanged: then reading must go on. */
int leg_in_kex(const struct leg *leg);

/* Server: put USERAUTH_SUCCESS in the buffer; the connection protocol begins. */
int leg_send_success(struct leg *leg) MUST_CHECK;

/* Client: ask for the service "ssh-userauth"; messages 50 to 79 may follow at once. */
int leg_request_auth(struct leg *leg) MUST_CHECK;

/* Put a DISCONNECT in the buffer.  Nothing can be sent after it. */
void leg_disconnect(struct leg *leg, uint32_t reason, const char *text);

/* Give back memory that only large transfers need. */
void leg_trim(struct leg *leg);

enum leg_failure {
	LEG_OTHER,	  /* ended by us: leg_error() says why */
	LEG_CLOSED,	  /* the peer has closed */
	LEG_RESET,	  /* its connection has been reset */
	LEG_DISCONNECTED, /* its DISCONNECT has come */
	LEG_NOT_SSH,	  /* its first line is not what SSH 2.0 begins with */
	LEG_NO_MATCH,	  /* no algorithm in common; leg_error() has its offer in it */
	LEG_BROKEN,	  /* it does not keep to the protocol, or its socket has failed */
};

/* What ended it, and in one line, where sshd has words in those; LEG_OTHER and "" if it has
 * not.  There may be text of the peer's in it; of a server that went before its version, at the
 * end, "; before that it said: " and its first line.  Valid until the leg is freed. */
enum leg_failure leg_failure(const struct leg *leg);
const char *leg_error(const struct leg *leg);

/* The peer's DISCONNECT, if one came: its reason code and text, else 0 and "". */
uint32_t leg_peer_disconnect(const struct leg *leg, const char **text);

/* Client: the server's version string, "SSH-2.0-...", as it came; NULL before. */
const char *leg_server_version(const struct leg *leg);

/* Client: 1 once its EXT_INFO is here, or comes no more before the login (RFC 8308 section 2.4):
 * it stands behind the first NEWKEYS, in a segment of its own maybe, but before SERVICE_ACCEPT. */
int leg_ext_info_known(const struct leg *leg);

/* server-sig-algs of the peer's EXT_INFO (RFC 8308), or NULL. */
const char *leg_server_sig_algs(const struct leg *leg);

/* 1 if its EXT_INFO has publickey-hostbound@openssh.com (PROTOCOL of OpenSSH). */
int leg_host_bound(const struct leg *leg);

/* The session identifier (first exchange hash); empty before leg_ready(). */
struct bytes leg_session_id(const struct leg *leg);

/* Names of what was negotiated, for the log: "kex cipher". */
void leg_describe(const struct leg *leg, char *out, size_t size);

/* Bytes read from and written to the socket. */
void leg_counts(const struct leg *leg, uint64_t *in, uint64_t *out);

#endif
