/*
 * Mode = jump in the keeper: the login ends here, and each machine that the user names is compared with
 * AllowDestinations and dialled by an errand, which compares its addresses.  downstream.c, ksession.c
 * and jobs.c call it.
 */
#ifndef KEEPER_JUMP_H
#define KEEPER_JUMP_H

#include "base/netaddr.h"
#include "formats/destination.h"
#include "keeper/jobs.h"

/* The connection that is being dialled. */
struct jump_dial {
	/* the address that was tried first, without a lookup, or "" */
	char cached[NETADDR_TEXT_SIZE];
	char host[DESTINATION_HOST_SIZE];
	uint32_t port;
};

/* The client has logged in, and its session gets no upstream. */
void jump_let_in(struct ksession *s);

/* JUMP_OPEN: the session asks for a connection. */
void jump_open(struct ksession *s, struct wire *body);

/* For jobs.c: the order of the errand, and its result. */
void jump_put_dial(struct ksession *s, struct buf *order);
void jump_dial_done(struct ksession *s, const struct job_result *result);

#endif
