/*
 * A session: one connection from first byte to last.  It runs in a process of its
 * own, with two sockets to the network, one to the keeper, and nothing else.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdint.h>

struct session_config {
	uint64_t id;
	const char *client;	      /* "203.0.113.9 port 40022", for the title */
	int login_grace_ms;	      /* 0: no limit */
	int client_alive_interval_ms; /* 0: off */
	int client_alive_count_max;
};

/* Run it to its end on a connected socket and the socket to the keeper; exits.
 * Called right after fork, with all other descriptors but 0 to 2 closed. */
void session_run(int client, int keeper, const struct session_config *config)
    __attribute__((noreturn));

/* Confine the process to what a session needs: seccomp, limits, no core.  ERR_SYS. */
int sandbox_enter(void);

#endif
