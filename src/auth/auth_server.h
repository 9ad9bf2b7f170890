/*
 * User authentication, server side (RFC 4252): bytes in, bytes out.  This state machine knows the
 * protocol; a table of functions decides who may log in, so that tests and fuzzers drive it
 * without a socket or a key store.
 */
#ifndef AUTH_AUTH_SERVER_H
#define AUTH_AUTH_SERVER_H

#include "base/buf.h"
#include "wire/wire.h"

struct auth_server;

struct auth_server_ops {
	/* May this key (with this signature algorithm) log in as the login last
	 * given to resume?  1 or 0.  Called for queries and for proofs. */
	int (*key_allowed)(void *ctx, const char *alg, struct bytes blob);
	/* Verify sig over data; 0 or an ERR_*.  The blob is the key that signed: of a
	 * certificate the certified key, while key_allowed has had the whole certificate,
	 * well-formed but with the CA's signature unchecked, and the certificate's
	 * algorithm.  It has passed pubkey_check(); alg fits it and is the name inside sig.
	 * The flags of a security key's signature are to be checked here. */
	int (*verify)(void *ctx, const char *alg, struct bytes blob, struct bytes sig,
	    const void *data, size_t len);
	/* A try has failed and been counted (auth_server_method() and the rest tell
	 * which), for the log; may be NULL.  Called for each of several pipelined requests. */
	void (*failed)(void *ctx);
	/* A queried key has been refused.  For the log; does not count as a try; may be NULL. */
	void (*refused)(void *ctx);
};

struct auth_server_config {
	const uint8_t *session_id; /* copied */
	size_t session_id_len;
	int max_tries;	    /* failed attempts, as MaxAuthTries; queries do not count */
	const char *banner; /* sent before the first reply, or NULL; copied */
	/* The host key the gateway proved itself with: what a client that uses
	 * publickey-hostbound-v00@openssh.com must name.  Empty: such proofs fail. */
	struct bytes host_key; /* copied */
	/* The methods offered for logins that do not exist: used for names that are never
	 * looked up because they cannot be logins.  NULL is "publickey".  Copied. */
	const char *decoy_methods;
	/* One line for a user none of whose keys is accepted, or NULL; copied.  Only the
	 * client knows which key is its last.  After it the client goes on to
	 * keyboard-interactive, which is offered for this purpose once a key has been
	 * refused: it shows the line, asks nothing and fails.  A login that succeeds never
	 * shows it. */
	const char *hint;
};

/*
 * Whatever the verdict, what was appended to out is to be sent: with pipelined
 * requests there can be replies to earlier ones in front.
 */
enum auth_server_verdict {
	AUTH_SERVER_REPLY,	/* send what was appended to out: nothing, if the request
			     * was put aside until the one before it is answered */
	AUTH_SERVER_LOOKUP,	/* first request, or another key (auth_server_each_key()): find the
			     * route of auth_server_login(), then call auth_server_resume() */
	AUTH_SERVER_KEY_PROVEN, /* the client has signed with a key that is allowed; the request
				 * is answered by auth_server_success() or _failure() */
	AUTH_SERVER_PENDING,	/* the caller has to judge what auth_server_pending() gives, or
				 * relay it to the upstream; it is answered by
				 * auth_server_success(), _failure(), _partial(), _decline() or
				 * _ask() */
	AUTH_SERVER_DENIED,	/* send what was appended (if anything), then disconnect:
			     * auth_server_reason() says why, in sshd's words */
};

/* Why it is denied: max_tries, or one of the numbers below. */
#define AUTH_SERVER_TOO_MANY "Too many authentication failures"
/* Longer messages are denied. */
#define AUTH_SERVER_MESSAGE_MAX 65536
/* Requests that wait while one is being decided. */
#define AUTH_SERVER_PENDING_MAX 8
#define AUTH_SERVER_PENDING_BYTES 65536
/* Requests that do not count as tries ("none" and public key queries). */
#define AUTH_SERVER_QUERIES_MAX 64

/* NULL: out of memory. */
struct auth_server *auth_server_new(const struct auth_server_config *config,
    const struct auth_server_ops *ops, void *ctx);
void auth_server_free(struct auth_server **as);

/* One message of type 50 to 79, type byte included.  Messages to send are
 * appended to out, each as a string (uint32 length + payload): there can be two
 * (banner and reply), or more with pipelined requests.  The caller checks
 * buf_err(out).  After auth_server_success() requests are ignored, as RFC 4252
 * section 5.1 has it. */
enum auth_server_verdict auth_server_input(struct auth_server *as, const uint8_t *payload,
    size_t len, struct buf *out);

/*
 * Go on with the request that asked for the lookup, and those that came since.
 * methods is the name-list the login may use ("publickey"), the same for logins
 * that do not exist; NULL is that of decoy_methods.
 */
enum auth_server_verdict auth_server_resume(struct auth_server *as, const char *methods,
    struct buf *out);

/* From now on (or no longer) a key that is not the one last looked up asks for a
 * LOOKUP of its own, with its fingerprint, before it is decided upon. */
void auth_server_each_key(struct auth_server *as, int on);

/* After KEY_PROVEN or PENDING: append USERAUTH_SUCCESS (REPLY; DENIED if this login was denied
 * meanwhile, and nothing is appended); or count a failure, append
 * USERAUTH_FAILURE and go on with the requests that came since. */
enum auth_server_verdict auth_server_success(struct auth_server *as, struct buf *out);
enum auth_server_verdict auth_server_failure(struct auth_server *as, struct buf *out);

/* As _failure(), but what was passed was one step of several: partial success, and
 * methods are what may come next (RFC 4252 section 5.1). */
enum auth_server_verdict auth_server_partial(struct auth_server *as, const char *methods,
    struct buf *out);
/* As _failure(), but it does not count: nobody has looked at it. */
enum auth_server_verdict auth_server_decline(struct auth_server *as, struct buf *out);

/* After PENDING: append the question (INFO_REQUEST or PASSWD_CHANGEREQ, type byte
 * included), which has been looked through.  Its answer comes with another PENDING; the
 * client may also give up and make another request, which counts as a failed try if give_up_counts, and else
 * as a query. */
enum auth_server_verdict auth_server_ask(struct auth_server *as, const uint8_t *payload, size_t len,
    int give_up_counts, struct buf *out);

/* What the login may use from now on.  0 or ERR_NOMEM. */
int auth_server_set_methods(struct auth_server *as, const char *methods) MUST_CHECK;

enum auth_server_pending {
	AUTH_SERVER_NOTHING,	  /* not after PENDING */
	AUTH_SERVER_PASSWORD,	  /* a "password" request (RFC 4252 section 8) */
	AUTH_SERVER_CONVERSATION, /* a "keyboard-interactive" request (RFC 4256) */
	AUTH_SERVER_RESPONSE,	  /* an answer in that conversation */
	AUTH_SERVER_NONE,	  /* a "none" request of a login that it suffices for */
};

/* After PENDING: *message is what follows the name of the method in its request, well-formed;
 * of a RESPONSE it is all, type byte included, with as many answers as were asked for.
 * Valid, and wiped, until it is answered. */
enum auth_server_pending auth_server_pending(const struct auth_server *as, struct bytes *message);
/* The password in it, or the answer to a single question: 0, or ERR_FORMAT if there is
 * none or it is to be changed. */
int auth_server_password(const struct auth_server *as, struct bytes *password) MUST_CHECK;

/* Before _success(): append a USERAUTH_BANNER with this text as it is, after that of the configuration if the
 * client has not seen it. */
void auth_server_text(struct auth_server *as, const char *text, struct buf *out);

/* Append a USERAUTH_BANNER with one line of text (its line end is added). */
void auth_server_banner(const char *text, struct buf *out);

/* The login name, checked with login_name_ok(): "" before the first request, and
 * "" if it did not pass.  Such a login never reaches LOOKUP: it is answered like
 * one that does not exist. */
const char *auth_server_login(const struct auth_server *as);
/* The login name as the client sent it, at most 255 bytes of it: for the log,
 * escaped, and for nothing else. */
struct bytes auth_server_raw_login(const struct auth_server *as);
/* Of the last request; "publickey" also for its hostbound form.  Known at LOOKUP
 * already, as are the key and its fingerprint. */
const char *auth_server_method(const struct auth_server *as);
/* The key of the last publickey request: fingerprint "SHA256:..." and type, or "". */
const char *auth_server_fingerprint(const struct auth_server *as);
const char *auth_server_key_type(const struct auth_server *as);
struct bytes auth_server_key(const struct auth_server *as); /* blob; valid until the next input */
const char *auth_server_reason(const struct auth_server *as);
/* Failed attempts that count, so far. */
int auth_server_tries(const struct auth_server *as);

#endif
