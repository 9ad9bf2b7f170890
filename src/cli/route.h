/*
 * Inside of `sallyport route`: route.c is the command and looks the login up, route_show.c
 * prints what the route says, route_certificate.c is --client-certificate, route_dial.c is --dial, route_list.c lists
 * all routes.
 */
#ifndef CLI_ROUTE_H
#define CLI_ROUTE_H

#include "base/buf.h"
#include "cli/find_route.h"
#include "formats/destination.h"
#include "lookup/lookup.h"
#include "tls/certificate.h"

/* Of --client-certificate.  It points into itself. */
struct route_certificate {
	struct certificate_texts texts;
	struct ipc_tls_done facts;
	char fingerprint[65];
	struct lookup_certificate certificate;
};

struct route_args {
	const char *dir;
	const char *login;
	const char *key;
	const char *client_certificate;
	const char *from;
	const char *host;		       /* as typed */
	char host_name[DESTINATION_HOST_SIZE]; /* the same in lower case, or "" */
	const char *to;			       /* as typed */
	char to_address[64];		       /* the address in it */
	uint16_t to_port;		       /* 0: none was given */
	int dial;

	struct buf blob; /* of --key */
	struct route_certificate certificate;
};

/* Print a line for each route of conf.d and of directories: its name, the upstream, the user there (%u: the
 * login).  CLI_OK, or CLI_FAILED with the reason printed. */
int route_list(struct find_route *f);

/* Print everything about the route that was found.  CLI_OK if all of it works. */
int route_show(const struct route_args *a, const struct find_route *f);

/*
 * Connect to the first host of the route that answers, and print which version of SSH it
 * speaks, whether its host key is accepted, and whether it would take the mapped key.  Nothing is
 * written down, and nobody is logged in.  CLI_OK if nothing was found that keeps users out.
 */
int route_dial(const struct route_args *a, const struct find_route *f);

/* --- route_certificate.c: a certificate that a TLS client might show --- */

/* Take the first certificate of a PEM file; then route_certificate_free().  0, or an ERR_* with why. */
int route_certificate_read(const struct buf *pem, struct route_certificate *c,
    struct reason *why) MUST_CHECK;
void route_certificate_free(struct route_certificate *c);

/* Print what it says, and the line of ClientRules that allows or denies the login.  CLI_OK if it counts and may reach the login;
 * CLI_FAILED; or CLI_CONFIG if ClientRules cannot be read.  It is not verified with ClientCA. */
int route_certificate_show(const struct route_args *a, const struct conf *conf);

/* --- route_issue.c: the certificates of Key = ca: --- */

/* Print the authority, and what a certificate by it would say.  CLI_OK or CLI_FAILED. */
int route_issue_show(const struct find_route *f);

/* Make a certificate for a login to this host of the route, and append it and the public key that it
 * is for; nobody has the private one.  0, or an ERR_* with why. */
int route_issue_make(const struct find_route *f, const char *host, struct buf *public,
    struct buf *certificate, struct reason *why) MUST_CHECK;

/* --- route_query.c: the mapped key, for route_dial() --- */

struct keyscan;

/* What the upstream is to be asked, if anything. */
struct route_query {
	struct buf public, certificate;
	char user[256], name[300];    /* of the key: in the key store, or its file */
	struct reason no_certificate; /* of Key = ca:, or "" */
};

/* Set q, and t->user and what goes with it; without a key that can be asked about t stays as it is. */
void route_query_begin(struct route_query *q, const struct route_args *a,
    const struct find_route *f, struct keyscan *t);
void route_query_end(struct route_query *q);

/* The line about what has come of it, if any; at is the host.  CLI_OK or CLI_FAILED. */
int route_query_line(const struct route_query *q, const struct route_args *a,
    const struct keyscan *t, struct buf *line);

#endif
