/*
 * The jobs of the client's login: what errands are told to run a lookup program or to check a password,
 * and what they have answered.  jobs.c calls these.
 */
#include "keeper/downstream.h"
#include "keeper/ksession.h"

static void
put_words(struct buf *b, const struct strlist *words)
{
	size_t i;

	wire_put_u32(b, (uint32_t)words->n);
	for (i = 0; i < words->n; i++)
		wire_put_text(b, words->v[i]);
}

void
downstream_put_lookup(struct ksession *s, struct buf *order)
{
	const struct lookup_command *command = &s->pending.command;

	ipc_begin(order, IPC_RUN);
	wire_put_u64(order, s->id);
	wire_put_u32(order, (uint32_t)command->timeout_ms);
	put_words(order, &command->argv);
	put_words(order, &command->env);
	put_words(order, &command->closed);
	put_words(order, &command->fixed);
}

/* Why a lookup program has not run to its end, or has not been seen to. */
static const char *
lookup_failure(const struct job_result *result)
{
	switch (result->how) {
	case JOB_NOT_STARTED:
		return result->err == ERR_EOF ? "the gateway is being restarted" :
						err_str(result->err);
	case JOB_OVERDUE:
		return "the errand does not answer";
	default:
		return "the errand died";
	}
}

/* Take RAN apart; failure and said are where its texts go.  0 or ERR_FORMAT. */
static int
ran_parse(struct ipc_msg *msg, char failure[200], char said[256], struct lookup_reply *reply)
{
	struct bytes out;

	if (msg->type != IPC_RAN)
		return ERR_FORMAT;
	wire_text(&msg->body, failure, 200);
	reply->status = (int)(wire_u32(&msg->body) & 0xff);
	out = wire_string(&msg->body);
	wire_text(&msg->body, said, 256);
	reply->failure = failure;
	reply->out = out.p;
	reply->len = out.len;
	reply->said = said;
	return wire_end(&msg->body) != 0 || out.len > LOOKUP_REPLY_MAX ? ERR_FORMAT : 0;
}

void
downstream_lookup_done(struct ksession *s, const struct job_result *result)
{
	struct lookup_reply reply = { 0 };
	char failure[200], said[256];

	if (result->how != JOB_ANSWERED)
		reply = (struct lookup_reply){ .failure = lookup_failure(result), .said = "" };
	else if (ran_parse(result->msg, failure, said, &reply) != 0)
		reply = (struct lookup_reply){ .failure = "unreadable answer", .said = "" };
	downstream_looked_up(s, &reply);
}

void
downstream_put_password(struct ksession *s, struct buf *order)
{
	struct bytes password;
	const char *hash;

	downstream_password(s, &hash, &password);
	ipc_begin(order, IPC_PASSWORD);
	wire_put_text(order, hash);
	wire_put_bytes(order, password);
}

void
downstream_password_done(struct ksession *s, const struct job_result *result)
{
	int ok = -1;

	if (result->how == JOB_NOT_STARTED)
		ksession_error(s, "cannot have a password checked: %s", err_str(result->err));
	else if (result->how == JOB_ANSWERED && result->msg->type == IPC_CHECKED) {
		ok = wire_bool(&result->msg->body);
		if (wire_end(&result->msg->body) != 0)
			ok = -1;
	}
	downstream_password_checked(s, ok);
}
