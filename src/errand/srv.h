/*
 * SRV records (RFC 2782): which hosts and ports a name stands for.  For approach.c.
 */
#ifndef ERRAND_SRV_H
#define ERRAND_SRV_H

#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

/* As many are tried; a larger answer is cut. */
#define SRV_MAX 16

struct srv_target {
	char host[256];
	uint16_t port;
	uint16_t priority, weight;
};

/* Ask for the records of _ssh._tcp.HOST.  Their number, in the order in which they are to be tried; 0: there
 * are none, and the host itself counts; or -1 with the reason added to why. */
int srv_lookup(const char *host, struct srv_target targets[SRV_MAX], struct reason *why);

/* Take the records out of an answer of DNS.  Their number, in any order; or ERR_FORMAT; or ERR_NOTFOUND if the
 * record says that there is no such service (its target is the root). */
int srv_parse(const uint8_t *answer, size_t len, struct srv_target targets[SRV_MAX]);

/* Bring them into the order of the RFC: by priority, and those of one priority drawn by their weights.  draw()
 * returns a number below its argument. */
void srv_order(struct srv_target *targets, size_t n, uint32_t (*draw)(uint32_t below));

#endif
