/*
 * The open state directory, for the files of state/ alone.
 */
#ifndef STATE_STATE_PRIVATE_H
#define STATE_STATE_PRIVATE_H

#include "base/secret_file.h"
#include "state/state.h"

/* Serial numbers of one block, for one fsync(2). */
#define STATE_BLOCK 65536

struct state {
	unsigned int refs;
	char *path;
	/* the block of serial numbers that this process has reserved */
	uint64_t block;
	unsigned int block_used; /* STATE_BLOCK: all, or there is none yet */
};

/* --- kind_dir.c: the directory of a kind of records --- */

struct kind_dir {
	char *path;
	struct secret_dir dir;
};

/* Open it; with create, make it if it is missing.  0, or an ERR_* as of state_open() with why. */
int kind_dir_open(const struct state *st, const char *kind, int create, struct kind_dir *d,
    struct reason *why) MUST_CHECK;
void kind_dir_close(struct kind_dir *d);

/* Make a directory, which belongs to the owner of the directory in (NULL: to this user).  0 or ERR_SYS. */
int kind_dir_make(const char *path, const struct secret_dir *in) MUST_CHECK;

/* Wait for the lock, whose holder has it for one change.  0 with *fd, which the caller closes to give the lock back;
 * ERR_TIMEOUT or ERR_SYS with why. */
int kind_dir_lock(const struct kind_dir *d, int *fd, struct reason *why) MUST_CHECK;

/* Remove what a killed process left half-written. */
void kind_dir_remove_temps(const struct kind_dir *d);

#endif
