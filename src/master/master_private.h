/*
 * What the files of the master share.
 */
#ifndef MASTER_MASTER_PRIVATE_H
#define MASTER_MASTER_PRIVATE_H

#include <signal.h>

#include "ipc/ipc.h"
#include "master/arrivals.h"
#include "master/connect.h"
#include "master/control.h"
#include "master/detect.h"
#include "master/drops.h"
#include "master/forwards.h"
#include "master/granted.h"
#include "master/listener.h"
#include "master/master.h"
#include "master/notify.h"
#include "master/proxied.h"
#include "master/startups.h"
#include "master/tls.h"

struct master {
	const struct conf *conf;
	struct conf *reloaded; /* the same as conf after a reload, to be freed; NULL before */
	const struct master_roles *roles;
	struct inherited inherited;
	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct startups *startups;
	struct drops drops;
	struct notify notify;
	int keeper;	       /* socket */
	int keeper_room;       /* its socket was writable, and nothing has been sent since */
	pid_t keeper_pid;      /* -1 once it has ended */
	int keeper_status;     /* its wait(2) status then */
	int starter;	       /* socket of the starter of lookup programs, or -1 */
	char *factor_programs; /* the argument of errand_factor() */
	int signals;
	int64_t accept_at;	   /* accepting pauses until then */
	struct arrivals *arrivals; /* NULL: nothing has ever been looked at before it is served */
	struct detect detect;
	struct connects *connects; /* NULL: no password of ConnectPasswords has been looked at */
	struct forwards *forwards; /* NULL: there has never been a [forward] section */
	struct granted *granted;
	struct tls_list tls; /* whose handshake is not done */
	struct control *control;
	enum {
		RELOAD_NONE,
		RELOAD_ASKED, /* the keeper is loading */
		RELOAD_AGAIN /* the keeper is loading, and another reload was asked for meanwhile */
	} reload;
	int64_t reload_since;
	enum {
		ASKER_NONE,
		ASKER_THIS, /* waits for the reload under way */
		ASKER_NEXT  /* asked after that reload began, so waits for the next */
	} askers[CONTROL_CLIENTS_MAX];
	int as_json[CONTROL_CLIENTS_MAX]; /* the asker wants JSON */
	int serving;			  /* the keeper was ready */
	int done;
	int status;
	sigset_t old_mask;
	uint8_t message[IPC_MAX];
};

/* Take the signals that have come: reload, end, reap. */
void master_signal_input(struct master *m);

/* Give up new privileges and all access to other processes and to the kernel's insides.  0 or an ERR_*. */
int master_confine(void) MUST_CHECK;

/* In a forked child that goes on without executing anything: close all descriptors but the n it needs, and
 * unblock signals. */
void master_child_begin(struct master *m, const int *keep, size_t n);

/* Accept connections that wait at a listener, at most so many. */
void master_accept(struct master *m, const struct listener *l, int most);

/* 1 if the keeper can be told of one more connection.  Else accepting pauses. */
int master_has_room(struct master *m);

/* A connection whose client is known: have its first bytes looked at, or admit it at once.  It is the
 * callee's from now on. */
void master_arrived(struct master *m, struct connection *c);

/* Serve or refuse a connection of SSH, and close it here. */
void master_admit(struct master *m, struct connection *c);

/* How a process has ended, for the log, from its status of wait(2). */
void master_how_ended(int status, char out[64]);

/* Make the keeper load the configuration, now or after the reload that is under way. */
void reload_begin(struct master *m);
/* Handle RELOADED, the keeper's answer. */
void reload_answer(struct master *m, struct wire *body);
/* The order "reload" or "reload json" (control.c). */
int reload_order(struct master *m, int client, const char *words);

#endif
