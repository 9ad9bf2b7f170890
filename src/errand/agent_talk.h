/*
 * A conversation with an ssh-agent on a connected socket: one signature.
 */
#ifndef ERRAND_AGENT_TALK_H
#define ERRAND_AGENT_TALK_H

#include "base/reason.h"
#include "wire/wire.h"

/* Of RSA with 16384 bits: 2 KiB and the name of the algorithm. */
#define AGENT_TALK_SIGNATURE_MAX 4096
/* An answer of OpenSSH's agent is at most as long. */
#define AGENT_TALK_ANSWER_MAX (256 * 1024)

struct agent_talk {
	int agent;	  /* its socket, which does not block */
	int watched;	  /* when the peer of this one closes it, nobody waits for the signature */
	int64_t deadline; /* of clock_ms() */
};

/*
 * Have the key sign data with this algorithm; the signature blob is appended to sig, and is not verified.  0;
 * ERR_EOF: watched was closed; or an ERR_* with why, which says what the agent did: it did not answer in
 * time, does not have the key, refuses.
 */
int agent_talk_sign(const struct agent_talk *t, struct bytes key, struct bytes data,
    const char *alg, struct buf *sig, struct reason *why) MUST_CHECK;

#endif
