/*
 * The options in front of a key in an authorized_keys file.
 */
#ifndef FORMATS_AUTHORIZED_OPTIONS_H
#define FORMATS_AUTHORIZED_OPTIONS_H

#include "base/reason.h"
#include "formats/authorized_keys.h"

/*
 * Parse comma-separated options ("" is none) into options, whose line is kept,
 * and check what they ask of the request.  1: the line holds for this request.
 * 0: it does not, and why says so; the options may be half filled.
 */
int authorized_options_parse(struct bytes text, const struct authorized_request *request,
    struct authorized_options *options, struct reason *why);

/*
 * Narrow the options of a cert-authority line by those of a certificate.  1, or 0 with why if
 * each has a command of its own.
 */
int authorized_options_merge(struct authorized_options *options,
    const struct authorized_options *cert, struct reason *why);

/*
 * A time as in expiry-time=, as sshd reads it: YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, in the
 * local time zone (its standard time, also in summer) unless Z or UTC follows.  A day that the
 * month has not is one of the next.  0 or ERR_FORMAT.
 */
int authorized_time_parse(const char *text, time_t *when) MUST_CHECK;

#endif
