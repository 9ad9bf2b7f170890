/*
 * The open state directory, for the files of state/ alone.
 */
#ifndef STATE_STATE_PRIVATE_H
#define STATE_STATE_PRIVATE_H

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

#endif
