/*
 * Factors: what users prove in a conversation with the gateway itself, beside a key or password.
 * Each is a device of keyboard-interactive, as AuthenticationMethods names it.
 */
#ifndef KEEPER_DOWNSTREAM_FACTOR_H
#define KEEPER_DOWNSTREAM_FACTOR_H

#include "auth/auth_methods.h"
#include "wire/wire.h"

struct ksession;

/*
 * Each call settles the client's request, at once or once a job is done: by downstream_ask(),
 * downstream_method_passed(), downstream_failed() or ksession_refuse().  s->route is NULL for an
 * unknown login, which gets the same questions and always fails.
 */
struct factor {
	const char *method; /* METHOD_TOTP, ...: a row of login_methods[] with METHOD_DEVICE */
	/* A conversation that the client gives up is a failed try: it may have sent something to a person. */
	int give_up_counts;
	/* The client has begun a conversation. */
	void (*begin)(struct ksession *s);
	/* Its INFO_RESPONSE, type byte included, with as many answers as were asked for. */
	void (*answer)(struct ksession *s, struct bytes message);
};

extern const struct factor factor_totp;
extern const struct factor factor_program;

/* The client's request, which waits for an answer: is it one of a factor's conversation?  1: it has
 * been given to that; or 0.  Sets s->down.factor. */
int downstream_factor_request(struct ksession *s);

/* The method of the client's last request, as AuthenticationMethods names it; for the log
 * "keyboard-interactive/totp", as sshd writes it.  Valid until the next request. */
const char *downstream_method(const struct ksession *s);
const char *downstream_method_shown(const struct ksession *s);

/* The method of the factor that a client's first conversation would be for, or NULL. */
const char *downstream_factor_first(const struct auth_methods *m);

#endif
