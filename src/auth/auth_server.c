/*
 * The login of the client, as a server (RFC 4252, RFC 4256): reads its messages one by one.
 * Pure: bytes in, a verdict and bytes out.  Called by the keeper; the replies are in
 * auth_server_reply.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "wire/methods.h"
#include "wire/ssh.h"
#include "auth/auth_server_private.h"
#include "formats/cert.h"

void
auth_state_set(struct auth_server *as, enum auth_state state)
{
	static const char *const names[] = { "first", "lookup", "waiting", "key proven", "pending",
		"asked", "hint", "done", "denied" };

	if (as->state == STATE_DENIED)
		return;
	log_debug("auth server: %s -> %s", names[as->state], names[state]);
	as->state = state;
}

enum auth_server_verdict
auth_deny(struct auth_server *as, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(as->reason, sizeof(as->reason), fmt, ap);
	va_end(ap);
	auth_state_set(as, STATE_DENIED);
	return AUTH_SERVER_DENIED;
}

struct auth_server *
auth_server_new(const struct auth_server_config *config, const struct auth_server_ops *ops,
    void *ctx)
{
	const char *methods = config->decoy_methods;
	struct auth_server *as = calloc(1, sizeof(*as));

	if (as == NULL)
		return NULL;
	as->ops = ops;
	as->ctx = ctx;
	as->max_tries = config->max_tries;
	buf_init(&as->session_id, 1024);
	buf_init(&as->host_key, AUTH_SERVER_MESSAGE_MAX);
	buf_init(&as->key, AUTH_SERVER_MESSAGE_MAX);
	buf_init(&as->looked_up, AUTH_SERVER_MESSAGE_MAX);
	buf_init(&as->current, AUTH_SERVER_MESSAGE_MAX);
	buf_init(&as->queued, AUTH_SERVER_PENDING_BYTES);
	buf_init(&as->pending_message, AUTH_SERVER_MESSAGE_MAX);
	buf_put(&as->session_id, config->session_id, config->session_id_len);
	buf_put(&as->host_key, config->host_key.p, config->host_key.len);
	as->methods = strdup(methods == NULL ? METHOD_PUBLICKEY : methods);
	if (config->banner != NULL)
		as->banner = strdup(config->banner);
	if (config->hint != NULL)
		as->hint = strdup(config->hint);
	if (as->methods == NULL || (config->banner != NULL && as->banner == NULL) ||
	    (config->hint != NULL && as->hint == NULL) || buf_err(&as->session_id) != 0 ||
	    buf_err(&as->host_key) != 0)
		auth_server_free(&as);
	return as;
}

void
auth_server_free(struct auth_server **asp)
{
	struct auth_server *as = *asp;

	*asp = NULL;
	if (as == NULL)
		return;
	buf_free(&as->session_id);
	buf_free(&as->host_key);
	buf_free(&as->key);
	buf_free(&as->looked_up);
	/* passwords may be in these */
	buf_wipe(&as->current);
	buf_wipe(&as->queued);
	buf_wipe(&as->pending_message);
	free(as->banner);
	free(as->hint);
	free(as->methods);
	free(as);
}

/* Keep what the log and the lookup need of this request. */
static void
request_note(struct auth_server *as, const struct auth_request *r)
{
	const char *method = "unknown";
	size_t len = 7;

	if (r->publickey) {
		method = METHOD_PUBLICKEY;
		len = strlen(method);
	} else if (auth_name_ok(r->method, sizeof(as->method))) {
		method = (const char *)r->method.p;
		len = r->method.len;
	}
	memcpy(as->method, method, len);
	as->method[len] = '\0';

	buf_reset(&as->key);
	as->key_type[0] = '\0';
	as->fingerprint[0] = '\0';
	if (!r->publickey)
		return;
	buf_put(&as->key, r->blob.p, r->blob.len);
	pubkey_fingerprint(r->blob, as->fingerprint);
	if (pubkey_type(r->blob, as->key_type) != 0)
		as->key_type[0] = '\0';
}

/* The first request names the login; all others must name the same. */
static int
login_same(const struct auth_server *as, const struct auth_request *r)
{
	size_t kept = r->user.len < LOGIN_MAX ? r->user.len : LOGIN_MAX;

	/* No login is longer than what is kept, so the rest of a longer name need not be
	 * compared. */
	return r->user.len == as->raw_login_len && memcmp(r->user.p, as->raw_login, kept) == 0;
}

static void
login_set(struct auth_server *as, const struct auth_request *r)
{
	size_t kept = r->user.len < LOGIN_MAX ? r->user.len : LOGIN_MAX;

	memcpy(as->raw_login, r->user.p, kept);
	as->raw_login[kept] = '\0';
	as->raw_login_len = r->user.len;
	as->login_ok = login_name_ok(r->user.p, r->user.len);
}

/* Check the signature.  alg is the algorithm of the signature itself: for a certificate, that of
 * its key. */
static int
signature_ok(struct auth_server *as, const struct auth_request *r, const char *alg)
{
	struct wire w;
	struct buf data, key;
	int ok;

	wire_init(&w, r->signature.p, r->signature.len);
	if (!bytes_is(wire_string(&w), alg))
		return 0;
	buf_init(&data, 2 * AUTH_SERVER_MESSAGE_MAX);
	auth_request_signed(r, buf_bytes(&as->session_id), &data);
	buf_init(&key, AUTH_SERVER_MESSAGE_MAX);
	cert_put_key(r->blob, &key);
	ok = buf_err(&data) == 0 && buf_err(&key) == 0 &&
	    as->ops->verify(as->ctx, alg, buf_bytes(&key), r->signature, data.data, data.len) == 0;
	buf_free(&key);
	buf_free(&data);
	return ok;
}

/* Log a refused key that was only queried.  It does not count as a try. */
static enum auth_server_verdict
refuse_key(struct auth_server *as, struct buf *out)
{
	as->key_refused = 1;
	if (as->ops->refused != NULL)
		as->ops->refused(as->ctx);
	return auth_reply_failure(as, out);
}

/* The algorithm of the signature: for certificates it has another name than the request's.
 * NULL if the key is none that may be used with it.  One that is too short or too large gets as
 * far as to be refused with a reason. */
static const char *
signature_algorithm(const struct auth_server *as, struct bytes blob, const char *alg)
{
	struct cert cert;
	int r;

	if (pubkey_algorithm_ok(as->key_type, alg)) {
		r = pubkey_check(blob);
		return pubkey_is_whole(r) ? alg : NULL;
	}
	r = cert_parse(&cert, blob);
	return pubkey_is_whole(r) ? cert_algorithm(as->key_type, alg) : NULL;
}

static enum auth_server_verdict
handle_publickey(struct auth_server *as, const struct auth_request *r, struct buf *out)
{
	struct bytes host_key = buf_bytes(&as->host_key);
	const char *plain;
	char alg[64] = "";
	int usable, allowed, proven;

	if (!r->has_signature && ++as->queries > AUTH_SERVER_QUERIES_MAX)
		return auth_deny(as, AUTH_SERVER_TOO_MANY);
	if (auth_name_ok(r->alg, sizeof(alg)))
		memcpy(alg, r->alg.p, r->alg.len); /* the rest is zero already */
	plain = signature_algorithm(as, r->blob, alg);
	usable = namelist_has(as->methods, METHOD_PUBLICKEY) && plain != NULL &&
	    (!r->hostbound || (host_key.len > 0 && bytes_equal(r->host_key, host_key)));
	allowed = usable && as->login_ok && as->ops->key_allowed(as->ctx, alg, r->blob) == 1;
	if (!r->has_signature)
		return allowed ? auth_reply_pk_ok(as, r, out) : refuse_key(as, out);
	/* A key that is not allowed must not be told from one that is by the time
	 * its answer takes: the signature is checked in any case. */
	proven = usable && signature_ok(as, r, plain);
	if (!proven || !allowed) {
		as->key_refused = 1;
		return auth_fail(as, out);
	}
	auth_state_set(as, STATE_KEY_PROVEN);
	return AUTH_SERVER_KEY_PROVEN;
}

/* Leave a request to the caller, which judges it or relays it to the upstream. */
static enum auth_server_verdict
auth_put_pending(struct auth_server *as, enum auth_server_pending what, struct bytes message)
{
	buf_wipe(&as->pending_message);
	buf_put(&as->pending_message, message.p, message.len);
	if (buf_err(&as->pending_message) != 0)
		return auth_deny(as, "%s", err_str(buf_err(&as->pending_message)));
	as->pending = what;
	auth_state_set(as, STATE_PENDING);
	return AUTH_SERVER_PENDING;
}

static enum auth_server_verdict
handle_password(struct auth_server *as, const struct auth_request *r)
{
	struct bytes password;
	int change;

	if (auth_request_password(r->rest, &change, &password) != 0)
		return auth_deny(as, "malformed authentication request");
	return auth_put_pending(as, AUTH_SERVER_PASSWORD, r->rest);
}

/* RFC 4256 section 3.1. */
static enum auth_server_verdict
handle_conversation(struct auth_server *as, const struct auth_request *r)
{
	struct wire w;

	wire_init(&w, r->rest.p, r->rest.len);
	(void)wire_string(&w); /* language */
	(void)wire_string(&w); /* submethods */
	if (wire_end(&w) != 0)
		return auth_deny(as, "malformed authentication request");
	return auth_put_pending(as, AUTH_SERVER_CONVERSATION, r->rest);
}

/* RFC 4256 section 3.4. */
static enum auth_server_verdict
handle_response(struct auth_server *as, const uint8_t *payload, size_t len)
{
	uint32_t n, i;
	struct wire w;

	wire_init(&w, payload, len);
	(void)wire_u8(&w);
	n = wire_u32(&w);
	if (n != as->prompts)
		return auth_deny(as, "wrong number of answers");
	for (i = 0; i < n && wire_err(&w) == 0; i++)
		(void)wire_string(&w);
	if (wire_end(&w) != 0)
		return auth_deny(as, "malformed authentication request");
	return auth_put_pending(as, AUTH_SERVER_RESPONSE, (struct bytes){ payload, len });
}

static enum auth_server_verdict
handle_method(struct auth_server *as, const struct auth_request *r, struct buf *out)
{
	if (r->publickey)
		return handle_publickey(as, r, out);
	if (auth_hint_ready(as) && bytes_is(r->method, METHOD_KBDINT))
		return auth_reply_hint(as, out);
	if (bytes_is(r->method, METHOD_PASSWORD) && namelist_has(as->methods, METHOD_PASSWORD))
		return handle_password(as, r);
	if (bytes_is(r->method, METHOD_KBDINT) && namelist_has(as->methods, METHOD_KBDINT))
		return handle_conversation(as, r);
	if (!bytes_is(r->method, METHOD_NONE))
		return auth_fail(as, out);
	if (namelist_has(as->methods, METHOD_NONE))
		return auth_put_pending(as, AUTH_SERVER_NONE, r->rest);
	if (++as->queries > AUTH_SERVER_QUERIES_MAX)
		return auth_deny(as, AUTH_SERVER_TOO_MANY);
	return auth_reply_failure(as, out);
}

/* The client gives a conversation up, which counts in any case, so that it cannot be repeated without end.
 * REPLY or DENIED. */
static enum auth_server_verdict
auth_give_up(struct auth_server *as)
{
	if (as->give_up_counts)
		return auth_count_try(as);
	return ++as->queries > AUTH_SERVER_QUERIES_MAX ? auth_deny(as, AUTH_SERVER_TOO_MANY) :
							 AUTH_SERVER_REPLY;
}

/* Put the request aside until auth_server_resume(). */
static enum auth_server_verdict
ask_lookup(struct auth_server *as, const uint8_t *payload, size_t len)
{
	buf_reset(&as->looked_up);
	buf_put(&as->looked_up, as->key.data, as->key.len);
	buf_wipe(&as->current);
	buf_put(&as->current, payload, len);
	if (buf_err(&as->current) != 0 || buf_err(&as->looked_up) != 0)
		return auth_deny(as, "%s", err_str(ERR_NOMEM));
	auth_state_set(as, STATE_LOOKUP);
	return AUTH_SERVER_LOOKUP;
}

static enum auth_server_verdict
handle_request(struct auth_server *as, const uint8_t *payload, size_t len, struct buf *out)
{
	struct auth_request r;

	if (auth_request_parse(&r, payload, len) != 0)
		return auth_deny(as, "malformed authentication request");
	if (as->state != STATE_FIRST && !login_same(as, &r))
		return auth_deny(as, "Change of username or service not allowed");
	if (!bytes_is(r.service, "ssh-connection"))
		return auth_deny(as,
		    as->state == STATE_FIRST ? "unknown service" :
					       "Change of username or service not allowed");
	/* for the log, this try is not by the method of the request that follows */
	if (as->state == STATE_ASKED && auth_give_up(as) == AUTH_SERVER_DENIED)
		return AUTH_SERVER_DENIED;
	request_note(as, &r);
	if (buf_err(&as->key) != 0)
		return auth_deny(as, "%s", err_str(buf_err(&as->key)));
	if (as->state != STATE_FIRST) {
		if (as->state == STATE_HINT || as->state == STATE_ASKED)
			auth_state_set(as, STATE_WAITING);
		if (as->each_key && as->login_ok && r.publickey &&
		    !bytes_equal(r.blob, buf_bytes(&as->looked_up)))
			return ask_lookup(as, payload, len);
		return handle_method(as, &r, out);
	}

	login_set(as, &r);
	if (!as->login_ok) {
		auth_state_set(as, STATE_WAITING);
		return handle_method(as, &r, out);
	}
	return ask_lookup(as, payload, len);
}

/* Queue a pipelined request until the one before it has been answered. */
static enum auth_server_verdict
queue_request(struct auth_server *as, const uint8_t *payload, size_t len)
{
	if (as->nqueued == AUTH_SERVER_PENDING_MAX)
		return auth_deny(as, "too many requests at once");
	wire_put_string(&as->queued, payload, len);
	if (buf_err(&as->queued) != 0)
		return auth_deny(as, "too many requests at once");
	as->nqueued++;
	return AUTH_SERVER_REPLY;
}

/* Go on with the queued requests, now that one has been answered. */
enum auth_server_verdict
auth_queued(struct auth_server *as, enum auth_server_verdict verdict, struct buf *out)
{
	struct bytes request;
	struct wire w;

	while (verdict == AUTH_SERVER_REPLY &&
	    (as->state == STATE_WAITING || as->state == STATE_ASKED) && as->nqueued > 0) {
		wire_init(&w, as->queued.data, as->queued.len);
		request = wire_string(&w);
		verdict = handle_request(as, request.p, request.len, out);
		buf_consume(&as->queued, 4 + request.len);
		as->nqueued--;
	}
	if (as->nqueued == 0)
		buf_wipe(&as->queued);
	return verdict;
}

enum auth_server_verdict
auth_server_input(struct auth_server *as, const uint8_t *payload, size_t len, struct buf *out)
{
	if (as->state == STATE_DENIED)
		return AUTH_SERVER_DENIED;
	if (len == 0)
		return auth_deny(as, "malformed authentication request");
	if (as->state == STATE_HINT && payload[0] == SSH_MSG_USERAUTH_INFO_RESPONSE) {
		/* an answer without a question is ignored */
		auth_state_set(as, STATE_WAITING);
		return auth_queued(as, auth_reply_failure(as, out), out);
	}
	if (len > AUTH_SERVER_MESSAGE_MAX)
		return auth_deny(as, "authentication request too large");
	if (as->state == STATE_ASKED && as->prompts != NO_ANSWER &&
	    payload[0] == SSH_MSG_USERAUTH_INFO_RESPONSE)
		return handle_response(as, payload, len);
	if (payload[0] != SSH_MSG_USERAUTH_REQUEST)
		return auth_deny(as, "unexpected message type %u", payload[0]);
	switch (as->state) {
	case STATE_FIRST:
	case STATE_WAITING:
	case STATE_ASKED:
	case STATE_HINT: /* the client gives the conversation up: RFC 4252 section 5.1 */
		return handle_request(as, payload, len, out);
	case STATE_LOOKUP:
	case STATE_KEY_PROVEN:
	case STATE_PENDING:
		return queue_request(as, payload, len);
	case STATE_DONE:
	case STATE_DENIED:
		break;
	}
	return AUTH_SERVER_REPLY;
}

int
auth_server_set_methods(struct auth_server *as, const char *methods)
{
	char *copy = strdup(methods);

	if (copy == NULL)
		return ERR_NOMEM;
	free(as->methods);
	as->methods = copy;
	return 0;
}

enum auth_server_verdict
auth_server_resume(struct auth_server *as, const char *methods, struct buf *out)
{
	enum auth_server_verdict verdict;

	if (as->state == STATE_DENIED)
		return AUTH_SERVER_DENIED;
	if (as->state != STATE_LOOKUP)
		return auth_deny(as, "%s", err_str(ERR_BADSTATE));
	if (methods != NULL && auth_server_set_methods(as, methods) != 0)
		return auth_deny(as, "%s", err_str(ERR_NOMEM));
	auth_state_set(as, STATE_WAITING);
	verdict = handle_request(as, as->current.data, as->current.len, out);
	buf_wipe(&as->current);
	return auth_queued(as, verdict, out);
}

void
auth_server_each_key(struct auth_server *as, int on)
{
	as->each_key = on;
}

enum auth_server_pending
auth_server_pending(const struct auth_server *as, struct bytes *message)
{
	*message = buf_bytes(&as->pending_message);
	return as->state == STATE_PENDING ? as->pending : AUTH_SERVER_NOTHING;
}

/* The one answer in an INFO_RESPONSE (RFC 4256 section 3.4). */
static int
single_answer(struct bytes message, struct bytes *answer)
{
	struct wire w;

	wire_init(&w, message.p, message.len);
	(void)wire_u8(&w);
	if (wire_u32(&w) != 1)
		return ERR_FORMAT;
	*answer = wire_string(&w);
	return wire_end(&w);
}

int
auth_server_password(const struct auth_server *as, struct bytes *password)
{
	const struct bytes none = { (const uint8_t *)"", 0 };
	enum auth_server_pending what;
	struct bytes message;
	int change = 0, r = ERR_FORMAT;

	*password = none;
	what = auth_server_pending(as, &message);
	if (what == AUTH_SERVER_RESPONSE)
		r = single_answer(message, password);
	else if (what == AUTH_SERVER_PASSWORD)
		r = auth_request_password(message, &change, password);
	if (r == 0 && !change)
		return 0;
	*password = none;
	return ERR_FORMAT;
}

const char *
auth_server_login(const struct auth_server *as)
{
	return as->login_ok ? as->raw_login : "";
}

struct bytes
auth_server_raw_login(const struct auth_server *as)
{
	size_t len = as->raw_login_len < LOGIN_MAX ? as->raw_login_len : LOGIN_MAX;

	return (struct bytes){ (const uint8_t *)as->raw_login, len };
}

const char *
auth_server_method(const struct auth_server *as)
{
	return as->method;
}

const char *
auth_server_fingerprint(const struct auth_server *as)
{
	return as->fingerprint;
}

const char *
auth_server_key_type(const struct auth_server *as)
{
	return as->key_type;
}

struct bytes
auth_server_key(const struct auth_server *as)
{
	return buf_bytes(&as->key);
}

const char *
auth_server_reason(const struct auth_server *as)
{
	return as->reason;
}

int
auth_server_tries(const struct auth_server *as)
{
	return as->tries;
}
