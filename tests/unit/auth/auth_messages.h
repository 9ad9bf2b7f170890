/*
 * Messages of an upstream to auth_client, and what it sends.
 */
#ifndef TESTS_AUTH_MESSAGES_H
#define TESTS_AUTH_MESSAGES_H

#include "wire/wire.h"

/* Make b a USERAUTH_FAILURE. */
void put_failure(struct buf *b, const char *methods, int partial);

/* The one message in out, which is a USERAUTH_REQUEST of ubuntu with this method: *w is
 * behind that.  Returns all of it. */
struct bytes sent_request(const struct buf *out, const char *method, struct wire *w);

#endif
