/*
 * What is worth a note in the lists that routes name: lines that should hold a key and do not,
 * and hosts of which no key is known.  A file that many routes name is read once for all of
 * them, the known hosts as long as the routes follow each other.
 */
#ifndef CLI_CHECK_LISTS_H
#define CLI_CHECK_LISTS_H

#include "base/buf.h"
#include "base/reason.h"
#include "conf/conf.h"
#include "lookup/route.h"
#include "wire/wire.h"

enum check_lists_kind {
	CHECK_LISTS_AUTHORIZED, /* options may stand before a key */
	CHECK_LISTS_PLAIN,
};

struct check_lists {
	struct conf_errors *notes;
	void *read;	 /* tsearch(3): files of keys */
	char *hosts_of;	 /* the names of the files that text is of */
	struct buf text; /* known hosts */
	int text_err;	 /* why they could not be read */
	struct reason text_why;
	int indexed;
	void *hosts;	 /* tsearch(3): the names in text that are neither hashed nor patterns */
	size_t searched; /* bytes searched line by line */
};

void check_lists_init(struct check_lists *f, struct conf_errors *notes);
void check_lists_free(struct check_lists *f);

/* The number of keys in a file of the route's, with a note, the first time, on each line
 * that ought to be one.  SIZE_MAX if it cannot be read, or has a private key alone. */
size_t check_lists_count(struct check_lists *f, enum check_lists_kind kind, const struct route *r,
    const char *path);

/* A note if this value of AuthorizedKey is not a key. */
void check_lists_value(struct check_lists *f, const struct conf_entry *e);

/* Read the known hosts of the route, as the keeper does.  0, or an ERR_* with why. */
int check_lists_read_hosts(struct check_lists *f, const struct route *r,
    struct reason *why) MUST_CHECK;

/* The first host of the route without a line in its known hosts, or NULL.  With by_login,
 * hosts that depend on the login are left out; after too many searches all others are, which
 * gets a note. */
const char *check_lists_unknown_host(struct check_lists *f, const struct route *r, int by_login,
    const struct conf_entry *e);

#endif
