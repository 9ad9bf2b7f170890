/*
 * A trial connection: the SSH key exchange with a machine, as for a login, and no login.
 * What the machine says is read by a process of its own that can do nothing else, as in the
 * gateway; whether its host key is the right one is judged here.
 */
#ifndef CLI_KEYSCAN_H
#define CLI_KEYSCAN_H

#include <stdint.h>

#include "cli/as_user.h"
#include "access/host_key.h"

struct keyscan {
	const struct route *route;
	const char *host; /* of route->hosts */
	const struct as_user *become;

	/* What has come of it; all that the machine has said is to be escaped. */
	char version[300]; /* "SSH-2.0-..."; "" if there was none */
	int shown;	   /* it has shown a key: blob, and what that is worth */
	struct buf blob;
	struct host_key_judgement judgement;
	char reason[600]; /* why it went no further, "" if all is well */
	int takes_bound;  /* it takes publickey-hostbound-v00@openssh.com */
};

/* Make one on the connected socket fd, which is closed, until the deadline.  keyscan_free() it in
 * any case. */
void keyscan_run(struct keyscan *t, int fd, int64_t deadline);
void keyscan_free(struct keyscan *t);

#endif
