/*
 * The policy of a session: what the client may do on its connection.  The keeper makes it from the
 * route and from the options of the key that the client has logged in with, and sends it to the
 * session, which enforces it.  The words are those of sshd_config(5) and authorized_keys(5).
 */
#ifndef WIRE_POLICY_H
#define WIRE_POLICY_H

#include "base/strlist.h"
#include "wire/wire.h"

enum policy_permit {
	POLICY_TCP_LOCAL = 1 << 0,    /* AllowTcpForwarding = local: direct-tcpip */
	POLICY_TCP_REMOTE = 1 << 1,   /* AllowTcpForwarding = remote: tcpip-forward */
	POLICY_STREAM_LOCAL = 1 << 2, /* AllowStreamLocalForwarding */
	POLICY_STREAM_REMOTE = 1 << 3,
	POLICY_AGENT = 1 << 4,
	POLICY_X11 = 1 << 5,
	POLICY_PTY = 1 << 6,
	POLICY_OTHER = 1 << 7, /* all other kinds of channels, such as tun@openssh.com */
	POLICY_ALL = 255,
};

/* Lists of permitted addresses come from the route and from the key: both must permit an
 * address. */
enum policy_by {
	POLICY_ROUTE,
	POLICY_KEY,
};

/* Elements of one list, each of which may be compared for each channel opened. */
#define POLICY_LIST_MAX 1024
/* Bytes of policy_put(): a message between processes (IPC_MAX) without its type. */
#define POLICY_BYTES_MAX (68 * 1024 - 1)
/* Variables of SetEnv, and variables of the client besides: an sshd upstream takes 128 for a
 * session. */
#define POLICY_ENV_MAX 60
#define POLICY_SESSIONS_MAX 1024 /* max_sessions */

struct policy {
	unsigned int permits;		 /* POLICY_TCP_LOCAL ... */
	struct strlist permit_open[2];	 /* by policy_by: "host:port", "*:*"; empty: any */
	struct strlist permit_listen[2]; /* by policy_by: "host:port", "port"; empty: any;
					  * hosts are patterns */
	struct strlist commands;	 /* shell, exec, names of subsystems; empty: any */
	struct strlist accept_env;	 /* patterns of names of variables; empty: any */
	struct strlist set_env;		 /* "NAME=value" */
	char *command;			 /* forced command, or NULL */
	int command_upstream; /* the upstream itself runs it in place of what is asked for */
	char *sftp;	/* a command that only reads, in place of the subsystem sftp; or NULL */
	int has_tunnel; /* tun@openssh.com only for the unit tunnel */
	uint32_t tunnel;
	uint32_t max_sessions; /* session channels open at a time */
	uint32_t idle_ms;      /* 0: no limit */
	uint32_t session_ms;   /* 0: no limit */
	uint32_t unused_ms;    /* with no channel open; 0: no limit */
	uint64_t rekey_bytes;  /* RekeyLimit of both connections; 0: as the cipher needs it */
	uint32_t rekey_ms;     /* 0: no limit */
};

/* A policy that permits everything. */
void policy_init(struct policy *policy);
void policy_free(struct policy *policy);

/* Append a policy to b.  A list of more than POLICY_LIST_MAX elements is ERR_TOOBIG in b. */
void policy_put(struct buf *b, const struct policy *policy);

/* The name, for administrators, of a list with more than POLICY_LIST_MAX elements, or NULL.
 * Static. */
const char *policy_overfull(const struct policy *policy);

/* Read a policy that ends where w ends.  0; ERR_FORMAT or ERR_NOMEM, and policy is freed. */
int policy_get(struct wire *w, struct policy *policy) MUST_CHECK;

#endif
