/*
 * The interface of the lookup backends in plugins/: each is one file with one const table of functions,
 * which is declared at the end of this file and listed in lookup.c.
 *
 * Where they run: new(), find(), command() and answer() are called in the keeper, which holds all keys, serves
 * every session and runs as the user of RunAs; and, with the same results, in `sallyport check`, `route` and
 * `key`.  At the start new() is called before the keeper confines itself; at a reload, and find() always,
 * after that: a system call that is not in keeper/confine.c kills the keeper, and every login with it.
 * Nobody else is served while find() runs: no DNS, no network, no process, no lock that could block;
 * opening and reading a small local file by base/safe_path.h is fine.  What takes longer is a program
 * (PLUGIN_ASK), which an errand runs.
 */
#ifndef LOOKUP_PLUGIN_H
#define LOOKUP_PLUGIN_H

#include "base/reason.h"
#include "base/login_dir.h"
#include "base/access_hint.h"
#include "base/fd.h"
#include "base/names.h"
#include "base/safe_path.h"
#include "conf/conf.h"
#include "conf/keyword.h"
#include "lookup/condition_index.h"
#include "lookup/lookup.h"
#include "lookup/login_pattern.h"
#include "lookup/program.h"
#include "lookup/route.h"

enum plugin_result {
	PLUGIN_FOUND,	  /* *out is the route, the caller's */
	PLUGIN_NOT_FOUND, /* refuse the login, and ask no other backend */
	PLUGIN_NEXT,	  /* this backend does not know the login: ask the next */
	PLUGIN_FAILED,	  /* temporary failure, with why: refuse the login */
	PLUGIN_ASK,	  /* run the program of command(), and give its output to answer() */
};

struct lookup_plugin {
	const char *name; /* as in [lookup] Order */

	/* The keys of [lookup NAME]; offsets are into what new() makes.  NULL: there are none. */
	const struct keyword *keywords;
	size_t n_keywords;

	/* Make *self, the first argument of the other functions, at the start and at each reload.
	 * section is [lookup NAME], or NULL if there is none.  0, or ERR_CONFIG with the errors added. */
	int (*new)(const struct conf *conf, const struct conf_section *section,
	    struct conf_errors *errors, void **self);

	/* Look the login up, now.  For FAILED and NOT_FOUND, why may be filled with a reason for the log;
	 * it is empty before. */
	enum plugin_result (*find)(void *self, const struct lookup_request *request,
	    struct route **out, struct reason *why);

	/* Only of backends that return PLUGIN_ASK: fill *command (0 or ERR_NOMEM; it is the caller's in
	 * both cases); and turn the program's reply into a result. */
	int (*command)(void *self, const struct lookup_request *request,
	    struct lookup_command *command);
	enum plugin_result (*answer)(void *self, const struct lookup_request *request,
	    const struct lookup_reply *reply, struct route **out, struct reason *why);

	/* For `sallyport check`: check what the backend needs outside of the configuration, as the keeper's
	 * user.  NULL: nothing. */
	void (*check)(void *self, const struct conf *conf, struct conf_errors *errors);

	/* The same, called as the user who runs the programs.  NULL: none are run. */
	void (*check_run)(void *self, const struct conf *conf, struct conf_errors *errors);

	void (*free)(void *self); /* takes NULL */
};

/*
 * Expand %u, %1 to %9 and %% (percent.h) in a route that has just been made.  The
 * values are then checked as in a file.  0, ERR_FORMAT with why, or ERR_NOMEM.
 */
int route_expand(const struct conf *conf, struct route *r, const struct wildcard_match *match,
    struct reason *why) MUST_CHECK;

/*
 * 1 if all conditions that the route has, of route_conditions[], hold for the request.  Sets *request->by_key if the result depends on the client's key.
 */
int route_matches(const struct route *r, const struct lookup_request *request);

/* 1 if the route has a MatchFingerprint, and its other conditions hold. */
int route_wants_key(const struct route *r, const struct lookup_request *request);

/* The keywords that are conditions, the client's key last; ends with NULL. */
extern const char *const route_conditions[];

/* Where the entries of a route come from. */
struct route_origin {
	const char *login;
	const char *source;   /* a file or program, for the log and for errors */
	const char *base;     /* the directory of relative paths; NULL: as in conf.d */
	const char *key_file; /* a private key's file instead of Key, or NULL */
};

/*
 * A route from a text of its own: lines "KEY = VALUE" as in [route], without the header.  A zeroed struct is
 * filled by route_text_read() and route_text_add(), in any order, and freed by route_text_make().
 */
struct route_text {
	struct conf_arena *arena;
	struct conf_errors errors;
	struct conf_entry *entries;
	size_t n;
};

/* Read entries.  0, also for a text with errors, which route_text_make() reports; or ERR_NOMEM. */
int route_text_read(struct route_text *t, const struct route_origin *origin, const char *text,
    size_t len) MUST_CHECK;

/* Add an entry, unless there is one with this keyword already; so for a keyword that may be repeated
 * (AuthorizedKey), only the first is added. */
int route_text_add(struct route_text *t, const struct route_origin *origin, const char *key,
    const char *value) MUST_CHECK;

/* Make the route, expanded by route_expand(), and free *t.  0, or ERR_FORMAT or ERR_NOMEM with why. */
int route_text_make(const struct conf *conf, struct route_text *t,
    const struct route_origin *origin, struct route **out, struct reason *why) MUST_CHECK;

void route_text_free(struct route_text *t);

/* Add the upstream of sshpiper's file sshpiper_upstream, [user@]host[:port]: the first line that is neither empty
 * nor a comment.  name is the directory, for why.  0, ERR_NOMEM or ERR_FORMAT. */
int route_sshpiper_upstream(struct route_text *t, const struct route_origin *origin,
    const struct buf *b, const char *name, struct reason *why) MUST_CHECK;

/* The name of the record of codes that are used, for sshpiper's file totp of a login.  It has no '%'. */
void route_sshpiper_totp(const char *login, char name[KEY_NAME_MAX + 1]);

extern const struct lookup_plugin plugin_ini;
extern const struct lookup_plugin plugin_directory;
extern const struct lookup_plugin plugin_exec;

#endif
