/*
 * The protocol of ssh-agent (draft-ietf-sshm-ssh-agent) as its client speaks it: requests
 * and answers without the length in front of each.
 */
#ifndef FORMATS_AGENT_PROTO_H
#define FORMATS_AGENT_PROTO_H

#include "base/buf.h"
#include "wire/wire.h"

/* More keys than that are not looked at. */
#define AGENT_PROTO_KEYS_MAX 64

struct agent_keys {
	struct bytes v[AGENT_PROTO_KEYS_MAX];
	size_t n;
};

/* session-bind@openssh.com (PROTOCOL.agent of OpenSSH): what follows is for a login at
 * the machine that has signed this session identifier with its host key. */
void agent_proto_put_bind(struct buf *b, struct bytes host_key, struct bytes session_id,
    struct bytes signature);

/* What keys are there? */
void agent_proto_put_list(struct buf *b);

/* Sign data with this key and algorithm. */
void agent_proto_put_sign(struct buf *b, struct bytes key, struct bytes data, const char *alg);

/*
 * The answer to put_list: keys and certificates of types we know, in the agent's order,
 * but the one that is first, if it is among them, before all others.  They point into
 * the answer.  A locked agent has none.  0 or ERR_FORMAT.
 */
int agent_proto_keys(struct bytes answer, struct bytes first, struct agent_keys *keys) MUST_CHECK;

/* The answer to put_sign: the signature blob, which points into it.  0, ERR_AUTH if the
 * agent has not signed, or ERR_FORMAT. */
int agent_proto_signature(struct bytes answer, struct bytes *sig) MUST_CHECK;

#endif
