/*
 * Where the keeper may write: the directories of the known_hosts files that routes with
 * accept-new add host keys to. Landlock keeps it to those that were named when it started.
 */
#ifndef KEEPER_WRITABLE_H
#define KEEPER_WRITABLE_H

#include "base/landlock.h"
#include "conf/conf.h"

struct writable;

/* Allow what the configuration names, and systemd's STATE_DIRECTORY. A directory that is
 * not there, or not open to us, is left out. 0 with *out the caller's, or an ERR_*. */
int writable_new(const struct conf *conf, struct landlock *l, struct writable **out) MUST_CHECK;

/* Another configuration: an error is added for each directory it names that is there, and
 * that was not allowed. w may be NULL: everything is. */
void writable_check(const struct writable *w, const struct conf *conf, struct conf_errors *errors);

void writable_free(struct writable **w); /* takes NULL */

#endif
