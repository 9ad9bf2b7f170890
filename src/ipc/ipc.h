/*
 * Messages between the processes, each one datagram on a SOCK_SEQPACKET socket: a byte of
 * type and a body of the types of RFC 4251, at most IPC_MAX bytes.  ipc.def lists all of
 * them: who sends one to whom, in which phases of a connection, and whether a descriptor
 * comes with it.  A message that does not fit the list is refused before its body is read.
 * messages.h has the larger bodies.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/wire.h"

/* A USERAUTH message of 64 KiB and what goes around it. */
#define IPC_MAX (68 * 1024)
#define IPC_PAYLOAD_MAX (64 * 1024)

/* Text of one LOG message: the longest reason of a leg (512 bytes), twice. */
#define IPC_LOG_MAX 1024

/* Hosts in one DIAL message. */
#define IPC_HOSTS_MAX 64

enum ipc_type {
	IPC_NONE,
#define IPC_MESSAGE(type, way, phases, descriptor) IPC_##type,
#include "ipc/ipc.def"
#undef IPC_MESSAGE
};

/* What the master starts for the keeper. */
enum ipc_errand {
	IPC_ERRAND_DIAL = 1,
	IPC_ERRAND_RUN,
	IPC_ERRAND_CHECK,
	IPC_ERRAND_LOOK,
};

enum ipc_way {
	IPC_KEEPER_TO_MASTER = 1 << 0,
	IPC_MASTER_TO_KEEPER = 1 << 1,
	IPC_ERRAND_TO_KEEPER = 1 << 2,
	IPC_KEEPER_TO_SESSION = 1 << 3,
	IPC_SESSION_TO_KEEPER = 1 << 4,
	IPC_KEEPER_TO_ERRAND = 1 << 5,
};

/* How far a session is, as the keeper sees it. */
enum ipc_phase {
	IPC_PHASE_KEX = 1 << 0,	 /* until the host key has signed once */
	IPC_PHASE_AUTH = 1 << 1, /* the client proves itself */
	IPC_PHASE_DIAL = 1 << 2, /* an errand connects */
	IPC_PHASE_UPSTREAM_KEX = 1 << 3,
	IPC_PHASE_UPSTREAM_AUTH = 1 << 4,
	IPC_PHASE_RELAY = 1 << 5,
	IPC_PHASE_END = 1 << 6,	  /* refused, or END has come */
	IPC_PHASE_AGENT = 1 << 7, /* as UPSTREAM_AUTH, with the client let in already */
	IPC_PHASE_ANY = 0xff,
};

/* What became of a login that did not get in, as the keeper saw it: what its source pays for. */
enum ipc_login {
	IPC_LOGIN_EXCUSED,     /* it has proven itself, or we could not serve it */
	IPC_LOGIN_NOAUTH,      /* nothing was tried */
	IPC_LOGIN_AUTHFAIL,    /* tried, and not proven */
	IPC_LOGIN_INVALIDUSER, /* the same, of a login that does not exist */
	IPC_LOGINS
};

/* Why the person's agent does not sign. */
enum ipc_agent_failure {
	IPC_AGENT_NOT_OFFERED, /* the session began without it */
	IPC_AGENT_DENIED,      /* the client has not opened a channel to it */
	IPC_AGENT_GONE,
	IPC_AGENT_GARBLED, /* its answer makes no sense, or is too large */
	IPC_AGENT_TIMEOUT, /* LoginGraceTime is over */
};

/* What the client has done when it ended a connection. */
enum ipc_client_end {
	IPC_END_OTHER, /* nothing: it has been ended, or the upstream has ended it */
	IPC_END_CLOSED,
	IPC_END_RESET,
	IPC_END_DISCONNECT, /* sent one */
	IPC_END_NOT_SSH,
	IPC_END_NO_MATCH, /* offered no algorithm of ours */
	IPC_END_BROKEN,	  /* not kept to the protocol */
};

struct ipc_msg {
	enum ipc_type type;
	struct wire body; /* over the buffer given to ipc_recv() */
	int fd;		  /* -1, or the descriptor that came; the receiver owns it */
};

/* Name of a type, for the log.  Static. */
const char *ipc_name(enum ipc_type type);

/*
 * Receive one message into buffer (IPC_MAX bytes) and check it against the table.
 * 0; ERR_EOF; ERR_AGAIN; ERR_FORMAT, ERR_BADSTATE, ERR_TOOBIG for what does not fit (a
 * descriptor that came is closed); ERR_NOFILE when one that came could not be taken; ERR_SYS.
 */
int ipc_recv(int sock, uint8_t *buffer, enum ipc_way way, unsigned int phase,
    struct ipc_msg *msg) MUST_CHECK;

/* Start a body: an empty buffer with the type in it.  Free it with buf_wipe(). */
void ipc_begin(struct buf *b, enum ipc_type type);

/* Send a message begun with ipc_begin() and free it.  0 or an ERR_* as of fd_send(). */
int ipc_send(int sock, struct buf *b, int pass_fd) MUST_CHECK;

#endif
