/*
 * Messages between the processes, each one datagram on a SOCK_SEQPACKET socket: a byte of
 * type and a body of the types of RFC 4251, at most IPC_MAX bytes.  ipc.def lists all of
 * them: the sender and the receiver, the phases of a session, and whether a descriptor
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
/* And of AllowDestinations, which lookup/route.c keeps to 32 KiB. */
#define IPC_DESTINATIONS_MAX 1024

/* What a TLS server signs: a hash and 98 bytes, or two random numbers and a public value of 133. */
#define IPC_TLS_SIGNED_MAX 256

/* Names of a client's certificate: subjectAltNames, and the organisational units of its subject. */
#define IPC_TLS_NAMES_MAX 64
#define IPC_TLS_UNITS_MAX 16
#define IPC_TLS_NAME_SIZE 256

/* Host keys in one message, and their certificates: 16 keys are more than anybody has, also while
 * some are being replaced. */
#define IPC_HOST_KEYS_MAX 32

/* Questions in one FACTOR_ASK: more than a form has; bytes of one, and of an answer: more than fits into a
 * window; and bytes of instructions.  All together fit into 32 KiB, which each client takes (RFC 4253 section
 * 6.1). */
#define IPC_QUESTIONS_MAX 8
#define IPC_QUESTION_MAX 1024
#define IPC_INSTRUCTIONS_MAX 16384

enum ipc_type {
	IPC_NONE,
#define IPC_MESSAGE(type, way, phases, descriptor) IPC_##type,
#include "ipc/ipc.def"
#undef IPC_MESSAGE
};

/* The kinds of errand, in an ERRAND message. */
enum ipc_errand {
	IPC_ERRAND_DIAL = 1,
	IPC_ERRAND_RUN,
	IPC_ERRAND_PASSWORD,
	IPC_ERRAND_LOOK,
	IPC_ERRAND_FACTOR,
	IPC_ERRAND_CA,
	IPC_ERRAND_HOP, /* not an errand by its length: the carrier of a hop (session/carrier.h) */
};

/* The sender and the receiver of a message. */
enum ipc_way {
	IPC_KEEPER_TO_MASTER = 1 << 0,
	IPC_MASTER_TO_KEEPER = 1 << 1,
	IPC_ERRAND_TO_KEEPER = 1 << 2,
	IPC_KEEPER_TO_SESSION = 1 << 3,
	IPC_SESSION_TO_KEEPER = 1 << 4,
	IPC_KEEPER_TO_ERRAND = 1 << 5,
	IPC_MASTER_TO_EDGE = 1 << 6,
	IPC_EDGE_TO_MASTER = 1 << 7,
	IPC_MASTER_TO_FORWARDER = 1 << 8,
	IPC_FORWARDER_TO_MASTER = 1 << 9,
	IPC_KEEPER_TO_TLS = 1 << 10,
	IPC_TLS_TO_KEEPER = 1 << 11,
};

/* How far a session is, as the keeper sees it. */
enum ipc_phase {
	IPC_PHASE_KEX = 1 << 0,	 /* until the host key has signed once */
	IPC_PHASE_AUTH = 1 << 1, /* the client logs in */
	IPC_PHASE_DIAL = 1 << 2, /* an errand connects */
	IPC_PHASE_UPSTREAM_KEX = 1 << 3,
	IPC_PHASE_UPSTREAM_AUTH = 1 << 4,
	IPC_PHASE_RELAY = 1 << 5,
	IPC_PHASE_END = 1 << 6,	  /* refused, or END has come */
	IPC_PHASE_AGENT = 1 << 7, /* as UPSTREAM_AUTH, with the client let in already */
	IPC_PHASE_CARRY = 1 << 8, /* of a hop: logged in, it leads on to the next machine */
	IPC_PHASE_ANY = 0x1ff,
};

/* How a connection without a login ended, as the keeper saw it: its address is penalized for it. */
enum ipc_login {
	IPC_LOGIN_EXCUSED,     /* the client was authenticated, or the gateway could not serve it */
	IPC_LOGIN_NOAUTH,      /* no authentication was tried */
	IPC_LOGIN_AUTHFAIL,    /* authentication failed */
	IPC_LOGIN_INVALIDUSER, /* authentication failed for a login that does not exist */
	IPC_LOGINS
};

/* Why a connection that has to begin with a PROXY header is refused. */
enum ipc_no_header {
	IPC_HEADER_MISSING, /* it begins with something else */
	IPC_HEADER_MALFORMED,
	IPC_HEADER_TOO_LONG,
	IPC_HEADER_CHECKSUM,
	IPC_HEADER_CLOSED, /* the load balancer has closed it before, or broken it off */
	IPC_NO_HEADERS
};

/* What a connection begins with. */
enum ipc_kind {
	IPC_KIND_SILENT, /* nothing has come: a client that waits for the server's banner, maybe */
	IPC_KIND_SSH,
	IPC_KIND_TLS,
	IPC_KIND_HTTP,
	IPC_KIND_CONNECT, /* HTTP's CONNECT, whose head has been taken */
	IPC_KIND_BANNER,  /* SSH with a Host: of HTTP in its version string or first packet */
	IPC_KIND_XMPP,
	IPC_KIND_OPENVPN,
	IPC_KIND_OTHER,
	IPC_KIND_CLOSED, /* the client has closed it, and has sent nothing */
	IPC_KINDS
};

/* KIND has this where no FirstBytes fit. */
#define IPC_NO_PATTERN UINT32_MAX

/* Why the user's agent does not sign. */
enum ipc_agent_failure {
	IPC_AGENT_NOT_OFFERED, /* the client has started its session without offering an agent */
	IPC_AGENT_DENIED,      /* the client has refused a channel to it */
	IPC_AGENT_GONE,	       /* the client has closed that channel */
	IPC_AGENT_GARBLED,     /* its answer is malformed or too large */
	IPC_AGENT_TIMEOUT,     /* LoginGraceTime is over */
};

/* How the client has ended its connection. */
enum ipc_client_end {
	IPC_END_OTHER, /* it has not: the gateway or the upstream has */
	IPC_END_CLOSED,
	IPC_END_RESET,
	IPC_END_DISCONNECT, /* it has sent DISCONNECT */
	IPC_END_NOT_SSH,    /* its first line was no version string of SSH 2.0 */
	IPC_END_NO_MATCH,   /* it offered none of our algorithms */
	IPC_END_BROKEN,	    /* it did not keep to the protocol */
};

struct ipc_msg {
	enum ipc_type type;
	struct wire body; /* over the buffer given to ipc_recv() */
	int fd;		  /* -1, or the descriptor that came; the receiver owns it */
};

/* Name of a type, for the log.  Static. */
const char *ipc_name(enum ipc_type type);

/*
 * Receive one message into buffer (IPC_MAX bytes) and check it against the list.  0; ERR_EOF;
 * ERR_AGAIN; ERR_FORMAT, ERR_BADSTATE or ERR_TOOBIG for a message that does not fit (a descriptor
 * that came with it is closed); ERR_NOFILE if there was no room for its descriptor; ERR_SYS.
 */
int ipc_recv(int sock, uint8_t *buffer, enum ipc_way way, unsigned int phase,
    struct ipc_msg *msg) MUST_CHECK;

/* Begin a message: a buffer with the type in it, for its body.  Free it with buf_wipe(). */
void ipc_begin(struct buf *b, enum ipc_type type);

/* Send a message begun with ipc_begin() and free it.  0 or an ERR_* as of fd_send(). */
int ipc_send(int sock, struct buf *b, int pass_fd) MUST_CHECK;

#endif
