/*
 * Machines that did not answer a short while ago: where there is a choice they are
 * tried last.  A bounded table; what is forgotten costs a wait and nothing else.
 */
#ifndef KEEPER_DEAD_HOSTS_H
#define KEEPER_DEAD_HOSTS_H

#include <stddef.h>
#include <stdint.h>

#define DEAD_HOSTS_MAX 128
#define DEAD_HOSTS_MS 30000 /* how long one is remembered */
#define DEAD_HOST_SIZE 256

struct dead_hosts {
	struct dead_host {
		char host[DEAD_HOST_SIZE];
		uint16_t port;
		int64_t until; /* of clock_ms() */
	} v[DEAD_HOSTS_MAX];
	size_t n;
};

/* It did not answer.  In a full table it takes the place of the oldest. */
void dead_hosts_add(struct dead_hosts *d, const char *host, uint16_t port, int64_t now);

/* It has answered. */
void dead_hosts_remove(struct dead_hosts *d, const char *host, uint16_t port);

/* 1 if it is remembered as one that does not answer. */
int dead_hosts_has(const struct dead_hosts *d, const char *host, uint16_t port, int64_t now);

#endif
