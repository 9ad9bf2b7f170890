/*
 * The client's login, as the keeper sees it: who logs in, with which proofs, and where that
 * leads.
 */
#ifndef KEEPER_DOWNSTREAM_H
#define KEEPER_DOWNSTREAM_H

#include "auth/auth_methods.h"
#include "auth/auth_server.h"
#include "base/bucket.h"
#include "formats/authorized_keys.h"
#include "keeper/decoy.h"
#include "keeper/issue.h"
#include "lookup/lookup.h"

struct factor;
struct job_result;
struct ksession;

/* Signatures of the host keys that a session asks for; written by downstream_sign.c and
 * downstream_prove.c. */
struct host_key_signing {
	struct bucket bucket; /* how many it may have */
	uint8_t session_id[64];
	size_t session_id_len;
	char alg[64];	 /* of the last key exchange */
	uint32_t proven; /* a bit for each host key that has been proven */
	struct {
		int waiting;
		char alg[64];
		uint8_t hash[64];
		size_t hash_len;
	} later; /* the request that waits until the bucket has a token again */
};

/* Written by the files downstream*.c. */
struct login_downstream {
	struct auth_server *auth;
	int by_key;		      /* another key may lead to another route: LOOKUP_... */
	struct lookup_pending lookup; /* the lookup that waits for a program */
	int64_t lookup_started;	      /* of clock_us(): when the first program was asked for */
	int invalid_logged;	      /* "Invalid user ..." */

	struct auth_methods methods;	      /* of AuthenticationMethods: passed so far */
	struct auth_methods methods_verified; /* of those: verified here, not by the upstream */
	const struct factor
	    *factor;	   /* that the conversation is for, or NULL (downstream_factor.h) */
	int64_t factor_at; /* of clock_us(): when its program was told something last */
	unsigned int factor_rounds; /* that the client has been asked in; factor_program.c */
	struct buf
	    factor_asked[DECOY_ROUNDS];	   /* in them, as INFO_REQUEST, if it had proven nothing */
	int key_verified;		   /* a key has been proven by a signature */
	struct strlist keys_used;	   /* fingerprints of the keys that have been proven */
	struct authorized_options options; /* of these keys together */
	struct authorized_options offered_options; /* of the key that was offered last */
	struct buf policy; /* POLICY, made from the route and the options; empty: not yet */
	char proofs
	    [ISSUE_PROOFS_SIZE]; /* what the client has proven, for the certificate upstream */
	char key_refusal[256];	 /* beginning of the last reason logged why a key is not accepted */
	unsigned int failures;	 /* tries that were wrong, and keys that were offered in vain */
	int entered;		 /* all is proven, and MaxSessionsPerLogin counts it */
	int success_sent;	 /* the client has been let in */

	/* decoy.c writes these, too */
	uint32_t reply_min_us; /* what the next refusal takes at least */
	int decoy_connected;   /* an upstream that does not exist has been "connected" to */
};

void downstream_free(struct login_downstream *down);

/* SIGN: the host key signs an exchange hash; the first one is the session id.  One beyond the
 * bucket waits, and is answered by downstream_sign_sweep(), which is called each second. */
void downstream_sign(struct ksession *s, struct wire *body);
void downstream_sign_sweep(struct ksession *s, int64_t now);

/* PROVE: prove to the client that these host keys are the gateway's.  Each once in a session. */
void downstream_prove(struct ksession *s, struct wire *body);

/* AUTH: a USERAUTH message of the client. */
void downstream_auth(struct ksession *s, struct wire *body);

/* Act on what auth_server says; what it appended to out is sent. */
void downstream_verdict(struct ksession *s, enum auth_server_verdict v, struct buf *out);

/* AUTH_SERVER_LOOKUP: find the route, and go on. */
enum auth_server_verdict downstream_look_up(struct ksession *s, struct buf *out);

/* Have the client's password checked here: for PasswordHash, and for unknown logins. */
void downstream_check_password(struct ksession *s);
/* Ask the client for a password, as PAM does. */
void downstream_ask_password(struct ksession *s);
/* Ask for one text, which is not shown while it is typed; NULL: for none, which the client answers by itself. */
void downstream_ask_text(struct ksession *s, const char *prompt);

/* For jobs.c: what an errand is told, to run a lookup program or to check a password, and the
 * result. */
void downstream_put_lookup(struct ksession *s, struct buf *order);
void downstream_lookup_done(struct ksession *s, const struct job_result *result);
void downstream_put_password(struct ksession *s, struct buf *order);
void downstream_password_done(struct ksession *s, const struct job_result *result);

/* The client has proven all: does MaxSessionsPerLogin let it in?  1, and it counts from now on; or 0: it has
 * been refused. */
int downstream_may_enter(struct ksession *s) MUST_CHECK;

/* The client has passed one method, which was verified here: go on. */
void downstream_method_passed(struct ksession *s);
/* The client has passed the method it has used last, which the upstream has verified: note that. */
void downstream_passed_upstream(struct ksession *s);

/* For auth_server_ops, with the session: may this key log in, and is this its signature? */
int downstream_key_allowed(void *session, const char *alg, struct bytes blob);
int downstream_key_verify(void *session, const char *alg, struct bytes blob, struct bytes sig,
    const void *data, size_t len);
/* For auth_server_ops, with the session: a try was wrong, a key was offered in vain. */
void downstream_try_failed(void *session);
void downstream_key_refused(void *session);

/* Answer the client's request, which waits for it: FAILURE, because it was wrong, or because the
 * upstream does not take that method, which does not count as a try; or partial success. */
void downstream_failed(struct ksession *s);
void downstream_declined(struct ksession *s);
void downstream_partial(struct ksession *s);
/* Or with a question: INFO_REQUEST or PASSWD_CHANGEREQ, type byte included. */
void downstream_ask(struct ksession *s, struct bytes question);

/* Make the POLICY message, unless it has been made for this route and key.  0, or an ERR_*: it
 * is more than a message holds, and the client has been refused. */
int downstream_make_policy(struct ksession *s) MUST_CHECK;

/* Both logins are done: tell the session, with what the client is to see first. */
void downstream_success(struct ksession *s);
/* The client's login is done, and the upstream's needs the client's agent: let the client in. */
void downstream_let_in(struct ksession *s);

#endif
