/*
 * Messages to the master.  While a flood of connections keeps it busy its socket may be full:
 * messages wait then, none is lost, and the keeper does not block.
 */
#ifndef KEEPER_MASTER_LINK_H
#define KEEPER_MASTER_LINK_H

#include "keeper/ksession.h"

void master_link_init(struct keeper *k);

/* Send a message begun with ipc_begin(), or queue it.  b is freed and pass_fd (or -1) closed.
 * 0, or an ERR_* if it will never arrive. */
int master_link_send(struct keeper *k, struct buf *b, int pass_fd) MUST_CHECK;

/* Have the master start an errand.  Its order lies in its end of *sock before the master
 * hears of it, so that names and passwords never pass through the master.  epoll gives source
 * back when the errand answers.  order is freed.  0; or an ERR_*, and *sock is unchanged. */
int master_link_errand(struct keeper *k, struct source *source, enum ipc_errand kind,
    struct buf *order, int *sock) MUST_CHECK;

/* The master takes messages again. */
void master_link_flush(struct keeper *k);

/* The master is gone: drop the queue.  Errands that were to start are reported as dead, as
 * their sockets close. */
void master_link_drop(struct keeper *k);

#endif
