/*
 * Inside of the server side of user authentication: auth_server.c takes requests,
 * auth_server_reply.c gives answers.
 */
#ifndef AUTH_AUTH_SERVER_PRIVATE_H
#define AUTH_AUTH_SERVER_PRIVATE_H

#include "base/names.h"
#include "auth/auth_request.h"
#include "auth/auth_server.h"
#include "formats/pubkey.h"

/* Instead of a number of prompts: a request is the answer (a password changed). */
#define NO_ANSWER UINT32_MAX

enum auth_state {
	STATE_FIRST,	  /* no request yet */
	STATE_LOOKUP,	  /* the first one waits for auth_server_resume() */
	STATE_WAITING,	  /* for a request */
	STATE_KEY_PROVEN, /* waits for auth_server_success() or _failure() */
	STATE_PENDING,	  /* the same, and for auth_server_ask() */
	STATE_ASKED,	  /* a question has been sent: waits for its answer */
	STATE_HINT,	  /* for the empty answer to an INFO_REQUEST without questions */
	STATE_DONE,
	STATE_DENIED,
};

struct auth_server {
	const struct auth_server_ops *ops;
	void *ctx;
	enum auth_state state;

	struct buf session_id;
	struct buf host_key;
	char *banner; /* NULL once it is sent */
	char *hint;   /* NULL once it is shown */
	int key_refused;
	char *methods;
	int max_tries;
	int tries;
	int queries;

	char raw_login[LOGIN_MAX + 1];
	size_t raw_login_len; /* as sent: can be more than is kept */
	int login_ok;

	char method[64]; /* of the last request, as are the next three */
	struct buf key;
	char key_type[64];
	char fingerprint[PUBKEY_FINGERPRINT_SIZE];

	int each_key;
	struct buf looked_up; /* the key of the last lookup, or empty */

	struct buf current; /* the request that waits for the lookup */
	struct buf queued;  /* pipelined requests behind it, each as a string */
	int nqueued;
	struct buf pending_message;	  /* may hold a password */
	enum auth_server_pending pending; /* what the message is */
	uint32_t prompts;		  /* of the question asked */
	int give_up_counts;		  /* to give it up is a failed try */
	char reason[256];
};

void auth_state_set(struct auth_server *as, enum auth_state state);

/* The end of it, and why. */
enum auth_server_verdict auth_deny(struct auth_server *as, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* One request has been answered, with this verdict: go on with those in the queue. */
enum auth_server_verdict auth_queued(struct auth_server *as, enum auth_server_verdict verdict,
    struct buf *out);

/* USERAUTH_FAILURE that does not count as a try. */
enum auth_server_verdict auth_reply_failure(struct auth_server *as, struct buf *out);
/* USERAUTH_FAILURE for a try that counts; after the last one the login is denied. */
enum auth_server_verdict auth_fail(struct auth_server *as, struct buf *out);
/* Count a try that has failed.  REPLY, or DENIED: it was the last. */
enum auth_server_verdict auth_count_try(struct auth_server *as);
enum auth_server_verdict auth_reply_pk_ok(struct auth_server *as, const struct auth_request *r,
    struct buf *out);

/* 1 if the hint is due: a key was refused and the login has no other method to try. */
int auth_hint_ready(const struct auth_server *as);
enum auth_server_verdict auth_reply_hint(struct auth_server *as, struct buf *out);

#endif
