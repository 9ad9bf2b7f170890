/*
 * A session: what the keeper knows of one session, and how far it trusts it.
 */
#ifndef KEEPER_KSESSION_H
#define KEEPER_KSESSION_H

#include <sys/queue.h>

#include "auth/auth_client.h"
#include "auth/auth_methods.h"
#include "auth/auth_server.h"
#include "auth/auth_stored.h"
#include "formats/authorized_keys.h"
#include "base/bucket.h"
#include "ipc/ipc.h"
#include "wire/ssh.h"
#include "keeper/dead_hosts.h"
#include "keeper/snapshot.h"
#include "keeper/jobs.h"
#include "keeper/decoy.h"
#include "keeper/ksession_log.h"

struct ksession;
struct agent_login;
TAILQ_HEAD(ksession_list, ksession);
STAILQ_HEAD(queued_list, queued);

struct keeper {
	int master; /* -1 once it is gone */
	struct source from_master;
	int epoll;
	struct snapshot *now;  /* in force: what a new login begins with */
	struct snapshot *next; /* loaded, until the master says whether it is to be */
	struct dead_hosts dead;
	struct ksession_list sessions;
	struct jobs jobs;
	struct queued_list outbox;  /* for the master (master_link.h) */
	struct ksession_list ended; /* freed after each round of events */
	struct decoy unknown;	    /* what logins look like that do not exist */
	int64_t next_sweep;	    /* when sessions that overstay are looked for next */
	struct writable *writable;  /* directories, by Landlock; NULL: there is none */
	uint8_t message[IPC_MAX];
};

/* The parts of keeper_run(): a keeper without a configuration yet; the loop's descriptors, and
 * READY for the master (0 or an ERR_*); and one round of the loop, which returns how many events
 * it had. */
void keeper_init(struct keeper *k, int master);
int keeper_ready(struct keeper *k) MUST_CHECK;
int keeper_step(struct keeper *k, int timeout_ms);

struct ksession {
	TAILQ_ENTRY(ksession) entry;
	struct keeper *keeper;
	struct snapshot *snapshot; /* of its login; after that the one in force */
	struct identity *identity; /* whose host key has signed, and signs each rekey */
	struct source from_session;
	struct job jobs[JOB_KINDS]; /* by kind */
	uint64_t id;
	int sock;
	enum ipc_phase phase; /* ksession_set_phase() sets it, and the deadline */
	char client[64];      /* numeric address */
	uint32_t client_port;
	char local[64];
	uint32_t local_port;
	int64_t started, deadline; /* of clock_ms(); the phase must have changed by the deadline */
	struct ksession_log log;

	/* its host key */
	struct bucket signatures; /* it may have */
	struct {
		int waits;
		char alg[64];
		uint8_t hash[64];
		size_t hash_len;
	} sign_later; /* the one that has to wait until there may be another */

	/* downstream login */
	struct auth_server *server;
	struct route *route;		   /* NULL: unknown login */
	int invalid;			   /* looked up, and there is none */
	int by_key;			   /* another key may lead elsewhere: LOOKUP_... */
	struct lookup_pending pending;	   /* the lookup that waits for a program */
	int64_t lookup_at;		   /* in us: when the first program was asked for */
	struct authorized_options shown;   /* of the line for the key that was shown last */
	struct authorized_options options; /* the same, of the key that has been proven */
	struct auth_methods methods;	   /* what has been passed */
	struct auth_methods judged;	   /* of that, what was judged here, not by the machine */
	int key_proven;
	int imitated;	      /* an unknown login has been "carried" once */
	uint32_t at_least_us; /* which the next refusal takes */
	char said[256]; /* the last reason a key was not taken, its beginning, to be logged once */

	/* upstream login */
	struct buf shown_key; /* the body of HOST_KEY, until it is decided upon */
	int looked;	      /* it has waited for one */
	struct auth_client *upstream;
	struct auth_stored stored; /* with Password */
	int password_missing;	   /* the stored password is not to be had */
	int banner_cut;		   /* the log has been told that it was */
	int host_changed;	   /* its key is another one, and StrictHostKeyChecking is no */
	int host_known;		   /* its key is the one of the machine meant */
	int takes_bound;	   /* the session says: it takes publickey-hostbound */
	struct buf host_key; /* the key, or certificate, that it has shown and that is taken */
	struct agent_login *agent; /* the person's own agent logs in (agent_login.h), or NULL */
	enum {
		UPSTREAM_NOTHING,
		UPSTREAM_PROBE,
		UPSTREAM_KEY,
		UPSTREAM_CARRIED
	} asked;	    /* what was last sent for Passthrough */
	int upstream_known; /* what it offers */
	int upstream_key;   /* the mapped key has been tried */
	int upstream_in;    /* it has said SUCCESS */
	char host[256];	    /* of route->hosts, the one that answered */
	char user[256];
	uint8_t upstream_id[64]; /* session identifier: the hash its host key signed */
	size_t upstream_id_len;
	int64_t asked_at; /* in us: the upstream, or that it be dialled */
	int logged_in;
	int refused;
	int excused;	       /* refused for what is not its doing */
	unsigned int failures; /* tries that were wrong, and keys that were offered in vain */
};

/* A new session on sock, which the session owns from then on.  0 or an ERR_*. */
int ksession_new(struct keeper *k, int sock, struct wire *body) MUST_CHECK;

/* Something came from the session. */
void ksession_input(struct ksession *s);

/* Its login is over: no need to keep an old snapshot for it. */
void ksession_follow(struct ksession *s);

/* Go on to another phase, and set its deadline.  0; or ERR_BADSTATE if it cannot follow the present
 * one: the session has been ended. */
int ksession_set_phase(struct ksession *s, enum ipc_phase phase) MUST_CHECK;

/* The client and the upstream have let each other in: phase RELAY, and LOGGED_IN to the master.  0, or
 * ERR_BADSTATE as ksession_set_phase(). */
int ksession_login_done(struct ksession *s) MUST_CHECK;

/* Called every second: answer what has waited its time, and end a session that is overdue. */
void ksession_sweep(struct ksession *s, int64_t now);

/* Forget it; its memory goes with the next keeper_reap(). */
void ksession_end(struct ksession *s);
void ksession_free(struct ksession *s);

/* Send a message; a session that does not take it is ended.  0 or an ERR_*. */
int ksession_send(struct ksession *s, struct buf *b, int pass_fd);

/*
 * Turn the client away: text, one line of what happened and what to do, goes to the
 * person (with the session id added), why to the log.
 */
void ksession_refuse(struct ksession *s, const char *text, const char *why, ...)
    __attribute__((format(printf, 3, 4)));

/* What is sent next is a refusal or may give one away: it waits its time (decoy_pace()). */
void ksession_pace(struct ksession *s);

/* Send what an auth machine appended to out, and free it. */
void ksession_send_payloads(struct ksession *s, enum ipc_type type, struct buf *out);

#endif
