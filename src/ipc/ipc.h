/*
 * Messages between the processes, each one datagram on a SOCK_SEQPACKET socket:
 * a byte of type and a body of the types of RFC 4251, at most IPC_MAX bytes.  All of
 * them are in one table (ipc.c): who sends it to whom, in which phases of a
 * connection, and whether a descriptor comes with it.  What does not fit the table
 * is refused before its body is looked at.
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
	/* keeper -> master */
	IPC_READY = 1, /* configuration and key store are good.  u32 n, n x string: public blobs of
			* the host keys */
	IPC_ERRAND,    /* + socket: start an errand, u8 enum ipc_errand, on this socket, where
			  * its order waits already: the master does not read it */
	IPC_LOGGED_IN, /* u64 session: no longer counts as starting up */
	IPC_LOGIN_ENDED, /* u64 session, u8 enum ipc_login: it ended without being logged in */
	IPC_RELOADED, /* the answer to RELOAD.  bool ok; u32 routes, or errors; string: [gateway] as it
			* would be, or the errors, a line each (as many as there is room for); u32 n,
			* n x string: public blobs of the host keys, none with errors */

	/* master -> keeper */
	IPC_CONNECTION, /* + socket: a new session.  u64 session, string client address,
			  * u32 client port, string local address, u32 local port */
	IPC_RELOAD,	/* load the configuration anew, beside the one in force */
	IPC_COMMIT,	/* bool: what was loaded is in force now, or is to be forgotten */

	/* errand -> keeper */
	IPC_DIALLED,	 /* + connected socket.  string address, string what went wrong before;
			  * u32 n, n x string: hosts that did not answer */
	IPC_DIAL_FAILED, /* string reason; u32 n, n x string: hosts that did not answer */
	IPC_CHECKED,	 /* bool: is it the password? */
	IPC_LOOKED,	 /* string algorithm, exchange hash, key blob, signature blob */
	IPC_RAN,	 /* string failure ("" if it ended by itself), u32 exit status, string
			  * standard output, string beginning of standard error */

	/* keeper -> errand: its order, the first message on its socket */
	IPC_DIAL,     /* u64 session, u32 timeout ms, u32 port, u32 n, n x string host */
	IPC_RUN,      /* u64 session, u32 timeout ms, four times u32 n, n x string: argv, env, paths
		       * out of its reach, paths that it may only read */
	IPC_PASSWORD, /* string hash, string password */
	IPC_LOOK,     /* u32 timeout ms, u32 port, strings: host, kex, host key algorithms, ciphers,
		       * MACs */

	/* keeper -> session */
	IPC_HELLO,	   /* u32 n, n x string: public blobs of the host keys */
	IPC_SIGNATURE,	   /* bool ok, string signature blob */
	IPC_DOWNSTREAM,	   /* strings to the end: payloads for the client */
	IPC_PACE,	   /* u32 us, u32 at least us: what follows waits until so long after the
			    * client's last message; the former doubles until it is enough */
	IPC_UPSTREAM_FD,   /* + connected socket.  strings: title, kex, host key algorithms,
			  * ciphers, MACs; u32 keepalive interval ms, u32 time for its login ms,
			  * bool: a person is asked meanwhile, so that it ends with the keys */
	IPC_HOST_KEY_OK,   /* bool ok */
	IPC_UPSTREAM,	   /* strings to the end: payloads for the upstream */
	IPC_POLICY,	   /* what may be done in the relay: policy_put(); before RELAY */
	IPC_RELAY,	   /* both are logged in.  strings to the end: what the client gets before
			  * USERAUTH_SUCCESS.  After AGENT: the upstream's banner, or nothing */
	IPC_REFUSE,	   /* string text of the DISCONNECT; strings to the end: last payloads
			  * for the client.  After AGENT: string line for its session; the upstream's banner,
			  * or nothing */
	IPC_AGENT,	   /* the client is in, and its own agent is to log in upstream.  strings to
			  * the end: what the client gets before USERAUTH_SUCCESS */
	IPC_AGENT_REQUEST, /* string request for that agent, without its length */

	/* session -> keeper */
	IPC_SIGN,	     /* string algorithm, string exchange hash */
	IPC_AUTH,	     /* string USERAUTH payload of the client */
	IPC_HOST_KEY,	     /* string algorithm, exchange hash, key blob, signature blob */
	IPC_UPSTREAM_READY,  /* string session id, string server-sig-algs, bool: takes
			      * publickey-hostbound-v00@openssh.com */
	IPC_UPSTREAM_AUTH,   /* string USERAUTH payload of the upstream */
	IPC_UPSTREAM_FAILED, /* string reason: the upstream leg ended before the relay */
	IPC_AGENT_OPEN,	     /* the client has opened a channel to its agent */
	IPC_AGENT_ANSWER,    /* string answer to AGENT_REQUEST, without its length */
	IPC_AGENT_FAILED,    /* u8 enum ipc_agent_failure */
	IPC_LOG, /* u8 enum log_level, string text of at most IPC_LOG_MAX bytes: for the log, behind
			      * the number of the session */
	IPC_END, /* string reason; u64 bytes from client, to client; u8 enum ipc_end, u32
			      * reason code of a DISCONNECT, string: what the client has made of it,
			      * in sshd's words or its own */
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
enum ipc_end {
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
