/*
 * What the server side of a login answers, and the calls by which the keeper settles a pending
 * request.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/methods.h"
#include "wire/ssh.h"
#include "auth/auth_server_private.h"

static void
put_banner(struct buf *out, const char *text, const char *end)
{
	size_t len = strlen(text) + strlen(end);

	if (len > UINT32_MAX / 2) {
		out->err = ERR_TOOBIG;
		return;
	}
	wire_put_u32(out, (uint32_t)(1 + 4 + len + 4));
	buf_put_u8(out, SSH_MSG_USERAUTH_BANNER);
	wire_put_u32(out, (uint32_t)len);
	buf_put(out, text, strlen(text));
	buf_put(out, end, strlen(end));
	wire_put_text(out, ""); /* language */
}

void
auth_server_banner(const char *text, struct buf *out)
{
	put_banner(out, text, "\r\n");
}

/* Append the banner, once, in front of the first reply. */
static void
banner_once(struct auth_server *as, struct buf *out)
{
	if (as->banner == NULL)
		return;
	put_banner(out, as->banner, "");
	free(as->banner);
	as->banner = NULL;
}

void
auth_server_text(struct auth_server *as, const char *text, struct buf *out)
{
	banner_once(as, out);
	put_banner(out, text, "");
}

int
auth_hint_ready(const struct auth_server *as)
{
	return as->hint != NULL && as->key_refused && !namelist_has(as->methods, METHOD_PASSWORD) &&
	    !namelist_has(as->methods, METHOD_KBDINT);
}

static enum auth_server_verdict
reply_more(struct auth_server *as, int partial, struct buf *out)
{
	const char *more = auth_hint_ready(as) ? "," METHOD_KBDINT : "";
	size_t len = strlen(as->methods) + strlen(more);

	banner_once(as, out);
	wire_put_u32(out, (uint32_t)(1 + 4 + len + 1));
	buf_put_u8(out, SSH_MSG_USERAUTH_FAILURE);
	wire_put_u32(out, (uint32_t)len);
	buf_put(out, as->methods, strlen(as->methods));
	buf_put(out, more, strlen(more));
	wire_put_bool(out, partial);
	return AUTH_SERVER_REPLY;
}

enum auth_server_verdict
auth_reply_failure(struct auth_server *as, struct buf *out)
{
	return reply_more(as, 0, out);
}

/* RFC 4256 section 3.2: a text and no questions. */
enum auth_server_verdict
auth_reply_hint(struct auth_server *as, struct buf *out)
{
	banner_once(as, out);
	wire_put_u32(out, (uint32_t)(1 + 4 + 4 + strlen(as->hint) + 4 + 4));
	buf_put_u8(out, SSH_MSG_USERAUTH_INFO_REQUEST);
	wire_put_text(out, ""); /* name */
	wire_put_text(out, as->hint);
	wire_put_text(out, ""); /* language */
	wire_put_u32(out, 0);
	free(as->hint);
	as->hint = NULL;
	auth_state_set(as, STATE_HINT);
	return AUTH_SERVER_REPLY;
}

enum auth_server_verdict
auth_reply_pk_ok(struct auth_server *as, const struct auth_request *r, struct buf *out)
{
	banner_once(as, out);
	wire_put_u32(out, (uint32_t)(1 + 4 + r->alg.len + 4 + r->blob.len));
	buf_put_u8(out, SSH_MSG_USERAUTH_PK_OK);
	wire_put_bytes(out, r->alg);
	wire_put_bytes(out, r->blob);
	return AUTH_SERVER_REPLY;
}

enum auth_server_verdict
auth_count_try(struct auth_server *as)
{
	as->tries++;
	if (as->ops->failed != NULL)
		as->ops->failed(as->ctx);
	return as->tries >= as->max_tries ? auth_deny(as, AUTH_SERVER_TOO_MANY) : AUTH_SERVER_REPLY;
}

/* A try that counts has failed. */
enum auth_server_verdict
auth_fail(struct auth_server *as, struct buf *out)
{
	if (auth_count_try(as) == AUTH_SERVER_DENIED)
		return AUTH_SERVER_DENIED;
	return auth_reply_failure(as, out);
}

static void
auth_pending_wipe(struct auth_server *as)
{
	buf_wipe(&as->pending_message);
	as->pending = AUTH_SERVER_NOTHING;
}

/* 1 if the caller may give a verdict now; otherwise the login is denied. */
static int
auth_reply_is_turn(struct auth_server *as, int turn)
{
	if (as->state != STATE_DENIED && !turn)
		(void)auth_deny(as, "%s", err_str(ERR_BADSTATE));
	return as->state != STATE_DENIED;
}

/* 1 if the caller may settle the pending request now; otherwise the login is denied. */
static int
judged(struct auth_server *as)
{
	if (!auth_reply_is_turn(as, as->state == STATE_KEY_PROVEN || as->state == STATE_PENDING))
		return 0;
	auth_pending_wipe(as);
	return 1;
}

enum auth_server_verdict
auth_server_success(struct auth_server *as, struct buf *out)
{
	if (!judged(as))
		return AUTH_SERVER_DENIED;
	banner_once(as, out);
	wire_put_u32(out, 1);
	buf_put_u8(out, SSH_MSG_USERAUTH_SUCCESS);
	auth_state_set(as, STATE_DONE);
	return AUTH_SERVER_REPLY;
}

enum auth_server_verdict
auth_server_failure(struct auth_server *as, struct buf *out)
{
	if (!judged(as))
		return AUTH_SERVER_DENIED;
	auth_state_set(as, STATE_WAITING);
	return auth_queued(as, auth_fail(as, out), out);
}

enum auth_server_verdict
auth_server_partial(struct auth_server *as, const char *methods, struct buf *out)
{
	if (!judged(as))
		return AUTH_SERVER_DENIED;
	if (auth_server_set_methods(as, methods) != 0)
		return auth_deny(as, "%s", err_str(ERR_NOMEM));
	auth_state_set(as, STATE_WAITING);
	return auth_queued(as, reply_more(as, 1, out), out);
}

enum auth_server_verdict
auth_server_decline(struct auth_server *as, struct buf *out)
{
	if (!judged(as))
		return AUTH_SERVER_DENIED;
	if (++as->queries > AUTH_SERVER_QUERIES_MAX)
		return auth_deny(as, AUTH_SERVER_TOO_MANY);
	auth_state_set(as, STATE_WAITING);
	return auth_queued(as, auth_reply_failure(as, out), out);
}

enum auth_server_verdict
auth_server_ask(struct auth_server *as, const uint8_t *payload, size_t len, int give_up_counts,
    struct buf *out)
{
	struct wire w;

	if (!auth_reply_is_turn(as, as->state == STATE_PENDING && len <= AUTH_SERVER_MESSAGE_MAX))
		return AUTH_SERVER_DENIED;
	as->prompts = NO_ANSWER;
	as->give_up_counts = give_up_counts;
	if (as->pending != AUTH_SERVER_PASSWORD) {
		wire_init(&w, payload, len);
		(void)wire_u8(&w);
		(void)wire_string(&w); /* name */
		(void)wire_string(&w); /* instruction */
		(void)wire_string(&w); /* language */
		as->prompts = wire_u32(&w);
		if (wire_err(&w) != 0 || as->prompts == NO_ANSWER)
			return auth_deny(as, "%s", err_str(ERR_FORMAT));
	}
	auth_pending_wipe(as);
	banner_once(as, out);
	wire_put_string(out, payload, len);
	auth_state_set(as, STATE_ASKED);
	return auth_queued(as, AUTH_SERVER_REPLY, out);
}
