/*
 * Addresses that names have led to a short while ago (ResolveCache), so that many logins at once to one name do not
 * ask the name servers each time.  The table is bounded, as forgetting a name costs only a question.
 */
#ifndef KEEPER_RESOLVED_H
#define KEEPER_RESOLVED_H

#include <stddef.h>
#include <stdint.h>

#include "base/netaddr.h"

#define RESOLVED_MAX 128
#define RESOLVED_HOST_SIZE 256

struct resolved {
	struct resolved_host {
		char host[RESOLVED_HOST_SIZE];
		char address[NETADDR_TEXT_SIZE];
		int64_t since; /* of clock_ms() */
	} v[RESOLVED_MAX];
	size_t n;
};

/* A connection to the host has come about at this numeric address.  In a full table the oldest entry makes room; a
 * link-local address, whose interface is not known, is not kept. */
void resolved_add(struct resolved *r, const char *host, const char *address, int64_t now);

/* The address if it is not older than so many ms, else "". */
const char *resolved_find(const struct resolved *r, const char *host, int64_t now, int64_t age_ms);

#endif
