/*
 * A session: one connection from first byte to last.  It runs in a process of its
 * own, with two sockets to the network, one to the keeper, and nothing else.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdint.h>

#include "base/err.h"

struct session_config {
	uint64_t id;
	const char *client;	      /* "203.0.113.9 port 40022", for the title */
	int login_grace_ms;	      /* 0: no limit */
	int client_alive_interval_ms; /* 0: off */
	int client_alive_count_max;
	/* Of [gateway], for the client's side; NULL: the default. */
	const char *kex_algorithms, *host_key_algorithms, *ciphers, *macs, *user_key_algorithms;
};

/* The descriptors of its sockets: the filter of its system calls knows these numbers. */
#define SESSION_CLIENT 3
#define SESSION_KEEPER 4

/* Run a session to its end on a connected socket and the socket to the keeper, and exit.
 * To be called right after fork, with all other descriptors but 0 to 2 closed, by functions
 * that do not return: the stack canary is changed. */
void session_run(int client, int keeper, const struct session_config *config)
    __attribute__((noreturn));

/* The same for the carrier of a hop (carrier.h), which has no client. */
void carrier_run(int keeper) __attribute__((noreturn));

/* Move the two sockets to SESSION_CLIENT (unless client is -1) and SESSION_KEEPER, and /dev/null to 0 to 2.  0 or
 * ERR_SYS. */
int sandbox_descriptors(int client, int keeper) MUST_CHECK;

/* Confine the process to what a session needs: seccomp, limits, no core.  Descriptors come from
 * the socket receiver alone, or if that is -1, from nowhere.  0 or an ERR_*. */
int sandbox_enter(int receiver) MUST_CHECK;

#endif
