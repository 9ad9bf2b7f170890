/*
 * A gateway's directory for tests of the keeper in process: routes of each kind, a key store, and
 * the private keys of the people and machines around it.
 */
#ifndef KEEPER_WORLD_H
#define KEEPER_WORLD_H

#include "base/secret.h"
#include "formats/totp.h"
#include "wire/wire.h"

struct world_key {
	struct secret *priv;
	struct buf pub;
	char type[64];
};

/* What a login has to show before the mapped key signs for it. */
#define WORLD_KEY 1	 /* a key, or a certificate, of the person */
#define WORLD_PASSWORD 2 /* the password of PasswordHash */
/* The machine: */
#define WORLD_ANY_HOST 4 /* any host key will do */
#define WORLD_CARRIED 8	 /* judges what the person types (Passthrough) */
#define WORLD_UNSIGNED \
	16	       /* judges what AuthenticationMethods asks for: the mapped key never signs */
#define WORLD_HOLDS 32 /* there is none: the person holds tunnels */
#define WORLD_CODE 64  /* a code, as well (TOTP) */
#define WORLD_FACTOR 128 /* what a program asks, as well (Factor) */

/* A login is one letter; 0 for one that does not exist. */
int world_needs(char login);

/* "k" and so on: all of them, and one that does not exist. */
extern const char world_logins[];

struct world {
	char dir[64];
	struct world_key host, host_ec;	    /* the gateway's */
	struct world_key mapped, mapped_ec; /* the key store's */
	struct world_key person, stranger;  /* who is let in, and who is not */
	struct world_key machine, foreign;  /* the host key that is known, and another */
	struct world_key ca;
	struct world_key
	    tls; /* of the certificate of both [tls] sections: main, and people with a ClientCA */
	struct buf certificate; /* of the person, by the CA, for login c */
	struct buf forged;	/* the same, by the stranger */
	struct totp totp;	/* the secret of login b */
	int64_t step;		/* of the last code that was given */
};

#define WORLD_PASSWORD_TEXT "stored password"

/* Make it all, in a new directory below /tmp; the process ends if that fails. */
void world_make(struct world *w);
void world_remove(struct world *w);

/* What a program answers for the login x. */
void world_route_text(const struct world *w, struct buf *out);

/* What accept-new has written down: 1, or 0 if there is nothing; and forget it. */
int world_learnt(const struct world *w, struct buf *out);
void world_forget_hosts(const struct world *w);

/* A code that has not been given before, as long as there are any: a few each minute. */
void world_code(struct world *w, char code[TOTP_DIGITS_MAX + 1]);

/* Sign, with the algorithm that has the key type's name. */
void world_sign(const struct world_key *key, const void *data, size_t len, struct buf *sig);

#endif
