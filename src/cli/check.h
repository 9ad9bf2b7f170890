/*
 * Inside of `sallyport check`: check.c is the command, check_route.c one route, check_files.c the files that
 * it names, check_lists.c the lines of those files, check_tree.c the directories of [lookup directory], and
 * check_ca.c CAs, and
 * check_names.c what the names of routes and files give away.
 */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "cli/as_user.h"
#include "cli/check_lists.h"
#include "cli/store_probe.h"
#include "conf/conf.h"
#include "lookup/lookup.h"
#include "lookup/route.h"

struct check {
	const struct conf *conf;
	const char *dir;	    /* of -c, or NULL */
	struct conf_errors *errors; /* what a reload refuses */
	struct conf_errors notes;   /* what keeps, or may keep, some users out */
	struct conf_errors remarks; /* of --verbose: nothing is wrong with it */
	int tree_ok;		    /* the backends themselves are in order */
	size_t directories;	    /* of [lookup directory] that were looked at */
	struct as_user as;
	struct store_probe store;
	struct check_lists lists;
};

/* 1 if values of the route may depend on the login or on the host of the connection: they are not known yet. */
int check_depends(const struct conf_section *s);

/* The entry with this key; or one without a value, at the line of the section. */
struct conf_entry check_place(const struct conf_section *s, const char *key);

/* Can the keeper use this key or password?  0, or an ERR_* with why; ERR_NOTFOUND says how to make it. */
int check_key(struct check *c, const char *name, enum keystore_kind kind, struct reason *why);

/* The sections [tls]: errors and notes. */
void check_tls(struct check *c);

/* Each adds what it finds to the notes. */

/* A key of a route: it can be used, and is not that of a [tls] section. */
void check_mapped_key(struct check *c, const struct conf_section *s, const char *name);
/* The CA of a route's certificates; and that no CA's key is used for anything else. */
void check_authority(struct check *c, const struct conf_section *s, const struct route *r);
void check_authorities(struct check *c);
/* A key of a route must not be that of a [tls] section. */
void check_tls_key(struct check *c, const struct conf_section *s, const char *key);
/* A section [route]. */
void check_route(struct check *c, const struct conf_section *s);
/* A route that has been made.  s is its section; for one of a directory, a section without entries, and the
 * file to name. */
void check_made_route(struct check *c, const struct conf_section *s, const struct route *r);
/* The directories of [lookup directory], if it is in Order. */
void check_tree(struct check *c, struct lookup *lookup);
/* Routes that are never used, and files in conf.d that are not read. */
void check_unreachable(struct check *c);
void check_unread_files(struct check *c);

/* The route has the key that names the file. */
void check_authorized_keys(struct check *c, const struct conf_section *s, const struct route *r);
void check_trusted_cas(struct check *c, const struct conf_section *s, const struct route *r);
void check_inline_keys(struct check *c, const struct conf_section *s, const struct route *r);
void check_revoked(struct check *c, const struct conf_section *s, const struct route *r);
void check_banner(struct check *c, const struct conf_section *s, const struct route *r);
void check_via_ca(struct check *c, const struct conf_section *s, const struct route *r);
void check_certificate_file(struct check *c, const struct conf_section *s, const struct route *r);
void check_key_file(struct check *c, const struct conf_section *s, const struct route *r);
void check_known_hosts(struct check *c, const struct conf_section *s, const struct route *r);

#endif
