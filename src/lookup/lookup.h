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
};

enum lookup_result {
	LOOKUP_FOUND,
	LOOKUP_NOT_FOUND, /* no backend has it */
	LOOKUP_FAILED,	  /* temporary failure: closed; the reason has been logged */
};

/* Build the chain: every route is checked, errors are all added.  0 or
 * ERR_CONFIG/ERR_NOMEM.  The conf must outlive the lookup. */
int lookup_new(const struct conf *conf, struct conf_errors *errors, struct lookup **out) MUST_CHECK;
void lookup_free(struct lookup **l);

/* LOOKUP_FOUND sets *out to a reference of the caller's, with %1, %2 and %u
 * already replaced. */
enum lookup_result lookup_find(struct lookup *l, const struct lookup_request *request,
    struct route **out);

#endif
