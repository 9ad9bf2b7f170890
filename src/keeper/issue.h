/*
 * The certificate for a login upstream (Key = ca:): a key pair is made in memory, the authority
 * signs a certificate for it, and the login there is done with both, which are then forgotten.
 *
 *	upstream_ready()	the upstream waits for the first request
 *	method->begin()		the method wants its key: issue_wanted(), so issue_begin()
 *	issue_begin()		makes the pair, and what the authority has to sign
 *	issue_signed()		with the signature, now or later; goes on with method->begin()
 *
 * An authority of the key store signs within issue_begin().  One that takes time (an agent's) may
 * answer later: issue_to_sign() is what it signs, and its answer goes to issue_signed(), or why
 * there is none to issue_failed(); until then issue_waits() is 1.  Both refuse the client themselves.
 */
#ifndef KEEPER_ISSUE_H
#define KEEPER_ISSUE_H

#include "base/buf.h"
#include "base/reason.h"
#include "base/secret.h"

struct job_result;
struct ksession;

/* "LOGIN session 3f2a key SHA256:... from 203.0.113.9": sshd's line for the log has 1024 bytes. */
#define ISSUE_ID_SIZE 512
/* "key SHA256:...+password" */
#define ISSUE_PROOFS_SIZE 256

/* Written by issue.c.  All zero: there is none. */
struct issue {
	enum {
		ISSUE_NONE,
		ISSUE_WAITS, /* for the authority's signature */
		ISSUE_MADE,
	} state;
	struct secret *priv; /* of the pair */
	struct buf pub;
	struct buf ca;		/* public key of the authority */
	struct buf certificate; /* while it waits, what the authority signs */
	int used;		/* the upstream has been sent it */
	uint64_t serial;
	char id[ISSUE_ID_SIZE];
};

void issue_free(struct issue *issue);

/* Does the route log in with a certificate that has not been asked for yet?  1 or 0. */
int issue_wanted(const struct ksession *s);
int issue_waits(const struct ksession *s);

/* Make the pair and have the certificate signed.  What goes wrong refuses the client. */
void issue_begin(struct ksession *s);

/* What is to be signed, and the algorithm to do it with; while issue_waits(). */
struct bytes issue_to_sign(const struct ksession *s, const char **alg);
/* The signature blob, which is verified, or why there is none. */
void issue_signed(struct ksession *s, struct bytes signature);
void issue_failed(struct ksession *s, const char *reason);

/* For jobs.c: what the errand that asks an agent is told, and its answer. */
void issue_put_order(struct ksession *s, struct buf *order);
void issue_done(struct ksession *s, const struct job_result *result);
/* Do two sessions wait for the same agent? */
int issue_same_agent(const struct ksession *a, const struct ksession *b);

/* Sign with the private key of the pair: as key_sign(). */
int issue_sign(struct issue *issue, const char *alg, const void *data, size_t len,
    struct buf *sig) MUST_CHECK;

/* Has the upstream taken the certificate?  Then its critical options hold there.  1 or 0. */
int issue_holds(const struct ksession *s);

/* The client has passed one method: note it for the key id. */
void issue_note_proof(struct ksession *s);

/* ", certificate serial N ID ..." for the log; "" unless issue_holds(). */
#define ISSUE_SHOW_SIZE (ISSUE_ID_SIZE + 64)
const char *issue_show(const struct ksession *s, char out[ISSUE_SHOW_SIZE]);

/* The upstream has refused it: say in the log what to look at there. */
void issue_log_refused(const struct ksession *s);

#endif
