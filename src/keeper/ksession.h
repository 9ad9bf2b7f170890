/*
 * What the keeper knows of one session, and how far its login has come.  Each part is written by
 * the files whose header defines it, and read by all.
 */
#ifndef KEEPER_KSESSION_H
#define KEEPER_KSESSION_H

#include "formats/destination.h"
#include "keeper/downstream.h"
#include "keeper/factor_time.h"
#include "keeper/hop.h"
#include "keeper/jump.h"
#include "keeper/keeper_private.h"
#include "keeper/ksession_log.h"
#include "keeper/tunnel.h"
#include "keeper/upstream.h"

struct ksession {
	TAILQ_ENTRY(ksession) entry;
	struct keeper *keeper;
	struct snapshot *snapshot; /* of its login; after that the one in force */
	struct identity *identity; /* its host key has signed, and signs each rekey */
	struct source from_session;
	uint64_t id;
	int sock;
	char client[64]; /* numeric address */
	uint32_t client_port;
	char local[64];
	uint32_t local_port;
	char host[DESTINATION_HOST_SIZE]; /* that the connection names outside of SSH, or "" */
	struct tls_facts *tls;		  /* of the TLS connection that it is inside of, or NULL */
	int64_t started;		  /* of clock_ms() */

	/* written by ksession.c alone */
	enum ipc_phase phase;
	int64_t deadline; /* of clock_ms(): the phase must be over by then */
	int logged_in;
	int refused;
	int excused; /* refused for a reason that is not the client's doing */

	struct job jobs[JOB_KINDS]; /* by kind; jobs.c */
	struct route *route; /* where the login leads, by downstream.c; NULL: unknown login */
	struct host_key_signing sign;
	struct login_downstream down;
	struct login_upstream up;
	struct factor_time factor_time;
	struct jump_dial jump;
	struct tunnel_holder tunnels;
	struct ksession_log log;
	struct hop_link link; /* its hop, and what it is a hop of; by hop.c */
};

/* A new session on sock, which the session owns from then on.  0 or an ERR_*. */
int ksession_new(struct keeper *k, int sock, struct wire *body) MUST_CHECK;

/* Something came from the session. */
void ksession_input(struct ksession *s);

/* Its login is over: go on with the snapshot in force. */
void ksession_follow(struct ksession *s);

/* Go on to another phase, and set its deadline.  0; or ERR_BADSTATE if it cannot follow the
 * present one: the session has been ended. */
int ksession_set_phase(struct ksession *s, enum ipc_phase phase) MUST_CHECK;

/* The deadline of the present phase again: FactorTimeout counts from now on. */
void ksession_set_deadline(struct ksession *s);

/* Send the master a message; a master that is gone needs none. */
void ksession_tell_master(const struct ksession *s, struct buf *b);

/* The client and the upstream have let each other in: phase RELAY, and LOGGED_IN to the
 * master.  0, or ERR_BADSTATE as ksession_set_phase(). */
int ksession_login_done(struct ksession *s) MUST_CHECK;

/* Called every second: answer what has waited its time, and end a session that is overdue. */
void ksession_sweep(struct ksession *s, int64_t now);

/* End the session: its process sees its socket close.  It is freed after the round of events. */
void ksession_end(struct ksession *s);
void ksession_free(struct ksession *s);

/* Send a message; a session that does not take it is ended.  0 or an ERR_*. */
int ksession_send(struct ksession *s, struct buf *b, int pass_fd);

/*
 * Refuse the client: text, one line of what happened and what to do, goes to the user (with the
 * number of the session added), why to the log.
 */
void ksession_refuse(struct ksession *s, const char *text, const char *why, ...)
    __attribute__((format(printf, 3, 4)));

/* Send the payloads that auth_server or auth_client appended to out, and empty it. */
void ksession_send_payloads(struct ksession *s, enum ipc_type type, struct buf *out);

#endif
