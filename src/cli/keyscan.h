/*
 * A trial connection: the SSH key exchange with a host as for a login, and no login.  An
 * errand of the gateway talks to the host; whether its host key is the right one is judged
 * here.  Only a host that has shown the known key is asked about the mapped key.
 */
#ifndef CLI_KEYSCAN_H
#define CLI_KEYSCAN_H

#include <stdint.h>

#include "access/host_key.h"
#include "cli/as_user.h"
#include "base/secret.h"
#include "ipc/messages.h"
#include "lookup/connect_via.h"

struct keyscan {
	const struct route *route;
	const char *host; /* of route->hosts */
	const struct as_user *as;
	/* ConnectVia of the route, parsed, with the password for that proxy or NULL; scheme "": no proxy */
	const struct connect_via *via;
	struct secret *via_password;
	struct bytes via_ca; /* the file of ConnectViaCA, or empty */

	/* The result; all that the host has said is to be escaped. */
	int connected;
	char address[64];  /* numeric */
	char version[300]; /* "SSH-2.0-..."; "" if there was none */
	int shown;	   /* the host has shown a key: blob, judged */
	struct buf blob;
	struct host_key_known *known;
	struct host_key_judgement judgement;
	char reason[700]; /* why it went no further, "" if all is well */
	int hostbound;	  /* it takes publickey-hostbound-v00@openssh.com */

	/* If user is set, and the host key is the known one: the host is asked whether it would take
	 * the certificate (may be empty) or the key for that user.  Nothing is signed. */
	const char *user;
	struct bytes certificate, public;
	int queried; /* it was asked; if queried.reason is "", it has answered */
	struct ipc_queried answer;
};

/* Make one, with this much time to connect, and ConnectTimeout for the rest.  0, or an ERR_* if the
 * errand has given no answer; keyscan_free() it in any case. */
int keyscan_run(struct keyscan *t, int64_t connect_ms) MUST_CHECK;
void keyscan_free(struct keyscan *t);

#endif
