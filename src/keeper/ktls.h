/*
 * A TLS connection that ends at the gateway, as the keeper sees it: its process gets the files of its [tls] section and
 * one signature, and says whose certificate the client has shown.  The session inside finds that here.
 */
#ifndef KEEPER_KTLS_H
#define KEEPER_KTLS_H

#include "keeper/keeper_private.h"
#include "wire/wire.h"

/* What the process of a TLS connection says of it.  It has been told by strangers: it may narrow what a login may do, and
 * proves nothing. */
struct tls_facts {
	unsigned int refs;
	char section[128]; /* name of the [tls] section */
	char version[16];
	char fingerprint
	    [65]; /* SHA-256 of the client's certificate in hexadecimal; "": it has shown none */
	char serial[48];
	char *cn;
	struct strlist units, names;	       /* OUs; subjectAltNames */
	struct lookup_certificate certificate; /* the same */
};

/* TLS_CONNECTION: a new one, on sock, which it owns from then on.  0 or an ERR_*. */
int ktls_new(struct keeper *k, int sock, struct wire *body) MUST_CHECK;

/* Something came from its process. */
void ktls_input(struct ktls *t);

/* Called every second: end those whose handshake takes too long. */
void ktls_sweep(struct keeper *k, int64_t now);

/* Free those that have ended, after the round of events. */
void ktls_reap(struct keeper *k);

/* The keeper ends: forget all of them; their processes go on. */
void ktls_forget(struct keeper *k);

/* What is known of the connection with this number: a reference that tls_facts_unref() drops; or NULL, if it has ended or
 * its handshake is not done. */
struct tls_facts *ktls_facts(const struct keeper *k, uint64_t number);
void tls_facts_unref(struct tls_facts **facts); /* takes NULL */

/* 1 if ClientRules of the section let this certificate reach the login (client_rules.h), or there are none; *line is that of
 * the rule, or 0. */
int tls_facts_allow(const struct tls_facts *facts, const struct tls_files_list *list,
    const char *login, const char *host, const char *address, unsigned int *line);

/* The certificate that the client has shown, or NULL; facts may be NULL. */
const struct lookup_certificate *tls_facts_certificate(const struct tls_facts *facts);

#endif
