/*
 * Where the keeper may write: the directories of known_hosts files to which accept-new adds
 * host keys, and those in the state directory.  Landlock permits only those that were named at the start.
 */
#ifndef KEEPER_WRITABLE_H
#define KEEPER_WRITABLE_H

#include "base/landlock.h"
#include "conf/conf.h"

struct writable;

/* Allow the directories that the configuration names, and systemd's STATE_DIRECTORY. A
 * directory that does not exist, or that the keeper may not open, is left out.  0 with *out
 * the caller's, or an ERR_*. */
int writable_new(const struct conf *conf, struct landlock *l, struct writable **out) MUST_CHECK;

/* Add an error for each existing directory that another configuration names and that was not
 * allowed.  w may be NULL: all are. */
void writable_check(const struct writable *w, const struct conf *conf, struct conf_errors *errors);

void writable_free(struct writable **w); /* takes NULL */

#endif
