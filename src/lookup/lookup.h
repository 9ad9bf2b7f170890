/*
 * From a login to its route: the chain of lookup backends.
 */
#ifndef LOOKUP_LOOKUP_H
#define LOOKUP_LOOKUP_H

#include <stdio.h>

#include "lookup/route.h"

struct lookup;

/* What a backend may look at.  Strings are never NULL; empty if not known yet. */
struct lookup_request {
	const char *login; /* checked by login_name_ok() */
	const char *client_address;
	const char *local_address;
	const char *fingerprint; /* of the key offered, "SHA256:...", or "" */

	/* more for executables; these may be NULL */
	const char *public_key; /* of the key offered: "TYPE BASE64" */
	const char *method;	/* of the authentication request */
	const char *session;
	unsigned int client_port;

	/* Set to LOOKUP_BY_KEY if another key could get another answer; NULL: nobody asks. */
	int *by_key;
};

enum {
	LOOKUP_BY_KEY = 1,
	LOOKUP_WANTS_KEY, /* there is a route for this login that waits for its key */
};

/* A program that a backend wants run; no shell is involved. */
struct lookup_command {
	struct strlist argv; /* argv[0] is its path */
	struct strlist env;  /* "NAME=value" */
	int timeout_ms;
	struct strlist
	    closed; /* files and directories out of its reach: keys and what unlocks them */
	struct strlist fixed; /* that it may read and not change: the configuration */
};

/* The most a program may say on standard output. */
#define LOOKUP_REPLY_MAX 65536

/* How it ended. */
struct lookup_reply {
	const char *failure; /* "", or why it did not end by itself */
	int status;	     /* its exit status */
	const void *out;     /* its standard output */
	size_t len;
	const char *said; /* the beginning of what it said on standard error */
};

/* A lookup that waits for a program. */
struct lookup_pending {
	size_t link; /* which backend has asked */
	struct lookup_command command;
};

enum lookup_result {
	LOOKUP_FOUND,
	LOOKUP_NOT_FOUND, /* no backend has it */
	LOOKUP_FAILED,	  /* temporary failure: closed; the reason has been logged */
	LOOKUP_ASK,	  /* run pending->command, then go on with lookup_answer() */
};

/* Build the chain: every route is checked, errors are all added.  0 or
 * ERR_CONFIG/ERR_NOMEM.  The conf must outlive the lookup. */
int lookup_new(const struct conf *conf, struct conf_errors *errors, struct lookup **out) MUST_CHECK;
void lookup_free(struct lookup **l);

/*
 * LOOKUP_FOUND sets *out to a reference of the caller's, with %1, %2 and %u
 * already replaced.  LOOKUP_ASK fills *pending (free it with
 * lookup_pending_free()).
 */
enum lookup_result lookup_begin(struct lookup *l, const struct lookup_request *request,
    struct lookup_pending *pending, struct route **out);

/* Go on after LOOKUP_ASK, with the same request.  *pending is freed, and filled
 * again if the answer is LOOKUP_ASK once more. */
enum lookup_result lookup_answer(struct lookup *l, const struct lookup_request *request,
    struct lookup_pending *pending, const struct lookup_reply *reply, struct route **out);

void lookup_pending_free(struct lookup_pending *pending);

/* lookup_begin() for who can't run anything: what asks for it fails. */
enum lookup_result lookup_find(struct lookup *l, const struct lookup_request *request,
    struct route **out);

/* Print the [lookup NAME] sections of that conf in a form that reads back in: with defaults
 * and resolved, or as written if nobody asks this backend. */
void lookup_dump(const struct lookup *l, const struct conf *conf, FILE *to);

/* The i-th backend there is: its name and its keys (NULL if it has none).  0 if there is none. */
struct keyword;
int lookup_keywords(size_t i, const char **name, const struct keyword **table, size_t *n);

/* Look at what the backends need: directories, programs.  Errors are added. */
void lookup_check(struct lookup *l, const struct conf *conf, struct conf_errors *errors);

/* Can we run their programs?  For who has become the user that does. */
void lookup_check_run(struct lookup *l, const struct conf *conf, struct conf_errors *errors);

#endif
