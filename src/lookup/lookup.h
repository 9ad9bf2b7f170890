/*
 * From a login to its route: the chain of lookup backends.
 */
#ifndef LOOKUP_LOOKUP_H
#define LOOKUP_LOOKUP_H

#include <stdio.h>

#include "base/reason.h"
#include "lookup/route.h"
#include "wire/wire.h"

struct lookup;

/* The certificate of a TLS client: the connection is inside of TLS. */
struct lookup_certificate {
	const char *fingerprint;     /* SHA-256, 64 hexadecimal digits */
	const char *cn;		     /* of the subject */
	const struct strlist *units; /* OUs of it */
	const struct strlist
	    *names; /* subjectAltNames: "DNS:...", "email:...", "URI:...", "IP:..." */
};

/* What a backend is told.  Strings are never NULL unless noted; empty if not known yet. */
struct lookup_request {
	const char *login; /* checked by login_name_ok() */
	const char *client_address;
	const char *local_address;
	unsigned int local_port; /* 0: not known */
	const char *fingerprint; /* of the key offered, "SHA256:...", or "" */

	const char
	    *host; /* that the connection names outside of SSH, in lower case; "" or NULL: none */

	const struct lookup_certificate *certificate; /* NULL: there is none */

	/* for programs; these may be NULL */
	const char *public_key; /* of the key offered: "TYPE BASE64" */
	const char *method;	/* of the authentication request */
	const char *session;
	unsigned int client_port;

	/* for routes that are selected by the lists of keys that they have (Recursive): the blob of the key
	 * offered, or empty; and user_key_listed(), or NULL */
	struct bytes key;
	int (*listed)(const struct lookup_request *request, const struct route *route);

	/* Set to a LOOKUP_ value below if the result depends on the client's key.  NULL: not wanted. */
	int *by_key;
};

enum {
	LOOKUP_BY_KEY = 1, /* another key could get another route */
	LOOKUP_WANTS_KEY,  /* this login has routes that the key selects */
};

/* A program that a backend wants to be run, without a shell. */
struct lookup_command {
	struct strlist argv; /* argv[0] is its path */
	struct strlist env;  /* "NAME=value" */
	int timeout_ms;
	struct strlist
	    closed; /* files and directories that it must not reach: the key store and what unlocks it */
	struct strlist fixed; /* those that it may read but not change: the configuration */
};

/* Bytes that a program may write to standard output. */
#define LOOKUP_REPLY_MAX 65536

/* How a program ended. */
struct lookup_reply {
	const char *failure; /* "", or why it was killed or not run */
	int status;	     /* its exit status */
	const void *out;     /* its standard output */
	size_t len;
	const char *said; /* the first line of its standard error */
};

/* A lookup that waits for a program. */
struct lookup_pending {
	size_t link; /* the index of the backend in the chain */
	char login
	    [256]; /* the login without its style, once the whole has not been found; "" before */
	struct lookup_command command;
};

enum lookup_result {
	LOOKUP_FOUND,
	LOOKUP_NOT_FOUND, /* no backend has it */
	LOOKUP_FAILED,	  /* temporary failure, which has been logged: refuse the login */
	LOOKUP_ASK,	  /* run pending->command, then go on with lookup_answer() */
};

/* Build the chain of backends in [lookup] Order, and check every route.  0; ERR_CONFIG with all errors added;
 * ERR_NOMEM.  The conf must outlive the lookup. */
int lookup_new(const struct conf *conf, struct conf_errors *errors, struct lookup **out) MUST_CHECK;
void lookup_free(struct lookup **l);

/* The length of a login without its style, which begins at the first ':' (as in sshd); of a login
 * that has none, its own. */
size_t lookup_style(const char *login);

/*
 * Look a login up: whole, and if no backend has it, without its style.  LOOKUP_FOUND sets *out to a route of the caller's, expanded for this login.
 * LOOKUP_ASK fills *pending, to be freed by lookup_pending_free().
 */
enum lookup_result lookup_begin(struct lookup *l, const struct lookup_request *request,
    struct lookup_pending *pending, struct route **out);

/* Continue after LOOKUP_ASK, with the same request.  *pending is freed, and filled again if the result is
 * LOOKUP_ASK again. */
enum lookup_result lookup_answer(struct lookup *l, const struct lookup_request *request,
    struct lookup_pending *pending, const struct lookup_reply *reply, struct route **out);

/* Ask one backend alone, which runs no program, whatever the conditions of its route; for `check` and `route`.
 * LOOKUP_FOUND as lookup_begin(); LOOKUP_NOT_FOUND; LOOKUP_FAILED; each with why, or an empty one. */
enum lookup_result lookup_one(struct lookup *l, const char *backend,
    const struct lookup_request *request, struct route **out, struct reason *why);

/* The route of the [route] section with this very name, whatever Order says.  0; ERR_NOTFOUND if there is none
 * without a label; or another ERR_* with why. */
int lookup_section(struct lookup *l, const char *name, struct route **out,
    struct reason *why) MUST_CHECK;

/* Add what no program may reach or change, whichever user it runs as.  0 or ERR_NOMEM. */
int lookup_keep_out(const struct lookup *l, struct lookup_command *command) MUST_CHECK;
void lookup_command_free(struct lookup_command *command);

void lookup_pending_free(struct lookup_pending *pending);

/* Print the [lookup NAME] sections in a form that can be read again: with defaults and absolute paths, or as
 * written if Order does not name the backend. */
void lookup_dump(const struct lookup *l, const struct conf *conf, FILE *to);

/* The name and the keyword table (NULL if it has no keys) of the i-th backend of all.  0: there are no more.  For
 * tests. */
struct keyword;
int lookup_keywords(size_t i, const char **name, const struct keyword **table, size_t *n);

/* Check what the backends need: directories, programs.  Errors are added. */
void lookup_check(struct lookup *l, const struct conf *conf, struct conf_errors *errors);

/* Check whether the caller's user can run their programs.  Errors are added. */
void lookup_check_run(struct lookup *l, const struct conf *conf, struct conf_errors *errors);

#endif
