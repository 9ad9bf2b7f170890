/*
 * What the keeper has to tell the master.  The master may be busy with a flood of connections
 * while its socket is full: nothing is lost for that, and the keeper does not wait.
 */
#ifndef KEEPER_MASTER_LINK_H
#define KEEPER_MASTER_LINK_H

#include "keeper/ksession.h"

void master_link_init(struct keeper *k);

/*
 * Send a message begun with ipc_begin(), or put it in line; it is freed, and pass_fd (or -1)
 * closed.  0, or an ERR_* if it is never going to arrive.
 */
int master_link_send(struct keeper *k, struct buf *b, int pass_fd) MUST_CHECK;

/*
 * Have the master start an errand. Its order waits in its end of *sock before the master
 * hears of it: names and passwords never come near the master. epoll gives source back when
 * the errand says something. order is freed. 0, or an ERR_*, with *sock as it was.
 */
int master_link_errand(struct keeper *k, struct source *source, enum ipc_errand kind,
    struct buf *order, int *sock) MUST_CHECK;

/* The master takes messages again. */
void master_link_flush(struct keeper *k);

/* There is no master any more: whoever waits for an errand sees its socket close. */
void master_link_drop(struct keeper *k);

#endif
