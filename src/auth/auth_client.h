/*
 * User authentication, client side (RFC 4252): bytes in, bytes out.
 */
#ifndef AUTH_AUTH_CLIENT_H
#define AUTH_AUTH_CLIENT_H

#include "base/buf.h"
#include "wire/wire.h"

struct auth_client;

struct auth_client_ops {
	/* Sign data with the mapped key and append the signature blob ("string alg,
	 * string signature") to sig; 0 or an ERR_*. */
	int (*sign)(void *ctx, const char *alg, const void *data, size_t len, struct buf *sig);
};

struct auth_client_config {
	const uint8_t *session_id; /* copied, like all below */
	size_t session_id_len;
	const char *user;
	struct bytes blob;	     /* public half of the mapped key; may be empty */
	struct bytes certificate;    /* one for that key, or empty */
	const char *server_sig_algs; /* from EXT_INFO (RFC 8308), or NULL */
	/* Several requests may be made: a refusal gives REFUSED instead of FAILED. */
	int several;
	/* Empty, or the host key of the upstream: every signature is then for a
	 * publickey-hostbound-v00@openssh.com request that names this key, which is refused by a
	 * host with another key, and by one that does not support such requests. */
	struct bytes host_key;
};

enum auth_client_verdict {
	AUTH_CLIENT_SEND,   /* send what was appended to out (each message as a string) */
	AUTH_CLIENT_WAIT,   /* nothing to send; more input is expected */
	AUTH_CLIENT_BANNER, /* auth_client_banner() has the upstream's banner text;
			      * more input is expected */
	AUTH_CLIENT_SUCCESS,
	AUTH_CLIENT_FAILED,  /* auth_client_reason() says why */
	AUTH_CLIENT_REFUSED, /* USERAUTH_FAILURE: see auth_client_methods() and _partial();
			      * another request may be made */
	AUTH_CLIENT_ASKED,   /* auth_client_question() is for the user: answer with
			      * auth_client_respond(), or make another request */
	AUTH_CLIENT_WANTED,  /* the upstream would take the key: have it sign what
			      * auth_client_to_sign() gives, or make another request */
};

/* The bytes of all banners together that are passed on. */
#define AUTH_CLIENT_BANNER_MAX 16384
/* Questions in one round, and rounds in one login. */
#define AUTH_CLIENT_PROMPTS_MAX 100
#define AUTH_CLIENT_ROUNDS_MAX 256
/* Its longest message; a name-list of methods, with its NUL. */
#define AUTH_CLIENT_MESSAGE_MAX 65536
#define AUTH_CLIENT_METHODS_SIZE 512

/* NULL: out of memory. */
struct auth_client *auth_client_new(const struct auth_client_config *config,
    const struct auth_client_ops *ops, void *ctx);
void auth_client_free(struct auth_client **ac);

/* publickey with its signature, at once: the first request, or one after REFUSED.  The
 * certificate, if there is one, comes first; the key alone when it is refused. */
enum auth_client_verdict auth_client_start(struct auth_client *ac, struct buf *out);

/* Before that: a key with a certificate for it, in place of those in the config.  The key is not
 * tried without the certificate.  0 or an ERR_*. */
int auth_client_certify(struct auth_client *ac, struct bytes key,
    struct bytes certificate) MUST_CHECK;

/*
 * Ask whether the upstream would accept this key, which the client's agent holds.  First, or after
 * REFUSED or WANTED.  1 if the query was made, 0 if no algorithm fits the key.
 */
int auth_client_query(struct auth_client *ac, struct bytes blob, struct buf *out) MUST_CHECK;

/* After WANTED: append what is to be signed, and the algorithm to do it with, which is
 * valid until the next query.  0 or an ERR_*. */
int auth_client_to_sign(struct auth_client *ac, struct buf *data, const char **alg) MUST_CHECK;

/* After WANTED: the request with this signature.  1 if it was made, 0 if that is no
 * signature with this algorithm: nothing was done. */
int auth_client_signed(struct auth_client *ac, struct bytes sig, struct buf *out) MUST_CHECK;

/* "none" (RFC 4252 section 5.2): what does the upstream offer?  First or later. */
enum auth_client_verdict auth_client_probe(struct auth_client *ac, struct buf *out);

/* A password (RFC 4252 section 8) or the beginning of keyboard-interactive (RFC 4256)
 * as the client sent it; rest is what follows the method's name there.  First,
 * after REFUSED, or instead of an answer. */
enum auth_client_verdict auth_client_relay(struct auth_client *ac, const char *method,
    struct bytes rest, struct buf *out);

/* The answer to a keyboard-interactive question: an INFO_RESPONSE, type byte included. */
enum auth_client_verdict auth_client_respond(struct auth_client *ac, struct bytes message,
    struct buf *out);

/* One message of type 50 to 79, type byte included.  An RSA key whose
 * rsa-sha2-512 is refused is NOT tried again with another hash unless
 * server_sig_algs lacks rsa-sha2-512 but has rsa-sha2-256 (decided at start). */
enum auth_client_verdict auth_client_input(struct auth_client *ac, const uint8_t *payload,
    size_t len, struct buf *out);

/* As the upstream sent it, control characters and all, cut between characters;
 * valid until the next input. */
struct bytes auth_client_banner(const struct auth_client *ac);
/* 1 if a banner has been cut, at AUTH_CLIENT_BANNER_MAX of all of them, since this was last
 * called. */
int auth_client_banner_cut(struct auth_client *ac);
/* The INFO_REQUEST or PASSWD_CHANGEREQ, type byte included, looked through: it is
 * well-formed.  Valid until the next input. */
struct bytes auth_client_question(const struct auth_client *ac);
/* Of the last USERAUTH_FAILURE: what can continue; and whether the request before it
 * was passed all the same. */
const char *auth_client_methods(const struct auth_client *ac);
int auth_client_partial(const struct auth_client *ac);
/* 1 if the certificate has been refused. */
int auth_client_certificate_refused(const struct auth_client *ac);
/* One line of printable US-ASCII, e.g. "upstream refused the mapped key; it
 * offers password,keyboard-interactive". */
const char *auth_client_reason(const struct auth_client *ac);

#endif
