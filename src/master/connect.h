/*
 * CONNECT of HTTP (HttpConnect of [edge]): who asks for a connection to a host names it for the routes, or for a
 * section [forward NAME].  Edge has taken the head of the request; the answers are fixed texts.
 */
#ifndef MASTER_CONNECT_H
#define MASTER_CONNECT_H

#include "ipc/messages.h"
#include "master/listener.h"

struct master;
struct connects;

enum connect_answer {
	CONNECT_OPEN,	   /* 200 */
	CONNECT_BAD,	   /* 400 */
	CONNECT_FORBIDDEN, /* 403 */
	CONNECT_PASSWORD,  /* 407 */
	CONNECT_BUSY,	   /* 502 */
};

/* Answer a request, without waiting for the client. */
void connect_answer(const struct connection *c, enum connect_answer answer);

/* Answer the request that the connection begins with, and have looked at what follows.  It is the callee's from
 * now on. */
void connect_take(struct master *m, struct connection *c, const struct ipc_opening *o);

/* PASSWORD_CHECKED: the keeper's answer to the password of a request. */
void connect_checked(struct master *m, struct wire *body);

void connects_free(struct connects **t);

#endif
