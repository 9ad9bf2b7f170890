/*
 * A snapshot: all that was read from the configuration at one time.  A reload makes
 * a whole new one beside the one in force; a login that has begun keeps the snapshot it
 * began with.
 */
#ifndef KEEPER_SNAPSHOT_H
#define KEEPER_SNAPSHOT_H

#include "access/identity.h"
#include "access/tls_files.h"
#include "conf/conf.h"
#include "lookup/lookup.h"
#include "state/state.h"

struct snapshot {
	unsigned int refs;
	struct conf *conf;
	struct lookup *lookup;
	char *banner; /* text, or NULL */
	struct identity *identity;
	struct tls_files_list tls;
	struct state *state; /* NULL: there is no state directory, and nothing needs one */
};

/*
 * Load everything below dir (NULL: the default place).  old is the snapshot in force, or NULL:
 * a key store that can be unlocked but once is taken over from it (access/identity.h), and so is the
 * state directory, of which only a restart makes another.  0 with
 * one reference in *out, or ERR_CONFIG with every error added.
 */
int snapshot_load(const char *dir, const struct snapshot *old, struct snapshot **out,
    struct conf_errors *errors) MUST_CHECK;

/* To be called before root is given up: if the key store is unlocked by a systemd credential,
 * which only root can read, *out is a snapshot with the key store alone, for snapshot_load()
 * as old; else NULL. 0, or ERR_CONFIG with every error added. */
int snapshot_unlock(const char *dir, struct snapshot **out, struct conf_errors *errors) MUST_CHECK;

struct snapshot *snapshot_ref(struct snapshot *g);
void snapshot_unref(struct snapshot **g); /* takes NULL */

#endif
