/*
 * conf.d and the files in it by the rule of base/safe_path.h.  They are read first, as one of
 * them says whether the rule holds and who the keeper is, and judged after that.
 */
#ifndef CONF_STRICT_H
#define CONF_STRICT_H

#include "conf/conf.h"

struct strict {
	struct safe_path_rule rule;
	int dir_fd;
	struct safe_path_doubts doubts;
	struct strict_file *files; /* those that were opened */
	size_t n;
};

/* Begin with the directory.  An error is added to errors. */
void strict_begin(struct strict *s, const char *dir, struct conf_errors *errors);

/* Open a file of it that is fit to be read as configuration, and remember what the rule has
 * against it; name lives as long as s.  The caller's descriptor, or -1 with the error added. */
int strict_open(struct strict *s, const char *name, struct conf_errors *errors);

/*
 * [gateway] has been parsed: set conf->file_rule, and add an error for each thing that the rule
 * has against conf.d and its files.  Not so with StrictModes = no, but that counts only in a
 * file that root or the keeper's user owns and nobody else may write to: whoever can put a file
 * there, or move conf.d away, cannot switch the rule off with it.
 */
void strict_judge(struct strict *s, struct conf *conf, struct conf_errors *errors);

void strict_free(struct strict *s);

#endif
