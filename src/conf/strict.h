/*
 * StrictModes for conf.d itself: its owner and mode, and those of its files, by the rule of
 * base/safe_path.h.  The files are read before they are judged, because they say whether StrictModes is
 * on and which user the keeper has.
 */
#ifndef CONF_STRICT_H
#define CONF_STRICT_H

#include "conf/conf.h"

struct strict {
	struct safe_path_rule rule;
	int dir_fd;
	struct safe_path_doubts doubts;
	struct strict_file *files; /* the files that were opened */
	size_t n;
};

/* Open the directory.  An error is added to errors. */
void strict_begin(struct strict *s, const char *dir, struct conf_errors *errors);

/* Open a file of the directory, and remember how it breaks the rule; name must live as long as s.  The
 * caller's descriptor, or -1 with the error added. */
int strict_open(struct strict *s, const char *name, struct conf_errors *errors);

/*
 * After [gateway] has been parsed: set conf->file_rule, and add an error for each breach of the rule by
 * conf.d or its files.  StrictModes = no suppresses them, but only if it is written in a file that root or
 * the keeper's user owns and nobody else may write to.  So somebody who can add a file to conf.d, or
 * replace the directory, cannot switch the rule off.
 */
void strict_judge(struct strict *s, struct conf *conf, struct conf_errors *errors);

void strict_free(struct strict *s);

#endif
