/*
 * The master's side of [forward NAME]: it has the target dialled by an errand, and hands both to the process
 * forwarder, which carries the bytes.  Limits and counts are here.
 */
#ifndef MASTER_FORWARDS_H
#define MASTER_FORWARDS_H

#include <poll.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/forward.h"
#include "ipc/messages.h"
#include "master/listener.h"

struct master;
struct forwards;

/* Start the forwarder if there are sections, and tell it how to log.  At the start, and after each reload. */
void forwards_configure(struct master *m);
void forwards_free(struct forwards **t);

/* May the client have the section's targets?  NULL, or why not. */
const char *forwards_denied(const struct conf_forward *f, const struct ipc_opening *o);

/* End all forwarded connections, each with its line in the log: for the first process of a container. */
void forwards_end(struct master *m);

/* 1 if there is a forwarder. */
int forwards_running(const struct master *m);

/* Forward a connection, whose texts are set, or refuse it.  It is the callee's from now on. */
void forwards_take(struct master *m, const struct conf_forward *f, struct connection *c,
    const struct ipc_opening *o);

/* Fill in one descriptor to poll, and take what came there. */
void forwards_poll(const struct master *m, struct pollfd *fd);
void forwards_input(struct master *m, short events);

/* Refuse what has waited for too long, and start the forwarder again if it has died.  Returns when to call
 * it next, or CLOCK_NEVER. */
int64_t forwards_timers(struct master *m, int64_t now);

/* A process has ended.  1 if it was the forwarder, or one of its errands. */
int forwards_reap(struct master *m, pid_t pid, int status);

#endif
