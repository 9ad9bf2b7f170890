/*
 * Passwords that the keeper itself has checked, by an errand, against the route's
 * PasswordHash; for an unknown login against a hash of nothing, which takes as long.
 */
#include "keeper/downstream.h"
#include "keeper/ksession.h"
#include "wire/ssh.h"

/* As in sshd. */
#define DOWNSTREAM_PASSWORD_MAX 1024

/* The question that PAM asks in most places. */
void
downstream_ask_password(struct ksession *s)
{
	struct buf b;

	buf_init(&b, 256);
	buf_put_u8(&b, SSH_MSG_USERAUTH_INFO_REQUEST);
	wire_put_text(&b, "");
	wire_put_text(&b, "");
	wire_put_text(&b, "");
	wire_put_u32(&b, 1);
	wire_put_text(&b, "Password: ");
	wire_put_bool(&b, 0);
	downstream_ask(s, buf_bytes(&b));
	buf_free(&b);
}

void
downstream_check_password(struct ksession *s)
{
	struct bytes message;

	if (auth_server_carried(s->down.auth, &message) == AUTH_SERVER_CONVERSATION)
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
	} else if (result->how == JOB_ANSWERED && result->msg->type == IPC_CHECKED) {
		ok = wire_bool(&result->msg->body);
		if (wire_end(&result->msg->body) != 0)
			ok = -1;
	}
	if (s->phase != IPC_PHASE_AUTH)
		return;
	if (ok == -1)
		ksession_refuse(s, upstream_text_gateway, "no password can be checked");
	else if (ok == 1 && downstream_has_hash(s) && downstream_get_password(s, &password) == 0)
		downstream_method_passed(s);
	else
		downstream_failed(s);
}
