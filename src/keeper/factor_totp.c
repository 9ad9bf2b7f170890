/*
 * The factor "totp": a code of the route's secret (RFC 6238), or a recovery code.  Called through
 * downstream_factor.c.
 */
#include "keeper/downstream_factor.h"
#include "keeper/ksession.h"
#include "wire/methods.h"
#include "wire/ssh.h"

static void
factor_totp_begin(struct ksession *s)
{
	struct buf b;

	buf_init(&b, 256);
	buf_put_u8(&b, SSH_MSG_USERAUTH_INFO_REQUEST);
	wire_put_text(&b, "");
	wire_put_text(&b, "");
	wire_put_text(&b, "");
	wire_put_u32(&b, 1);
	wire_put_text(&b, "Verification code: ");
	wire_put_bool(&b, 0);
	downstream_ask(s, buf_bytes(&b));
	buf_free(&b);
}

static void
factor_totp_answer(struct ksession *s, struct bytes message)
{
	(void)message;
	if (s->route == NULL)
		downstream_failed(s);
	else
		ksession_refuse(s, upstream_text_gateway, "codes of TOTP cannot be checked yet");
}

const struct factor factor_totp = {
	.method = METHOD_TOTP,
	.begin = factor_totp_begin,
	.answer = factor_totp_answer,
};
