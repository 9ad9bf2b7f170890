/*
 * What a login may do on its connection, as the keeper tells the session: the route's
 * policy keys and the options of the key that let the client in.  The words are those
 * of sshd_config(5) and authorized_keys(5).
 */
#ifndef WIRE_RULES_H
#define WIRE_RULES_H

#include "base/strlist.h"
#include "wire/wire.h"

enum rules_permit {
	RULES_TCP_LOCAL = 1 << 0, /* AllowTcpForwarding: "local" is direct-tcpip */
	RULES_TCP_REMOTE = 1 << 1,
	RULES_STREAM_LOCAL = 1 << 2, /* AllowStreamLocalForwarding */
	RULES_STREAM_REMOTE = 1 << 3,
	RULES_AGENT = 1 << 4,
	RULES_X11 = 1 << 5,
	RULES_PTY = 1 << 6,
	RULES_OTHER = 1 << 7, /* channels of kinds not named here, as tun@openssh.com */
	RULES_ALL = 255,
};

/* Who restricts: what both permit is permitted. */
enum rules_by {
	RULES_ROUTE,
	RULES_KEY,
};

/* Of each list: how many elements there may be. */
#define RULES_LIST_MAX 1024
/* sshd takes 128 variables for a session. */
#define RULES_ENV_MAX 60
#define RULES_SESSIONS_MAX 1024

struct rules {
	unsigned int permits;		 /* RULES_* */
	struct strlist permit_open[2];	 /* by rules_by: "host:port", "*:*"; empty: any */
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
void rules_init(struct rules *rules);
void rules_free(struct rules *rules);

/* More than RULES_LIST_MAX in a list is ERR_TOOBIG in b. */
void rules_put(struct buf *b, const struct rules *rules);

/* What has more than RULES_LIST_MAX, in the words of an administrator; or NULL.  Static. */
const char *rules_overfull(const struct rules *rules);

/* Read to the end of w.  0; ERR_FORMAT or ERR_NOMEM with rules freed. */
int rules_get(struct wire *w, struct rules *rules) MUST_CHECK;

#endif
