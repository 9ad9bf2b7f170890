/*
 * The interface of the lookup backends in plugins/: one const table of functions
 * each, which is listed here and in lookup.c.
 */
#ifndef LOOKUP_PLUGIN_H
#define LOOKUP_PLUGIN_H

#include "base/login_dir.h"
#include "base/access_hint.h"
#include "base/fd.h"
#include "base/program.h"
#include "base/safe_path.h"
#include "conf/conf.h"
#include "conf/keyword.h"
#include "lookup/lookup.h"
#include "lookup/wildcard.h"
#include "lookup/route.h"

enum plugin_result {
	PLUGIN_FOUND,	  /* *out is a reference of the caller's */
	PLUGIN_NOT_FOUND, /* this login is refused: no other backend is asked */
	PLUGIN_NEXT,	  /* not mine: ask the next backend */
	PLUGIN_FAILED,	  /* can't say now: closed; why has been filled */
	PLUGIN_ASK,	  /* a program knows: command() says which, answer() takes what it says */
};

#define PLUGIN_WHY_SIZE SAFE_PATH_WHY_SIZE

struct lookup_plugin {
	const char *name; /* as in [lookup] Order */

	/* The keys of [lookup NAME], as keyword_parse() puts them into what new() makes; or NULL. */
	const struct keyword *keywords;
	size_t n_keywords;

	/* Make what the other functions are called with.  section is [lookup NAME],
	 * or NULL if there is none.  0, or ERR_CONFIG with the errors added. */
	int (*new)(const struct conf *conf, const struct conf_section *section,
	    struct conf_errors *errors, void **self);

	/* For FAILED and NOT_FOUND, why may be filled with a reason for the log; it
	 * is empty before. */
	enum plugin_result (*find)(void *self, const struct lookup_request *request,
	    struct route **out, char why[PLUGIN_WHY_SIZE]);

	/* Only of those that return PLUGIN_ASK: fill *command (0 or ERR_NOMEM; it is
	 * the caller's either way), and make an answer of what the program said. */
	int (*command)(void *self, const struct lookup_request *request,
	    struct lookup_command *command);
	enum plugin_result (*answer)(void *self, const struct lookup_request *request,
	    const struct lookup_reply *reply, struct route **out, char why[PLUGIN_WHY_SIZE]);

	/* Look at what is outside the configuration; NULL: nothing is. */
	void (*check)(void *self, const struct conf *conf, struct conf_errors *errors);

	/* Likewise, as the user who runs the programs, not the one who looks up; NULL: none are
	 * run. */
	void (*check_run)(void *self, const struct conf *conf, struct conf_errors *errors);

	void (*free)(void *self); /* takes NULL */
};

/*
 * Fill the holes in a route that nobody else refers to yet (see template.h); the
 * values are then checked as they would be in a file.  0, ERR_FORMAT with why,
 * or ERR_NOMEM.
 */
int route_expand(const struct conf *conf, struct route *r, const struct wildcard_match *match,
    char why[PLUGIN_WHY_SIZE]) MUST_CHECK;

/*
 * 1 if the route's MatchAddress, MatchLocalAddress and MatchFingerprint, if any,
 * all hold; tells request->by_key if it depends on the key.
 */
int route_matches(const struct route *r, const struct lookup_request *request);

/* The login or pattern in the name of a section: NAME of [route NAME/LABEL].  Its length. */
size_t route_name_len(const char *name);

/* What a backend knows of a route besides the entries. */
struct route_origin {
	const char *login;
	const char *source;   /* where the entries are from: for the log, and in errors */
	const char *base;     /* where relative paths begin; NULL: as in conf.d */
	const char *key_file; /* or NULL; for a route without Key */
};

/*
 * The entries of a route from a text of its own, "KEY = VALUE" lines as in [route]
 * without the header.  One struct is filled by route_text_read() and
 * route_text_add(), in any order, and used up by route_text_make().
 */
struct route_text {
	struct conf_arena *arena;
	struct conf_errors errors;
	struct conf_entry *entries;
	size_t n;
};

/* 0 (errors are told by route_text_make()) or ERR_NOMEM. */
int route_text_read(struct route_text *t, const struct route_origin *origin, const char *text,
    size_t len) MUST_CHECK;

/* Add an entry, unless there is one with this key. */
int route_text_add(struct route_text *t, const struct route_origin *origin, const char *key,
    const char *value) MUST_CHECK;

/* Make the route, its holes filled, and free *t.  0, or ERR_FORMAT (or ERR_NOMEM) with why. */
int route_text_make(const struct conf *conf, struct route_text *t,
    const struct route_origin *origin, struct route **out, char why[PLUGIN_WHY_SIZE]) MUST_CHECK;

void route_text_free(struct route_text *t);

extern const struct lookup_plugin plugin_ini;
extern const struct lookup_plugin plugin_directory;
extern const struct lookup_plugin plugin_exec;

#endif
