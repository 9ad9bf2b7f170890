/*
 * The state directory (state/state.h) that a configuration names: whether something in it needs one,
 * and opening it.
 */
#ifndef ACCESS_STATE_PLACE_H
#define ACCESS_STATE_PLACE_H

#include "base/reason.h"
#include "conf/conf.h"
#include "state/state.h"

/* The line that needs a state directory: TOTP or "Key = ca:NAME" of a route or of a [lookup NAME], or
 * StateDirectory itself; or NULL. */
const struct conf_entry *state_place_need(const struct conf *conf);

/*
 * Open the directory, to which no other user may have a way, and which is neither the key
 * store nor that of the configuration (ERR_PERM).  With create it is made where it is
 * missing, and belongs to the keeper's user also if root makes it.  0 with a reference in *out, or an
 * ERR_* of state_open() with why; ERR_NOTFOUND: there is none.
 */
int state_place_open(const struct conf *conf, int create, struct state **out,
    struct reason *why) MUST_CHECK;

#endif
