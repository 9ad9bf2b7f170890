/*
 * The interface of the lookup backends in plugins/: one const table of functions
 * each, which is listed here and in lookup.c.
 */
#ifndef LOOKUP_PLUGIN_H
#define LOOKUP_PLUGIN_H

#include "conf/conf.h"
#include "lookup/lookup.h"
#include "lookup/wildcard.h"
#include "lookup/route.h"

enum plugin_result {
	PLUGIN_FOUND,	  /* *out is a reference of the caller's */
	PLUGIN_NOT_FOUND, /* this login is refused: no other backend is asked */
	PLUGIN_NEXT,	  /* not mine: ask the next backend */
	PLUGIN_FAILED,	  /* can't say now: closed; why has been filled */
};

#define PLUGIN_WHY_SIZE 256

struct lookup_plugin {
	const char *name; /* as in [lookup] Order */

	/* Make what the other functions are called with.  section is [lookup NAME],
	 * or NULL if there is none.  0, or ERR_CONFIG with the errors added. */
	int (*new)(const struct conf *conf, const struct conf_section *section,
	    struct conf_errors *errors, void **self);

	/* For FAILED and NOT_FOUND, why may be filled with a reason for the log; it
	 * is empty before. */
	enum plugin_result (*find)(void *self, const struct lookup_request *request,
	    struct route **out, char why[PLUGIN_WHY_SIZE]);

	void (*free)(void *self); /* takes NULL */
};

/*
 * Fill the holes in a route that nobody else refers to yet (see template.h); the
 * values are then checked as they would be in a file.  0, ERR_FORMAT with why,
 * or ERR_NOMEM.
 */
int route_expand(const struct conf *conf, struct route *r, const struct wildcard_match *match,
    char why[PLUGIN_WHY_SIZE]) MUST_CHECK;

extern const struct lookup_plugin plugin_ini;

#endif
