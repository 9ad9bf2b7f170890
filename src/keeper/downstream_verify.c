/*
 * What the keeper verifies itself of the client's login: keys, for auth_server, and passwords,
 * which an errand compares with the route's PasswordHash; for an unknown login with the hash
 * of a random text, which takes as long.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "access/user_key.h"
#include "formats/pubkey.h"
#include "keeper/downstream.h"
#include "keeper/ksession.h"
#include "transport/keys.h"
#include "wire/algorithms.h"
#include "wire/ssh.h"

/* As sshd (MAX_PASSWORD_LEN): longer ones are none that could be right. */
#define DOWNSTREAM_PASSWORD_MAX 1024

/* --- keys --- */

/* Log once why a key that is in one of the route's files is not accepted. */
static void __attribute__((format(printf, 2, 3)))
downstream_log_refusal(struct ksession *s, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strncmp(text, s->down.key_refusal, sizeof(s->down.key_refusal) - 1) == 0)
		return;
	snprintf(s->down.key_refusal, sizeof(s->down.key_refusal), "%.*s",
	    (int)sizeof(s->down.key_refusal) - 1, text);
	ksession_log_key_refused(s, text);
}

int
downstream_key_allowed(void *ctx, const char *alg, struct bytes blob)
{
	struct ksession *s = ctx;
	const struct user_key_request request = { .route = s->route,
		.login = s->route != NULL ? s->route->login : "",
		.address = s->client,
		.now = time(NULL) };
	struct user_key_answer answer;

	if (!user_key_allowed(&request, blob, &answer)) {
		if (answer.why.text[0] != '\0')
			downstream_log_refusal(s, "%s", answer.why.text);
		return 0;
	}
	/* looked at last: a key of the route is refused no sooner than others */
	if (!algorithms_named(user_key_algorithms(s->route, s->snapshot->conf), alg)) {
		downstream_log_refusal(s, "signature algorithm %s not in PubkeyAcceptedAlgorithms",
		    alg);
		authorized_options_free(&answer.options);
		return 0;
	}
	/* as in sshd, publickey,publickey needs two keys; a certificate is one with its key */
	if (strlist_has(&s->down.keys_used, auth_server_fingerprint(s->down.auth))) {
		downstream_log_refusal(s, "it has been used in this login already");
		authorized_options_free(&answer.options);
		return 0;
	}
	authorized_options_free(&s->down.offered_options);
	s->down.offered_options = answer.options;
	return 1;
}

/* For the end of a reason: does the route demand that of every security key? */
static const char *
downstream_required(const struct ksession *s, enum conf_pubkey_auth what)
{
	return (s->route->pubkey_auth & (int)what) != 0 ? ", which PubkeyAuthOptions requires" : "";
}

int
downstream_key_verify(void *ctx, const char *alg, struct bytes blob, struct bytes sig,
    const void *data, size_t len)
{
	struct ksession *s = ctx;
	uint8_t flags;
	char type[64];
	int r;

	r = key_verify(blob, alg, sig, data, len, &flags);
	if (r != 0)
		return r;
	r = pubkey_type(blob, type);
	if (r != 0 || strncmp(type, "sk-", 3) != 0)
		return r;
	/* a signature made without a touch verifies as well */
	if (!s->down.offered_options.no_touch_required && (flags & KEY_SK_USER_PRESENT) == 0) {
		downstream_log_refusal(s, "signed without a touch of the security key%s",
		    downstream_required(s, CONF_PUBKEY_TOUCH));
		return ERR_AUTH;
	}
	if (s->down.offered_options.verify_required && (flags & KEY_SK_USER_VERIFIED) == 0) {
		downstream_log_refusal(s, "signed without verification of the user%s",
		    downstream_required(s, CONF_PUBKEY_VERIFY));
		return ERR_AUTH;
	}
	return 0;
}

/* --- passwords --- */

void
downstream_ask_text(struct ksession *s, const char *prompt)
{
	struct buf b;

	buf_init(&b, 256);
	buf_put_u8(&b, SSH_MSG_USERAUTH_INFO_REQUEST);
	wire_put_text(&b, ""); /* name */
	wire_put_text(&b, ""); /* instruction */
	wire_put_text(&b, ""); /* language */
	wire_put_u32(&b, prompt != NULL);
	if (prompt != NULL) {
		wire_put_text(&b, prompt);
		wire_put_bool(&b, 0);
	}
	downstream_ask(s, buf_bytes(&b));
	buf_free(&b);
}

/* The question that PAM asks in most places. */
void
downstream_ask_password(struct ksession *s)
{
	downstream_ask_text(s, "Password: ");
}

void
downstream_check_password(struct ksession *s)
{
	struct bytes message;

	if (auth_server_pending(s->down.auth, &message) == AUTH_SERVER_CONVERSATION)
		downstream_ask_password(s);
	else
		jobs_ask(s, JOB_PASSWORD, 0);
}

static int
downstream_has_hash(const struct ksession *s)
{
	return s->route != NULL && s->route->password_hash != NULL;
}

/* The client's password.  0 or ERR_FORMAT: it is none that could be right. */
static int
downstream_get_password(const struct ksession *s, struct bytes *password)
{
	if (auth_server_password(s->down.auth, password) == 0 &&
	    password->len <= DOWNSTREAM_PASSWORD_MAX)
		return 0;
	*password = (struct bytes){ (const uint8_t *)"", 0 };
	return ERR_FORMAT;
}

void
downstream_put_password(struct ksession *s, struct buf *order)
{
	struct bytes password;

	/* without one, an empty password costs as much, and fails */
	(void)!downstream_get_password(s, &password);
	ipc_begin(order, IPC_PASSWORD);
	wire_put_text(order, downstream_has_hash(s) ? s->route->password_hash : decoy_of(s)->hash);
	wire_put_bytes(order, password);
}

void
downstream_password_done(struct ksession *s, const struct job_result *result)
{
	struct bytes password;
	int ok = -1;

	if (result->how == JOB_NOT_STARTED) {
		ksession_error(s, "cannot have a password checked: %s", err_str(result->err));
	} else if (result->how == JOB_ANSWERED && result->msg->type == IPC_PASSWORD_OK) {
		ok = wire_bool(&result->msg->body);
		if (wire_end(&result->msg->body) != 0)
			ok = -1;
	}
	if (s->phase != IPC_PHASE_AUTH)
		return;
	if (ok == -1)
		ksession_refuse(s, upstream_text_gateway, "passwords cannot be checked");
	else if (ok == 1 && downstream_has_hash(s) && downstream_get_password(s, &password) == 0)
		downstream_method_passed(s);
	else
		downstream_failed(s);
}
