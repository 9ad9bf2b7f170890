/*
 * What the driver of the keeper and its steps share.
 */
#ifndef KEEPER_DRIVER_PRIVATE_H
#define KEEPER_DRIVER_PRIVATE_H

#include "keeper/ksession.h"
#include "wire/ssh.h"
#include "keeper_driver.h"
#include "keeper_world.h"

#define SLOTS 3
#define CHECKS 4
#define LOOKS 8
#define HASH_SIZE 32

/* A session, as its process sees itself, and what it has earned. */
struct slot {
	uint64_t id;
	int hop;		 /* it is the carrier of a hop of the session with this number */
	int carries;		 /* what it carries has been accepted */
	int sock;		 /* -1: none */
	int errand;		 /* the other end of one that dials or runs a program */
	uint8_t hash[HASH_SIZE]; /* its session identifier, once the keeper has signed */
	uint8_t asked_hash[HASH_SIZE];	 /* the hash last sent to be signed */
	uint8_t machine_hash[HASH_SIZE]; /* that of the upstream's key exchange */
	int has_hash, signed_by_ec;
	enum {
		HOST_NONE,
		HOST_FOREIGN,
		HOST_KNOWN
	} shown, host;			/* the key last sent, and the one said to be good */
	unsigned int proofs, passwords; /* by the place of the login in world_logins */
	int code;			/* a right one has been sent */
	int factor,
	    factor_passed;  /* the errand asks for a factor; one has said that it is proven */
	int success;	    /* the upstream has said so */
	int bad;	    /* has sent what does not fit */
	struct buf request; /* the last that the upstream was sent */
	struct buf agent_request;

	/* The process of a TLS connection, beside it (keeper_tls.c). */
	int tls; /* -1: none */
	uint64_t tls_id;
	int tls_wants_certificate; /* of its client: the section people */
	int tls_asked, tls_good,
	    tls_signed;		     /* for a signature; for one that it may have; and got it */
	int tls_done, tls_certified; /* it has reported a handshake, with a certificate */
	struct buf tls_text;	     /* what is to be signed */
};

struct driver {
	struct world world;
	struct keeper keeper;
	int master; /* our end */
	struct slot slots[SLOTS];
	struct {
		int sock;      /* -1: none; our end of an errand that checks a password */
		char login;    /* that of the session which asks, as the keeper has it */
		char text[64]; /* the password */
	} checks[CHECKS];
	int looks[LOOKS]; /* -1: none; errands that look at a machine's host key */
	int looked_foreign, looked_machine; /* one has found this key */
	int ca; /* -1: none; the last errand that has an agent sign a certificate */
	struct buf ca_signed, ca_by_stranger; /* and its signature, by the CA and by another key */
	uint64_t last_id, hashes;
	uint64_t bind;		  /* the tunnel that the keeper has wanted a port for last */
	uint8_t nonce[HASH_SIZE]; /* of this process: no signature in a script is good */
	unsigned int reached;	  /* phases */
};

/* The place of a login in world_logins, as a bit; 0 if it is not there. */
unsigned int login_bit(char login);

/* The session hangs up. */
void slot_close(struct slot *s);

/* Play the next step of a script, without what follows from it. */
void step_play(struct driver *d, struct wire *script);
/* The first of those who wait to have a password checked is told yes (if it is right), or no. */
void step_answer_check(struct driver *d, int yes);
/* As the master: n: what was loaded is to be forgotten. */
void step_master(struct driver *d, uint8_t arg);

/* A hash that nobody has signed yet. */
void step_hash(struct driver *d, uint8_t out[HASH_SIZE]);
/* Send a message, unless sock is -1; frees b. */
void step_send(int sock, struct buf *b, int fd);
/* A payload of the machine behind. */
void step_upstream_auth(struct slot *s, const struct buf *payload);

/* --- keeper_tls.c --- */

void tls_step_open(struct driver *d, struct slot *s, uint8_t arg);
void tls_step_sign(struct driver *d, struct slot *s, uint8_t arg);
void tls_step_done(struct driver *d, struct slot *s, uint8_t arg);
void tls_step_failed(struct driver *d, struct slot *s, uint8_t arg);
void tls_step_close(struct driver *d, struct slot *s, uint8_t arg);
/* What the keeper has sent it, and what it tells the master of it. */
void tls_drain(const struct driver *d, struct slot *s);
void tls_opened(struct driver *d, uint64_t id);
/* Whether a session inside of this connection may be served. */
int tls_may_be_inside(const struct slot *s);

void step_looked(struct driver *d, struct slot *s, uint8_t arg);
void step_host_key(struct driver *d, struct slot *s, uint8_t arg);
void step_foreign_key(struct driver *d, struct slot *s, uint8_t arg);
void step_ca(struct driver *d, struct slot *s, uint8_t arg);
void step_ready(struct driver *d, struct slot *s, uint8_t arg);
void step_upstream(struct driver *d, struct slot *s, uint8_t arg);
void step_agent(struct driver *d, struct slot *s, uint8_t arg);
void step_agent_failed(struct driver *d, struct slot *s, uint8_t arg);
void step_carried(struct driver *d, struct slot *s, uint8_t arg);
void step_not_carried(struct driver *d, struct slot *s, uint8_t arg);
void step_upstream_failed(struct driver *d, struct slot *s, uint8_t arg);

#endif
