/*
 * What the text files that routes name lack, without being wrong: lines that hold no key although
 * they ought to, and machines that nobody has a key of.  A file that many routes name is read
 * once, as far as that goes.
 */
#ifndef CLI_KEY_FILES_H
#define CLI_KEY_FILES_H

#include "base/buf.h"
#include "conf/conf.h"
#include "lookup/route.h"
#include "wire/wire.h"

enum key_files_kind {
	KEY_FILES_AUTHORIZED, /* options may stand before a key */
	KEY_FILES_PLAIN,
};

struct key_files {
	struct conf_errors *notes;
	void *read;	 /* tsearch(3): files of keys */
	char *hosts_of;	 /* the known hosts in hosts are of these files */
	struct buf text; /* of them */
	void *hosts;	 /* tsearch(3): names that stand there as they are */
	size_t searched; /* bytes gone through line by line */
};

void key_files_init(struct key_files *f, struct conf_errors *notes);
void key_files_free(struct key_files *f);

/* The number of keys in the file open as fd, with a note on each line that ought to be one, the
 * first time.  What can't be read has as many as it may. */
size_t key_files_count(struct key_files *f, enum key_files_kind kind, const char *path, int fd);

/* A note if this value of AuthorizedKey is no key. */
void key_files_value(struct key_files *f, const struct conf_entry *e);

/* Has a machine of the route no line in its known hosts?  The first, or NULL; also for hosts that
 * are not known before the login is (by_login), and after too many searches, which gets a note. */
const char *key_files_unknown_host(struct key_files *f, const struct route *r, int by_login,
    const struct conf_entry *e);

#endif
