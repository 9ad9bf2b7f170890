/*
 * The client's side of the ssh-agent protocol (draft-ietf-sshm-ssh-agent): requests and answers,
 * without the length in front of each.
 */
#ifndef FORMATS_AGENT_PROTO_H
#define FORMATS_AGENT_PROTO_H

#include "base/buf.h"
#include "wire/wire.h"

/* Keys of an agent that are tried; the rest are ignored. */
#define AGENT_PROTO_KEYS_MAX 64

struct agent_keys {
	struct bytes v[AGENT_PROTO_KEYS_MAX];
	size_t n;
};

/* Append session-bind@openssh.com (OpenSSH's PROTOCOL.agent): the signatures asked for afterwards
 * are for a login at the host that has signed this session identifier with this host key. */
void agent_proto_put_bind(struct buf *b, struct bytes host_key, struct bytes session_id,
    struct bytes signature);

/* Append SSH_AGENTC_REQUEST_IDENTITIES. */
void agent_proto_put_list(struct buf *b);

/* Append SSH_AGENTC_SIGN_REQUEST: sign data with this key and algorithm. */
void agent_proto_put_sign(struct buf *b, struct bytes key, struct bytes data, const char *alg);

/*
 * Read the answer to put_list: keys and certificates of the types that sallyport knows, in the
 * agent's order, except that first, if the agent has it, comes first.  They point into the
 * answer.  A locked agent has none.  0 or ERR_FORMAT.
 */
int agent_proto_keys(struct bytes answer, struct bytes first, struct agent_keys *keys) MUST_CHECK;

/* Read the answer to put_sign: the signature blob, which points into it.  0; ERR_AUTH if the
 * agent refused to sign; or ERR_FORMAT. */
int agent_proto_signature(struct bytes answer, struct bytes *sig) MUST_CHECK;

#endif
