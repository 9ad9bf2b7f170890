/*
 * What becomes of a connection, by what it begins with: SSH is for the routes, the rest for the sections
 * [forward NAME].
 */
#ifndef MASTER_CHOOSE_H
#define MASTER_CHOOSE_H

#include "base/buf.h"
#include "conf/forward.h"
#include "ipc/ipc.h"

enum choice {
	CHOICE_SSH,
	CHOICE_FORWARD,
	CHOICE_LOGINS, /* a section would take it, and its client certificate is for certain logins alone */
	CHOICE_NONE,   /* no section takes it */
	CHOICE_SILENT, /* RestrictToSSH does not wait for it any longer */
	CHOICE_CLOSED, /* the client has gone */
};

/* What is known of a connection.  Texts as in struct ipc_opening and struct connection. */
struct choose_facts {
	enum ipc_kind kind;
	const char *host, *alpn;
	struct bytes first;	    /* the longest FirstBytes that it begins with; or none */
	int inner;		    /* it is what is inside of a TLS connection */
	int login_only;		    /* for which ClientRules allow certain logins alone */
	const char *client, *local; /* numeric addresses */
	uint32_t local_port;
};

/* With CHOICE_FORWARD, *forward is the section. */
enum choice choose(const struct conf *conf, const struct choose_facts *facts,
    const struct conf_forward **forward);

/* 1 if a section takes a TLS connection by its MatchALPN: such a one is not for [tls] sections. */
int choose_by_alpn(const struct conf *conf, const struct choose_facts *facts);

#endif
