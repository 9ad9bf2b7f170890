/*
 * The login upstream as its two files see it: auth_client.c makes the requests, auth_client_reply.c
 * reads what the upstream says.
 */
#ifndef AUTH_AUTH_CLIENT_PRIVATE_H
#define AUTH_AUTH_CLIENT_PRIVATE_H

#include "auth/auth_client.h"

enum auth_client_state {
	STATE_NEW,     /* nothing sent yet */
	STATE_WAITING, /* for the answer to our request */
	STATE_REFUSED, /* for the next request */
	STATE_ASKED,   /* for the user's answer */
	STATE_WANTED,  /* for a signature, or the next request */
	STATE_DONE,
	STATE_FAILED,
};

struct auth_client {
	const struct auth_client_ops *ops;
	void *ctx;
	enum auth_client_state state;
	int several;
	enum {
		SENT_NONE,
		SENT_CERTIFICATE,
		SENT_KEY,
		SENT_QUERY,
		SENT_PASSWORD,
		SENT_KBDINT
	} sent; /* the last request */

	struct buf session_id;
	struct buf blob;
	struct buf certificate; /* to be tried first; empty: the key alone */
	int certificate_only;	/* the key alone is nothing to the upstream */
	int certificate_refused;
	struct buf host_key; /* empty: not bound to it */
	char alg[64];	     /* of the last query */
	char sig_alg[64];    /* what its signature calls it */
	char *user;
	char *server_sig_algs; /* or NULL */

	struct buf banner;
	size_t banner_left; /* bytes of banner that may still be passed on */
	int banner_cut;	    /* a banner was cut, and the caller does not know yet */
	struct buf banner_last;
	struct buf question;
	uint32_t prompts; /* in the question */
	unsigned int rounds;
	char methods[AUTH_CLIENT_METHODS_SIZE];
	int partial;
	char reason[512];
};

void auth_client_set(struct auth_client *ac, enum auth_client_state state);

/* The login has failed, for this reason.  Returns AUTH_CLIENT_FAILED. */
enum auth_client_verdict auth_client_fail(struct auth_client *ac, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
