/*
 * The login upstream with what is stored: a key, a password, or both, in the order that the
 * upstream wants.  On top of auth_client, and pure like it.
 *
 * The first request asks which methods are offered.  Key and password are sent at most once each.
 * The password also answers a keyboard-interactive conversation with one hidden prompt (PAM).
 * Any other question is meant for a user, so the login fails.
 */
#ifndef AUTH_AUTH_STORED_H
#define AUTH_AUTH_STORED_H

#include "base/reason.h"
#include "auth/auth_client.h"
#include "base/secret.h"

#define AUTH_STORED_REASON_SIZE 512

struct auth_stored_ops {
	/* The password, to be sent now and freed; 0, or an ERR_* with the reason. */
	int (*password)(void *ctx, struct secret **out, struct reason *reason);
};

struct auth_stored {
	const struct auth_stored_ops *ops;
	void *ctx;
	const char *name; /* of the password, for reasons; not owned */
	int has_key;
	int has_certificate; /* which is all that the key is good for */
	enum {
		STORED_NOTHING,
		STORED_PROBE,
		STORED_KEY,
		STORED_PASSWORD,
		STORED_CONVERSATION
	} sent; /* the last request */
	int key_sent, talked;
	int given; /* the password has been sent */
	int key_refused, password_refused;
	int asks_more; /* the upstream asks the user something, or for a new password */
	char reason[AUTH_STORED_REASON_SIZE]; /* why it failed, or "": see auth_client_reason() */
};

/* The first request.  ac has been made with config.several. */
enum auth_client_verdict auth_stored_begin(struct auth_stored *s, struct auth_client *ac,
    struct buf *out);

/* What auth_client_input() has come to: REFUSED and ASKED are answered with the next
 * request (SEND), or FAILED when there is none; others stay what they are. */
enum auth_client_verdict auth_stored_step(struct auth_stored *s, struct auth_client *ac,
    enum auth_client_verdict v, struct buf *out);

/* What was sent last, for people: "the mapped key". */
const char *auth_stored_sent(const struct auth_stored *s);

#endif
