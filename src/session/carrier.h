/*
 * The carrier: the process of one hop of one session (ProxyJump).  To the keeper it is a session without a
 * client: it exchanges keys with the hop's sshd and passes on the messages of the login there.  Then it opens
 * one direct-tcpip channel to the next machine, and carries it to a socket whose other end is that
 * machine's connection, for the session or the carrier of the next hop.  What it carries is ciphertext.
 *
 * It ends with the session, and the session with it; after its login it needs no keeper.
 */
#ifndef SESSION_CARRIER_H
#define SESSION_CARRIER_H

#include "ipc/ipc.h"

struct session;

/* CARRY.  Owns the descriptor of the message. */
void carrier_begin(struct session *s, struct ipc_msg *msg);

#endif
