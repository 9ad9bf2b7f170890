/*
 * What the certificate says that the gateway logs in upstream with (Key = ca:): by the route, and
 * by the policy of the session.  The machine's sshd keeps that much even against a session that has
 * been taken over.
 */
#ifndef ACCESS_LOGIN_CERTIFICATE_H
#define ACCESS_LOGIN_CERTIFICATE_H

#include <time.h>

#include "base/reason.h"
#include "formats/cert_write.h"
#include "lookup/route.h"

struct login_certificate {
	struct cert_order order; /* without a key, a serial number and a key id */
	struct strlist principals;
	char *command; /* or NULL */
	char *source;  /* or NULL */
};

/* What runs on a hop in place of any command, unless the route has ForceCommand. */
#define LOGIN_CERTIFICATE_HOP_COMMAND "exit 1"

/*
 * Fill in what it says for the user upstream.  options: of the keys that let the client in; NULL: it
 * is for a hop, which only has to forward the connection to the next machine, and runs nothing.  from: the gateway's
 * address on the connection that it has dialled, or "".  0; or ERR_NOMEM or ERR_TOOBIG, with why.
 * login_certificate_free() it in any case.
 */
int login_certificate_make(const struct route *route, const struct authorized_options *options,
    const char *user, const char *from, time_t now, struct login_certificate *out,
    struct reason *why) MUST_CHECK;
void login_certificate_free(struct login_certificate *c);

/* What the route asks of the session that no certificate can say, as a list of keywords with ", "
 * between them: "" if there is nothing. */
#define LOGIN_CERTIFICATE_REST_SIZE 256
void login_certificate_rest(const struct route *route, char out[LOGIN_CERTIFICATE_REST_SIZE]);

#endif
