/*
 * Hosts that did not answer a short while ago: a route with several hosts tries them last.
 * The table is bounded, as forgetting a host costs only a wait.
 */
#ifndef KEEPER_DEAD_HOSTS_H
#define KEEPER_DEAD_HOSTS_H

#include <stddef.h>
#include <stdint.h>

#define DEAD_HOSTS_MAX 128
#define DEAD_HOSTS_MS 30000 /* how long a host is remembered */
#define DEAD_HOST_SIZE 256

struct dead_hosts {
	struct dead_host {
		char host[DEAD_HOST_SIZE];
		uint16_t port;
		int64_t until; /* of clock_ms() */
	} v[DEAD_HOSTS_MAX];
	size_t n;
};

/* The host did not answer.  In a full table the oldest entry makes room. */
void dead_hosts_add(struct dead_hosts *d, const char *host, uint16_t port, int64_t now);

/* The host has answered. */
void dead_hosts_remove(struct dead_hosts *d, const char *host, uint16_t port);

/* Is the host remembered as one that does not answer? */
int dead_hosts_has(const struct dead_hosts *d, const char *host, uint16_t port, int64_t now);

#endif
