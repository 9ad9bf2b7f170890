/*
 * Sections [tls NAME]: TLS connections that end here, and what is spoken inside.
 */
#ifndef CONF_TLS_H
#define CONF_TLS_H

#include "conf/conf.h"
#include "conf/keyword.h"

struct conf_tls {
	const char *name; /* of the section, in the arena */
	const char *file; /* where that is */
	unsigned int line;
	struct strlist match_host; /* patterns for match_pattern(); empty: any name, and none */
	char *certificate;	   /* path (resolved) */
	char *key;		   /* its name in the key store */
	struct strlist alpn;	   /* default: ssh */
	int min_protocol;	   /* 0: TLS 1.2, 1: TLS 1.3 */
	struct strlist client_ca;  /* paths (resolved); empty: no client certificates */
	struct strlist client_crl;
	char *client_rules;	  /* path (resolved), or NULL */
	int handshake_timeout_ms; /* default 10 s */
};

/* Fill conf->tls from the sections, with defaults.  Everything wrong is added to errors. */
void conf_tls_parse(struct conf *conf, struct conf_errors *errors);
void conf_tls_clear(struct conf *conf);
void conf_tls_dump(const struct conf *conf, FILE *to);

const struct keyword *conf_tls_keywords(size_t *n);

/* The first section for a TLS connection to this host ("": it names none), or NULL; and the section of a name. */
const struct conf_tls *conf_tls_for(const struct conf *conf, const char *host);
const struct conf_tls *conf_tls_find(const struct conf *conf, const char *name);

#endif
