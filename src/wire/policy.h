/*
 * What a login may do on its connection, as the keeper tells the session: the route's
 * policy keys and the options of the key that let the client in.  The words are those
 * of sshd_config(5) and authorized_keys(5).
 */
#ifndef WIRE_POLICY_H
#define WIRE_POLICY_H

#include "base/strlist.h"
#include "wire/wire.h"

enum policy_permit {
	POLICY_TCP_LOCAL = 1 << 0, /* AllowTcpForwarding: "local" is direct-tcpip */
	POLICY_TCP_REMOTE = 1 << 1,
	POLICY_STREAM_LOCAL = 1 << 2, /* AllowStreamLocalForwarding */
	POLICY_STREAM_REMOTE = 1 << 3,
	POLICY_AGENT = 1 << 4,
	POLICY_X11 = 1 << 5,
	POLICY_PTY = 1 << 6,
	POLICY_OTHER = 1 << 7, /* channels of kinds not named here, as tun@openssh.com */
	POLICY_ALL = 255,
};

/* Who restricts: what both permit is permitted. */
enum policy_by {
	POLICY_ROUTE,
	POLICY_KEY,
};

/* Of each list: how many elements there may be. */
#define POLICY_LIST_MAX 1024
/* Bytes of policy_put(): what a message between processes takes, less its type. */
#define POLICY_BYTES_MAX (68 * 1024 - 1)
/* sshd takes 128 variables for a session. */
#define POLICY_ENV_MAX 60
#define POLICY_SESSIONS_MAX 1024

struct policy {
	unsigned int permits;		 /* RULES_* */
	struct strlist permit_open[2];	 /* by policy_by: "host:port", "*:*"; empty: any */
	struct strlist permit_listen[2]; /* likewise; "port" alone; hosts are patterns */
	struct strlist commands;	 /* shell, exec, names of subsystems; empty: any */
	struct strlist accept_env;	 /* patterns; empty: any */
	struct strlist set_env;		 /* "NAME=value" */
	char *command;			 /* forced, or NULL */
	int has_tunnel;			 /* tun@openssh.com leads to this unit alone */
	uint32_t tunnel;
	uint32_t max_sessions; /* open at a time */
	uint32_t idle_ms;      /* 0: none */
	uint32_t session_ms;   /* 0: none */
};

/* Everything is permitted. */
void policy_init(struct policy *rules);
void policy_free(struct policy *rules);

/* More than POLICY_LIST_MAX in a list is ERR_TOOBIG in b. */
void policy_put(struct buf *b, const struct policy *rules);

/* What has more than POLICY_LIST_MAX, in the words of an administrator; or NULL.  Static. */
const char *policy_overfull(const struct policy *rules);

/* Read to the end of w.  0; ERR_FORMAT or ERR_NOMEM with rules freed. */
int policy_get(struct wire *w, struct policy *rules) MUST_CHECK;

#endif
