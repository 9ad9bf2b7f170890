/*
 * What the service manager is told of the gateway's state, over NOTIFY_SOCKET (sd_notify(3)), and the
 * pings for its watchdog (WATCHDOG_USEC).  Without NOTIFY_SOCKET nothing is sent and nothing is due.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

#include <stdint.h>

struct master;

struct notify {
	int sock;	     /* connected to NOTIFY_SOCKET, or -1 */
	int64_t interval_ms; /* between two PINGs to the keeper; 0: there is no watchdog */
	int64_t next_ping;   /* when the next is due */
	int64_t pinged; /* when the one was sent that the keeper has not answered yet; 0: none */
	int late;	/* the log says that it has not been answered */
	unsigned int errors; /* of the last reload */
};

/* Connect to the socket of the environment, and remove its variables, so that no child has them.  Once,
 * before the first child.  What goes wrong is logged, and the gateway serves without. */
void notify_begin(struct notify *n);

/* READY=1: the gateway listens and its keeper is ready, or a reload is over, with so many errors. */
void notify_serving(struct master *m, unsigned int errors);
/* RELOADING=1.  notify_serving() follows in any case. */
void notify_reloading(struct master *m);
/* STOPPING=1: the master ends in order. */
void notify_stopping(struct master *m);

/*
 * The watchdog: when a ping is due, the keeper is asked (PING), and only its answer (PONG) makes the
 * master send WATCHDOG=1.  So a service manager restarts the gateway if either of them hangs.
 * notify_timers() returns when it has to be called again, or CLOCK_NEVER.
 */
int64_t notify_timers(struct master *m, int64_t now);
void notify_pong(struct master *m);

#endif
