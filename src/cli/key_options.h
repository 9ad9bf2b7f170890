/*
 * The options of authorized_keys(5) by which the upstream itself enforces what a route says: a
 * second lock, which holds also against a session that has been taken over.
 */
#ifndef CLI_KEY_OPTIONS_H
#define CLI_KEY_OPTIONS_H

#include "base/buf.h"
#include "base/reason.h"
#include "conf/keyword.h"
#include "lookup/route.h"

/* The longest line that sshd reads before OpenSSH 8. */
#define KEY_OPTIONS_MAX 8192

/*
 * Append the options, "restrict,from=...", for a mapped key of this route.  from is a list
 * as from="" takes it (address_list_ok()).  What the upstream cannot enforce is added to
 * notes, a sentence each, for the user.  0; ERR_FORMAT with why, if there is something that
 * authorized_keys(5) cannot say; ERR_NOMEM or ERR_TOOBIG.
 */
int key_options(const struct route *r, const char *from, struct buf *out, struct strlist *notes,
    struct reason *why) MUST_CHECK;

#endif
