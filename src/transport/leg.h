/*
 * One leg of a session: an SSH transport (RFC 4253) on a connected socket, as the server downstream
 * or as the client upstream, that delivers every message above the transport as its bytes.
 *
 * libssh does the protocol and the cryptography; the leg does the input and output.  It reads the
 * socket into a buffer of its own and feeds libssh from it, and what libssh wants to write is
 * gathered in a buffer that goes out with one send(2) for many packets.  libssh itself never sees
 * the socket, polls nothing, opens nothing and resolves nothing.
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
 * extensions only to peers whose version begins with "OpenSSH" (eow@openssh.com, which
 * tells a command that nobody reads its output, is one); through a gateway they are meant
 * for the OpenSSH at the far end.
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
	 * Client: check that blob is the host key of the upstream, and sig its signature
	 * over hash.  Called at each key exchange.  0: go on.  NULL in a server.
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
	/* Names separated by commas; NULL: those of algorithms_default() for this side. */
	const char *kex_algorithms;
	const char *host_key_algorithms; /* server: of these, those that its keys have */
	const char *ciphers;
	const char *macs;
	const char *compression;
	const char *user_key_algorithms; /* server only: of users' keys, for server-sig-algs */
	const char *software;		 /* server only: after "SSH-2.0-" in the version string */
	/* Server only: certificates and public blobs of the host keys, in order of
	 * preference; of each type the first one serves. */
	const struct bytes *host_keys;
	size_t n_host_keys;
};

/* The version of the libssh that is linked in, as "0.12.2".  Static. */
const char *transport_libssh_version(void);

/* Where its source is from and when it was built: "Debian's package 0.12.2-1",
 * "2026-08-01" (UTC, or SOURCE_DATE_EPOCH).  Static. */
const char *transport_libssh_origin(void);
const char *transport_libssh_built(void);

/* The version of libipsec-mb, if it does AES-GCM here; NULL if OpenSSL does.  After
 * leg_global_init().  Static. */
const char *transport_aes_gcm_version(void);

/* Once in a process, before any other call: the library's own initialization. */
int leg_global_init(void) MUST_CHECK;

/* Exchange keys between two legs of this process, so that the libraries do now what they do only
 * at their first use.  0; ERR_*: the libraries do not work. */
int leg_warm_up(void) MUST_CHECK;

/* Check that a server leg can be made with these n host keys (public blobs).  0, also if n is 0; or
 * an ERR_*, with the reason in *why, which is static. */
int leg_try_host_keys(const struct bytes *keys, size_t n, const char **why) MUST_CHECK;

/*
 * A leg on the connected socket fd, which it owns from then on, also on error.
 * The version string and KEXINIT wait in its buffer for leg_flush().  NULL: out of
 * memory, or an algorithm list that libssh does not take (*why, static text, says which).
 */
struct leg *leg_new_server(int fd, const struct leg_config *config, const struct leg_ops *ops,
    void *ctx, const char **why);
struct leg *leg_new_client(int fd, const struct leg_config *config, const struct leg_ops *ops,
    void *ctx, const char **why);
void leg_free(struct leg **leg); /* closes the socket; takes NULL */

int leg_fd(const struct leg *leg);

/*
 * Read from the socket once, as much as fits into the input buffer, and process the packets in it.
 * 0; ERR_AGAIN: there was nothing to read; ERR_EOF: the peer has closed or sent DISCONNECT;
 * ERR_SYS or ERR_SSH (see leg_error()).
 */
int leg_input(struct leg *leg) MUST_CHECK;

/* While a leg is paused, packets already read wait, and the caller does not call leg_input().
 * leg_resume() processes those that wait, and returns as leg_input() does. */
void leg_pause(struct leg *leg);
int leg_resume(struct leg *leg) MUST_CHECK;
int leg_paused(const struct leg *leg);

/* Add a message to the output; payload[0] is its type.  0, ERR_SSH or ERR_NOMEM; ERR_SSH
 * also when the peer has left too much unread. */
int leg_send(struct leg *leg, const uint8_t *payload, size_t len) MUST_CHECK;

/* As leg_send(), for the message of from that is being delivered, without a copy where
 * possible.  The message is gone afterwards. */
int leg_relay(struct leg *leg, struct leg *from, const uint8_t *payload, size_t len) MUST_CHECK;

/* Write output, as far as the socket takes it.  0 (leg_queued() tells whether something is left),
 * ERR_EOF or ERR_SYS. */
int leg_flush(struct leg *leg) MUST_CHECK;

/* Bytes that wait to be written, including those that wait for the end of a key exchange. */
size_t leg_queued(const struct leg *leg);

/* Bytes that leg_flush() would write now: poll(2) for output while this is not 0. */
size_t leg_writable(const struct leg *leg);

/* 1 once the first key exchange is over. */
int leg_ready(const struct leg *leg);

/* RekeyLimit, from now on: once a leg is logged in, it asks for new keys before it sends what would
 * be more than so many bytes in one direction with the same keys (0: as many as the cipher bears),
 * and with the first message that is sent or comes after so many milliseconds (0: no limit). */
void leg_set_rekey(struct leg *leg, uint64_t bytes, uint32_t ms);

/* 1 during a key exchange.  The leg must be read meanwhile, for else the exchange never ends. */
int leg_in_kex(const struct leg *leg);

/* Server: add USERAUTH_SUCCESS to the output; from here on libssh lets messages of the connection
 * protocol pass. */
int leg_send_success(struct leg *leg) MUST_CHECK;

/* Client: ask for the service "ssh-userauth"; messages 50 to 79 may follow at once. */
int leg_request_auth(struct leg *leg) MUST_CHECK;

/* Add a DISCONNECT to the output.  Nothing can be sent after it.  Takes NULL. */
void leg_disconnect(struct leg *leg, uint32_t reason, const char *text);

/* Free the memory of empty buffers: a leg without much traffic needs little. */
void leg_trim(struct leg *leg);

enum leg_failure {
	LEG_OTHER,	  /* ended by the gateway: leg_error() says why */
	LEG_CLOSED,	  /* the peer has closed */
	LEG_RESET,	  /* the connection has been reset */
	LEG_DISCONNECTED, /* the peer has sent DISCONNECT */
	LEG_NOT_SSH,	  /* the peer's first line is not a version string of SSH 2.0 */
	LEG_NO_MATCH,	  /* no algorithm in common; leg_error() has the peer's offer */
	LEG_BROKEN,	  /* the peer does not keep to the protocol, or the socket has failed */
};

/* What ended the leg, and a line about it, in sshd's words where it has any; LEG_OTHER and
 * "" while it has not ended.  The line may hold text of the peer; for a server that sent no
 * version string, its first line behind "; before that it said: ".  Valid until the leg is
 * freed. */
enum leg_failure leg_failure(const struct leg *leg);
const char *leg_error(const struct leg *leg);

/* The peer's DISCONNECT, if one came: its reason code and text, else 0 and "". */
uint32_t leg_peer_disconnect(const struct leg *leg, const char **text);

/* The peer's version string, "SSH-2.0-...", as it came; NULL before. */
const char *leg_peer_version(const struct leg *leg);

/* Client: 1 once the server's EXT_INFO has come, or will not come before the login (RFC
 * 8308 section 2.4): it follows the first NEWKEYS, maybe in a segment of its own, but
 * precedes SERVICE_ACCEPT. */
int leg_ext_info_known(const struct leg *leg);

/* server-sig-algs of the peer's EXT_INFO (RFC 8308), or NULL. */
const char *leg_server_sig_algs(const struct leg *leg);

/* 1 if the peer's EXT_INFO has publickey-hostbound@openssh.com (PROTOCOL of OpenSSH). */
int leg_host_bound(const struct leg *leg);

/* The session identifier (first exchange hash); empty before leg_ready(). */
struct bytes leg_session_id(const struct leg *leg);

/* Bytes read from and written to the socket. */
void leg_counts(const struct leg *leg, uint64_t *in, uint64_t *out);

#endif
