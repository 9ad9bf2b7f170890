/*
 * The login upstream with what is stored: the mapped key, then the stored password.  Called by
 * the keeper for routes with Key or Password.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "auth/auth_methods.h"
#include "auth/auth_stored.h"
#include "base/log.h"
#include "wire/methods.h"
#include "wire/ssh.h"

#define PASSWORD_BUF_MAX 4096

static enum auth_client_verdict auth_stored_fail(struct auth_stored *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static enum auth_client_verdict
auth_stored_fail(struct auth_stored *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->reason, sizeof(s->reason), fmt, ap);
	va_end(ap);
	return AUTH_CLIENT_FAILED;
}

/* What has_key stands for, for people. */
static const char *
key_called(const struct auth_stored *s)
{
	return s->has_certificate ? "the certificate" : "the mapped key";
}

const char *
auth_stored_sent(const struct auth_stored *s)
{
	static const char *const names[] = {
		[STORED_NOTHING] = "nothing",
		[STORED_PROBE] = "the question which methods it accepts",
		[STORED_KEY] = NULL,
		[STORED_PASSWORD] = "the stored password",
		[STORED_CONVERSATION] = "the stored password",
	};

	return s->sent == STORED_KEY ? key_called(s) : names[s->sent];
}

/* The methods that the upstream still offers.  Once it has the password, only names of the table
 * are shown: an upstream could repeat the password as a name. */
static const char *
offers_show(const struct auth_stored *s, const struct auth_client *ac, char out[96])
{
	const char *offers = auth_client_methods(ac);
	const struct login_method *m;

	if (offers[0] == '\0')
		return "nothing else";
	if (!s->given)
		return offers;
	out[0] = '\0';
	for (m = login_methods; m->name != NULL; m++)
		if (namelist_has(offers, m->name))
			auth_methods_add(out, 96, m->name);
	return out[0] != '\0' ? out : "something else";
}

/* Say why the login failed: nothing is left to try. */
static enum auth_client_verdict
give_up(struct auth_stored *s, struct auth_client *ac)
{
	char shown[96];
	const char *offers = offers_show(s, ac, shown);

	if (s->password_refused)
		return auth_stored_fail(s,
		    "upstream refused %s%sthe password stored as %s; if it has changed there: "
		    "sallyport key remove --force %s, then sallyport key add %s --password; it offers %s",
		    s->key_refused ? key_called(s) : "", s->key_refused ? " and " : "", s->name,
		    s->name, s->name, offers);
	if (s->given || (s->key_sent && !s->key_refused))
		return auth_stored_fail(s, "upstream accepted the stored %s but wants more: %s",
		    s->given && s->key_sent ? "key and password" :
			s->given	    ? "password" :
					      "key",
		    offers);
	if (s->key_refused)
		return auth_stored_fail(s,
		    "upstream refused %s and accepts no password; it offers %s", key_called(s),
		    offers);
	return auth_stored_fail(s,
	    "upstream accepts neither a password nor a key from the gateway; it offers %s", offers);
}

/* Append the password to b, which the caller wipes. */
static int
put_password(struct auth_stored *s, struct buf *b)
{
	struct secret *password;
	struct reason why = { "" };
	int r;

	r = s->ops->password(s->ctx, &password, &why);
	if (r != 0) {
		(void)auth_stored_fail(s, "%s", why.text);
		return r;
	}
	wire_put_string(b, secret_open(password), secret_len(password));
	secret_close(password);
	secret_free(&password);
	s->given = 1;
	return buf_err(b);
}

/* RFC 4252 section 8. */
static enum auth_client_verdict
send_password(struct auth_stored *s, struct auth_client *ac, struct buf *out)
{
	enum auth_client_verdict v = AUTH_CLIENT_FAILED;
	struct buf rest;

	buf_init(&rest, PASSWORD_BUF_MAX);
	wire_put_bool(&rest, 0);
	if (put_password(s, &rest) == 0) {
		s->sent = STORED_PASSWORD;
		v = auth_client_relay(ac, METHOD_PASSWORD, buf_bytes(&rest), out);
	}
	buf_wipe(&rest);
	return v;
}

/* RFC 4256 section 3.1: no language, no submethods. */
static enum auth_client_verdict
send_conversation(struct auth_stored *s, struct auth_client *ac, struct buf *out)
{
	static const uint8_t rest[8];

	s->sent = STORED_CONVERSATION;
	s->talked = 1;
	return auth_client_relay(ac, METHOD_KBDINT, (struct bytes){ rest, sizeof(rest) }, out);
}

/* Try the next method that the upstream offers and has not had yet. */
static enum auth_client_verdict
next(struct auth_stored *s, struct auth_client *ac, struct buf *out)
{
	const char *offers = auth_client_methods(ac);

	if (s->has_key && !s->key_sent && namelist_has(offers, METHOD_PUBLICKEY)) {
		s->sent = STORED_KEY;
		s->key_sent = 1;
		return auth_client_start(ac, out);
	}
	if (!s->given && namelist_has(offers, METHOD_PASSWORD))
		return send_password(s, ac, out);
	if (!s->given && !s->talked && namelist_has(offers, METHOD_KBDINT))
		return send_conversation(s, ac, out);
	return give_up(s, ac);
}

static enum auth_client_verdict
refused(struct auth_stored *s, struct auth_client *ac, struct buf *out)
{
	if (!auth_client_partial(ac)) {
		if (s->sent == STORED_KEY)
			s->key_refused = 1;
		else if (s->sent == STORED_PASSWORD || s->sent == STORED_CONVERSATION)
			s->password_refused = s->given;
	}
	return next(s, ac, out);
}

/* RFC 4256 section 3.4: one answer, or none. */
static enum auth_client_verdict
answer(struct auth_stored *s, struct auth_client *ac, uint32_t n, struct buf *out)
{
	enum auth_client_verdict v = AUTH_CLIENT_FAILED;
	struct buf b;
	int r = 0;

	buf_init(&b, PASSWORD_BUF_MAX);
	buf_put_u8(&b, SSH_MSG_USERAUTH_INFO_RESPONSE);
	wire_put_u32(&b, n);
	if (n > 0)
		r = put_password(s, &b);
	if (r == 0)
		v = auth_client_respond(ac, buf_bytes(&b), out);
	buf_wipe(&b);
	return v;
}

static enum auth_client_verdict
asked(struct auth_stored *s, struct auth_client *ac, struct buf *out)
{
	struct bytes question = auth_client_question(ac), prompt;
	char shown[256];
	struct wire w;
	uint32_t n;
	int echo;

	if (s->sent == STORED_PASSWORD) {
		s->asks_more = 1;
		return auth_stored_fail(s,
		    "upstream wants the password stored as %s changed; change it there, then: "
		    "sallyport key remove --force %s, and sallyport key add %s --password",
		    s->name, s->name, s->name);
	}
	wire_init(&w, question.p, question.len);
	(void)wire_u8(&w);
	(void)wire_string(&w); /* name */
	(void)wire_string(&w); /* instruction */
	(void)wire_string(&w); /* language */
	n = wire_u32(&w);
	if (n == 0)
		return answer(s, ac, 0, out);
	prompt = wire_string(&w);
	echo = wire_bool(&w);
	if (n == 1 && !echo && !s->given)
		return answer(s, ac, 1, out);
	s->asks_more = 1;
	/* an upstream that has the password could repeat it in this text: it is not logged */
	if (s->given)
		return auth_stored_fail(s,
		    "upstream asks for more than a stored password can answer: it may want the "
		    "password stored as %s changed",
		    s->name);
	return auth_stored_fail(s,
	    "upstream asks for more than a stored password can answer: \"%s\"",
	    log_vis(shown, sizeof(shown), prompt.p, prompt.len));
}

enum auth_client_verdict
auth_stored_begin(struct auth_stored *s, struct auth_client *ac, struct buf *out)
{
	s->sent = STORED_PROBE;
	return auth_client_probe(ac, out);
}

enum auth_client_verdict
auth_stored_step(struct auth_stored *s, struct auth_client *ac, enum auth_client_verdict v,
    struct buf *out)
{
	if (v == AUTH_CLIENT_REFUSED)
		return refused(s, ac, out);
	if (v == AUTH_CLIENT_ASKED)
		return asked(s, ac, out);
	return v;
}
