/*
 * The options in front of a key in an authorized_keys file.
 */
#ifndef FORMATS_AUTHORIZED_OPTIONS_H
#define FORMATS_AUTHORIZED_OPTIONS_H

#include "base/reason.h"
#include "formats/authorized_keys.h"

/*
 * Parse comma-separated options ("" for none) into options, whose field line is kept, and check
 * their conditions (from=, expiry-time= ...) for this request.  1: the line may be used.  0 with
 * why: it may not; the options may be half filled.
 */
int authorized_options_parse(struct bytes text, const struct authorized_request *request,
    struct authorized_options *options, struct reason *why);

/*
 * Restrict options by others that hold as well, as sshd does: those of a cert-authority line by
 * those of a certificate, or those of a key by those of a second key.  What is a list, and
 * tunnel=, is taken of the others only if options has none.  1, or 0 with why if both force a command
 * and the two differ.
 */
int authorized_options_merge(struct authorized_options *options,
    const struct authorized_options *others, struct reason *why);

/*
 * Parse a time of expiry-time= the way sshd does: YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, in
 * the local time zone (standard time, also in summer) unless Z or UTC follows.  31 April is 1
 * May.  0 or ERR_FORMAT.
 */
int authorized_time_parse(const char *text, time_t *when) MUST_CHECK;

#endif
