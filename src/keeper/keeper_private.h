/*
 * What the files of the keeper share: all that the process holds.
 */
#ifndef KEEPER_KEEPER_PRIVATE_H
#define KEEPER_KEEPER_PRIVATE_H

#include <sys/queue.h>

#include "ipc/ipc.h"
#include "keeper/dead_hosts.h"
#include "keeper/decoy.h"
#include "keeper/factor_time.h"
#include "keeper/jobs.h"
#include "keeper/resolved.h"
#include "keeper/snapshot.h"
#include "keeper/source.h"
#include "keeper/tunnel.h"

struct ksession;
struct ktls;
TAILQ_HEAD(ksession_list, ksession);
TAILQ_HEAD(ktls_list, ktls);
STAILQ_HEAD(queued_list, queued);

struct keeper {
	int master; /* -1 once it is gone */
	int leaving; /* it is gone, or it has left a process for logins that wait for a second factor */
	struct source from_master;
	int epoll;
	struct snapshot *now;  /* in force: new logins use it */
	struct snapshot *next; /* loaded by RELOAD, until COMMIT */
	struct dead_hosts dead;
	struct resolved resolved;
	struct ksession_list sessions;
	struct ktls_list tls;
	struct jobs jobs;
	struct tunnels tunnels;
	struct factor_times factor_times;
	struct queued_list master_queue; /* for the master (master_link.h) */
	struct ksession_list ended;	 /* freed after each round of events */
	struct ktls_list tls_ended;	 /* the same */
	struct decoy decoy;		 /* what unknown logins look like */
	int64_t next_sweep;		 /* when what is overdue is looked for next */
	struct writable
	    *writable; /* where the keeper may write, by Landlock; NULL: there is no Landlock */
	uint8_t message[IPC_MAX];
};

/* The parts of keeper_run(), for tests, too: make a keeper without a configuration; open what
 * the loop waits on, and send READY to the master (0 or an ERR_*); and one round of the loop,
 * which returns the number of its events. */
void keeper_init(struct keeper *k, int master);
int keeper_ready(struct keeper *k) MUST_CHECK;
int keeper_step(struct keeper *k, int timeout_ms);

/* Append struct ipc_host_keys: what clients are offered; nothing if id is NULL. */
void keeper_put_host_keys(struct buf *b, const struct identity *id);

#endif
