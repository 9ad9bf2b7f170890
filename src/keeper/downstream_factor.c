/*
 * Which factor a conversation with the client is for.  Called by downstream.c for each request that
 * it cannot judge; the factors themselves have files of their own.
 */
#include <string.h>

#include "keeper/downstream_factor.h"
#include "keeper/ksession.h"
#include "wire/methods.h"

/* More devices than there are; a longer wish of the client's is none. */
#define FACTOR_DEVICES_SIZE 256

static const struct {
	const struct factor *factor;
	const char *shown; /* in the log */
} factors[] = {
	{ &factor_totp, "keyboard-interactive/totp" },
	{ &factor_program, "keyboard-interactive/factor" },
};
#define FACTORS (sizeof(factors) / sizeof(factors[0]))

static const struct factor *
factor_find(const char *method)
{
	size_t i;

	for (i = 0; method != NULL && i < FACTORS; i++)
		if (strcmp(factors[i].factor->method, method) == 0)
			return factors[i].factor;
	return NULL;
}

/* The factor that a conversation is for, which the client has just begun: message is what follows the
 * method's name in its request (RFC 4256 section 3.1). */
static const struct factor *
factor_of_conversation(const struct ksession *s, struct bytes message)
{
	const struct decoy_shape *shape;
	char devices[FACTOR_DEVICES_SIZE];
	struct wire w;

	wire_init(&w, message.p, message.len);
	(void)wire_string(&w); /* language */
	wire_text(&w, devices, sizeof(devices));
	if (wire_end(&w) != 0)
		devices[0] = '\0';
	if (s->route != NULL)
		return factor_find(auth_methods_conversation(&s->down.methods, devices));
	shape = decoy_of(s);
	return factor_find(
	    auth_conversation_choose(shape->conversations, shape->n_conversations, devices));
}

int
downstream_factor_request(struct ksession *s)
{
	const struct factor *factor;
	struct bytes message;

	switch (auth_server_pending(s->down.auth, &message)) {
	case AUTH_SERVER_CONVERSATION:
		/* the client may have given up a conversation before */
		jobs_cancel_kind(s, JOB_FACTOR);
		factor = s->down.factor = factor_of_conversation(s, message);
		/* which may settle the request, and end the conversation, at once */
		if (factor != NULL)
			factor->begin(s);
		return factor != NULL;
	case AUTH_SERVER_RESPONSE:
		if (s->down.factor == NULL)
			return 0;
		s->down.factor->answer(s, message);
		return 1;
	default:
		jobs_cancel_kind(s, JOB_FACTOR);
		s->down.factor = NULL;
		return 0;
	}
}

const char *
downstream_method(const struct ksession *s)
{
	const char *method = auth_server_method(s->down.auth);

	return s->down.factor != NULL && strcmp(method, METHOD_KBDINT) == 0 ?
	    s->down.factor->method :
	    method;
}

const char *
downstream_method_shown(const struct ksession *s)
{
	const char *method = downstream_method(s);
	size_t i;

	for (i = 0; i < FACTORS; i++)
		if (strcmp(factors[i].factor->method, method) == 0)
			return factors[i].shown;
	return method;
}

const char *
downstream_factor_first(const struct auth_methods *m)
{
	const struct factor *f = factor_find(auth_methods_conversation(m, ""));

	return f != NULL ? f->method : NULL;
}
