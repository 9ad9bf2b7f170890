/*
 * The factor "totp": a code of the route's TOTP secret (RFC 6238), or one of its recovery codes.  Called
 * through downstream_factor.c.  What is used up is on disk before anybody is let in.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "access/route_files.h"
#include "access/totp_record.h"
#include "base/clock.h"
#include "formats/cert.h"
#include "keeper/downstream_factor.h"
#include "keeper/ksession.h"
#include "wire/methods.h"

/* As Google's module for PAM asks, which most people know. */
static const char factor_totp_prompt[] = "Verification code: ";

/* Refuse an unknown login, or a code that has not been compared: as late as a wrong one. */
static void
factor_totp_failed(struct ksession *s)
{
	s->down.reply_min_us = decoy_draw(s->keeper, DECOY_CODE);
	downstream_failed(s);
}

/* No code can be checked.  A client that has not proven anything does not learn that the login exists. */
static void
factor_totp_unable(struct ksession *s, const char *text, const char *why)
{
	if (auth_methods_begun(&s->down.methods)) {
		ksession_refuse(s, text, "TOTP = %s: %s", s->route->totp, why);
		return;
	}
	ksession_error(s, "%s: TOTP = %s: %s", ksession_login(s), s->route->totp, why);
	factor_totp_failed(s);
}

/* The secret, which the caller wipes.  0, or the client has been answered. */
static int
factor_totp_load(struct ksession *s, struct totp *secret)
{
	struct reason why;
	int r = route_totp_open(s->route, s->identity->keystore, secret, &why);

	if (r == 0 && s->snapshot->state == NULL) {
		sodium_memzero(secret, sizeof(*secret));
		reason_set(&why,
		    "there is no directory to keep used codes in: set StateDirectory in "
		    "[gateway], and restart");
		r = ERR_BADSTATE;
	}
	if (r == ERR_NOTFOUND)
		reason_set(&why, "not in the key store; make it with: sallyport totp enroll %s",
		    ksession_login(s));
	if (r != 0)
		factor_totp_unable(s,
		    r == ERR_NOTFOUND ?
			"this login needs a second factor, and you have none yet; ask your "
			"administrator" :
			upstream_text_gateway,
		    why.text);
	return r;
}

/* What the client has proven before, which TotpRemember goes by.  1, or 0: nothing. */
static int
factor_totp_proof(const struct ksession *s, uint8_t proof[TOTP_RECORD_PROOF_SIZE])
{
	const struct strlist *keys = &s->down.keys_used;
	struct buf text;
	size_t i;
	const char *whole;

	if (s->route->totp_remember_ms == 0 || !auth_methods_begun(&s->down.methods))
		return 0;
	buf_init(&text, 4096);
	for (i = 0; i < keys->n; i++) {
		buf_put(&text, "key ", 4);
		buf_put(&text, keys->v[i], strlen(keys->v[i]));
	}
	if (keys->n == 0) {
		buf_put(&text, "password ", 9);
		buf_put(&text, s->route->login, strlen(s->route->login));
	}
	whole = buf_err(&text) == 0 ? buf_cstr(&text) : NULL;
	if (whole != NULL)
		totp_record_proof(whole, proof);
	buf_free(&text);
	return whole != NULL;
}

static void
factor_totp_login(const struct ksession *s, const struct totp *secret, const char *typed,
    uint8_t proof[TOTP_RECORD_PROOF_SIZE], struct totp_login *l)
{
	*l = (struct totp_login){ .secret = secret,
		.skew = (unsigned int)s->route->totp_skew,
		.now = time(NULL),
		.typed = typed,
		.address = s->client,
		.remember = s->route->totp_remember_ms / 1000 };
	if (factor_totp_proof(s, proof))
		l->proof = proof;
}

/* Does the client need no code, because of TotpRemember?  If the record cannot be read, it does. */
static int
factor_totp_remembers(const struct ksession *s, const struct totp *secret)
{
	uint8_t proof[TOTP_RECORD_PROOF_SIZE];
	struct totp_login l;
	struct reason why;
	struct buf record;
	int remembered;

	factor_totp_login(s, secret, "", proof, &l);
	if (l.proof == NULL)
		return 0;
	buf_init(&record, STATE_RECORD_MAX);
	remembered = state_read(s->snapshot->state, TOTP_RECORD_KIND, s->route->totp, &record,
			 &why) == 0 &&
	    totp_record_remembers(&l, buf_bytes(&record));
	buf_free(&record);
	return remembered;
}

/* A client that is remembered gets a request without a question.  Letting it pass at once would not do: ssh begins
 * another conversation, such as that of Factor, only after it has been sent a request in this one. */
static void
factor_totp_begin(struct ksession *s)
{
	struct totp secret;
	int remembered = 0;

	/* a client that has proven something is told at once if no code can be checked */
	if (s->route != NULL && auth_methods_begun(&s->down.methods)) {
		if (factor_totp_load(s, &secret) != 0)
			return;
		remembered = factor_totp_remembers(s, &secret);
		sodium_memzero(&secret, sizeof(secret));
	}
	downstream_ask_text(s, remembered ? NULL : factor_totp_prompt);
}

/* The client has been asked for nothing. */
static void
factor_totp_answer_nothing(struct ksession *s)
{
	struct totp secret;
	int remembered;

	if (factor_totp_load(s, &secret) != 0)
		return;
	remembered = factor_totp_remembers(s, &secret);
	sodium_memzero(&secret, sizeof(secret));
	if (!remembered) {
		factor_totp_failed(s);
		return;
	}
	ksession_log_factor(s, LOG_LVL_INFO, "factor_remembered",
	    "no code is asked for, because of TotpRemember");
	downstream_method_passed(s);
}

static unsigned int
factor_totp_answers(struct bytes message)
{
	struct wire w;

	wire_init(&w, message.p, message.len);
	(void)wire_u8(&w);
	return wire_u32(&w);
}

/* The answer of the client as text.  0, or ERR_FORMAT: it is too long, or has a NUL. */
static int
factor_totp_typed(const struct ksession *s, char typed[TOTP_CODE_MAX + 1])
{
	struct bytes answer;

	if (auth_server_password(s->down.auth, &answer) != 0 || answer.len > TOTP_CODE_MAX ||
	    memchr(answer.p, '\0', answer.len) != NULL)
		return ERR_FORMAT;
	memcpy(typed, answer.p, answer.len);
	typed[answer.len] = '\0';
	return 0;
}

/* Add that a wrong code is right at another time, so that a clock is wrong. */
static void
factor_totp_add_clock(const struct totp_login *l, char *text, size_t size)
{
	const size_t len = strlen(text);
	char shown[32];

	if (l->clock_off == 0)
		return;
	cert_show_time((uint64_t)l->now, shown);
	snprintf(text + len, size - len,
	    "; it is the code of %" PRId64
	    " seconds %s: look at the clock of the device, and at this gateway's, which says %s",
	    l->clock_off > 0 ? l->clock_off : -l->clock_off, l->clock_off > 0 ? "later" : "earlier",
	    shown);
}

/* What has come of the code, for the log. */
static void
factor_totp_log(const struct ksession *s, const struct totp_login *l)
{
	char text[512];

	switch (l->outcome) {
	case TOTP_ACCEPTED:
		return;
	case TOTP_RECOVERED:
		snprintf(text, sizeof(text), "a recovery code of %s is used up, %u are left",
		    s->route->totp, l->recovery_left);
		ksession_log_factor(s, LOG_LVL_WARN, "factor_recovered", text);
		return;
	case TOTP_WRONG:
		snprintf(text, sizeof(text), "wrong code, %u in a row for %s", l->wrong,
		    s->route->totp);
		factor_totp_add_clock(l, text, sizeof(text));
		break;
	case TOTP_USED:
		snprintf(text, sizeof(text),
		    "this code of %s has been used, or is older than the last one used",
		    s->route->totp);
		break;
	case TOTP_LOCKS:
		snprintf(text, sizeof(text),
		    "%d wrong codes in a row: %s is locked for %" PRId64
		    " minutes; to unlock it: sallyport totp reset %s",
		    TOTP_RECORD_WRONG_MAX, s->route->totp, l->locked_for / 60, s->route->totp);
		factor_totp_add_clock(l, text, sizeof(text));
		ksession_log_factor(s, LOG_LVL_WARN, "factor_locked", text);
		return;
	case TOTP_LOCKED:
		snprintf(text, sizeof(text),
		    "%s is locked for %" PRId64 " s more; to unlock it: sallyport totp reset %s",
		    s->route->totp, l->locked_for, s->route->totp);
		break;
	}
	ksession_log_factor(s, LOG_LVL_INFO, "factor_refused", text);
}

/* Judge what was typed.  The secret is open. */
static void
factor_totp_judge(struct ksession *s, const struct totp *secret, const char *typed)
{
	uint8_t proof[TOTP_RECORD_PROOF_SIZE];
	const int64_t begun = clock_us();
	struct totp_login l;
	struct reason why;
	int r;

	factor_totp_login(s, secret, typed, proof, &l);
	r = state_update(s->snapshot->state, TOTP_RECORD_KIND, s->route->totp, totp_record_login,
	    &l, &why);
	if (r == ERR_FORMAT)
		reason_set(&why,
		    "its record in %s is damaged; to begin a new one: sallyport totp reset %s",
		    state_path(s->snapshot->state), s->route->totp);
	if (r != 0 && r != ERR_EXISTS) {
		factor_totp_unable(s, upstream_text_gateway, why.text);
		return;
	}
	factor_totp_log(s, &l);
	if (l.outcome == TOTP_ACCEPTED || l.outcome == TOTP_RECOVERED) {
		downstream_method_passed(s);
		return;
	}
	if (r == 0) {
		decoy_note(s->keeper, DECOY_CODE, clock_us() - begun);
		downstream_failed(s);
	} else {
		factor_totp_failed(s);
	}
}

static void
factor_totp_answer(struct ksession *s, struct bytes message)
{
	char typed[TOTP_CODE_MAX + 1] = "";
	struct totp secret;

	if (s->route != NULL && factor_totp_answers(message) == 0) {
		factor_totp_answer_nothing(s);
		return;
	}
	/* neither what cannot be a code nor no code at all is a guess */
	if (s->route == NULL || factor_totp_typed(s, typed) != 0 || typed[0] == '\0') {
		factor_totp_failed(s);
	} else if (factor_totp_load(s, &secret) == 0) {
		factor_totp_judge(s, &secret, typed);
		sodium_memzero(&secret, sizeof(secret));
	}
	sodium_memzero(typed, sizeof(typed));
}

const struct factor factor_totp = {
	.method = METHOD_TOTP,
	.begin = factor_totp_begin,
	.answer = factor_totp_answer,
};
