/*
 * The options of authorized_keys(5) with which the machine behind keeps for itself what a
 * route says: the second lock, which holds also against a session that has been taken over.
 */
#ifndef CLI_KEY_OPTIONS_H
#define CLI_KEY_OPTIONS_H

#include "base/reason.h"
#include "base/buf.h"
#include "conf/keyword.h"
#include "lookup/route.h"

/* More than that sshd before OpenSSH 8 does not read in one line. */
#define KEY_OPTIONS_MAX 8192

/*
 * Append the options, "restrict,from=...", for a mapped key of this route.  from is a list
 * as from="" takes it (address_list_ok()).  What the machine cannot keep of the route is added
 * to notes, a sentence each, for a person.  0; ERR_FORMAT with why, if there is something that
 * authorized_keys(5) cannot say; ERR_NOMEM or ERR_TOOBIG.
 */
int key_options(const struct route *r, const char *from, struct buf *out, struct strlist *notes,
    struct reason *why) MUST_CHECK;

#endif
