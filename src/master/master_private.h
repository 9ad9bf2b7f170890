/*
 * Inside of the master: master.c is its loop, reload.c how it changes its configuration.
 */
#ifndef MASTER_MASTER_PRIVATE_H
#define MASTER_MASTER_PRIVATE_H

#include <signal.h>

#include "ipc/ipc.h"
#include "master/control.h"
#include "master/drops.h"
#include "master/listener.h"
#include "master/master.h"
#include "master/startups.h"

struct master {
	const struct conf *conf;
	struct conf *reloaded; /* conf, once there was a reload: ours to free */
	const struct master_roles *roles;
	struct inherited inherited;
	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct startups *startups;
	struct drops drops;
	int keeper;	   /* socket */
	int keeper_room;   /* it takes more: nothing has been sent since that was seen */
	pid_t keeper_pid;  /* -1 once it has ended */
	int keeper_status; /* of wait(2), then */
	int starter;	   /* socket of the starter of lookup programs, or -1 */
	int signals;
	int64_t accept_at; /* nothing is accepted before */
	struct control *control;
	enum {
		RELOAD_NONE,
		RELOAD_ASKED, /* the keeper loads */
		RELOAD_AGAIN  /* and was asked to once more meanwhile */
	} reload;
	int64_t reload_since;
	enum {
		ASKER_NONE,
		ASKER_THIS, /* waits for the reload under way */
		ASKER_NEXT  /* came after it began: the one after that is for him */
	} askers[CONTROL_CLIENTS_MAX];
	int as_json[CONTROL_CLIENTS_MAX]; /* his answer */
	int serving;			  /* the keeper was ready */
	int done;
	int status;
	sigset_t old_mask;
	uint8_t message[IPC_MAX];
};

/* Read u32 n, n x string, the host keys the keeper has loaded, and try them.  0; or an ERR_* with the
 * reason in why, which is static. */
int master_try_host_keys(const struct master *m, struct wire *body, const char **why) MUST_CHECK;

/* No new privileges from now on, and no way into other processes or the kernel.  0 or an ERR_*. */
int master_confine(void) MUST_CHECK;

/* Take connections that wait at a listener, at most so many. */
void master_accept(struct master *m, const struct listener *l, int most);

/* Have the keeper load everything, now or after the reload that is under way. */
void reload_begin(struct master *m);
/* RELOADED: it has, or says why not. */
void reload_answer(struct master *m, struct wire *body);
/* An order from the control socket; ctx is the master. */
void reload_control(void *ctx, int client, const char *request);

#endif
