/*
 * Inside of `sallyport check`: check.c is the command, check_files.c the files that routes name,
 * check_lists.c the lines of those files.
 */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "cli/as_user.h"
#include "cli/check_lists.h"
#include "cli/store_probe.h"
#include "conf/conf.h"
#include "lookup/route.h"

struct check {
	const struct conf *conf;
	const char *dir; /* of -c, or NULL */
	struct conf_errors *errors;
	struct conf_errors notes; /* warnings: they do not change the exit status */
	struct as_user as;
	struct store_probe store;
	struct check_lists lists;
};

/* The entry with this key; or one without a value, at the line of the section. */
struct conf_entry check_place(const struct conf_section *s, const char *key);

/* Each adds what it finds to the errors, or to the notes.  The route has the key that names
 * the file. */
void check_authorized_keys(struct check *c, const struct conf_section *s, const struct route *r);
void check_trusted_cas(struct check *c, const struct conf_section *s, const struct route *r);
void check_inline_keys(struct check *c, const struct conf_section *s);
void check_revoked(struct check *c, const struct conf_section *s, const struct route *r);
void check_certificate_file(struct check *c, const struct conf_section *s, const struct route *r);
void check_known_hosts(struct check *c, const struct conf_section *s, const struct route *r);

#endif
