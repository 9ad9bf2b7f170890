/*
 * The second half of a trial connection (look.c): would the host take a key?
 */
#ifndef ERRAND_QUERY_H
#define ERRAND_QUERY_H

#include "auth/auth_client.h"
#include "transport/leg.h"

struct query {
	struct auth_client *auth; /* NULL while nothing is asked */
	enum auth_client_verdict verdict;
};

/* Wait once for the host, and process what it has sent; look.c calls it, too.  0; or, with a text that
 * is valid as long as the leg in *why: ERR_TIMEOUT at the deadline, ERR_EOF if the keeper has closed
 * answer, ERR_SSH if the leg has ended. */
int query_step(struct leg *leg, int answer, int64_t deadline, const char **why) MUST_CHECK;

/* A message that the host has sent during the login. */
void query_packet(struct query *q, const uint8_t *payload, size_t len);

/* Wait for QUERY on answer, and ask the host on this leg, whose service is ssh-userauth.  Nobody is
 * logged in: the requests have no signature (RFC 4252 section 7).  0 with the message QUERIED in reply,
 * or an ERR_* if nobody asks before the deadline. */
int query_run(struct query *q, struct leg *leg, int answer, int64_t deadline,
    struct buf *reply) MUST_CHECK;

#endif
