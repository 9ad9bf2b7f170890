/*
 * Files in a tree of directories, one for each login: TREE/DIR/NAME.
 *
 * The tree and all above it, the directory and the files are as safe_path.h has it.  A symbolic
 * link may lead to another place in the tree (for DIR) or in its directory (for NAME), never
 * out.  Others may write to no directory of the tree, be it a sticky one, with StrictModes = no
 * neither.
 */
#ifndef BASE_LOGIN_DIR_H
#define BASE_LOGIN_DIR_H

#include "base/reason.h"
#include "base/safe_path.h"

/* A directory of a tree, open. */
struct login_dir {
	int fd; /* -1: none */
	struct safe_path_rule rule;
	char *path;
};

/*
 * Open the tree and the directory in it.  0 with *dir for login_dir_close(); ERR_NOTFOUND (no such
 * DIR; a missing tree is ERR_SYS), ERR_PERM, ERR_FORMAT or ERR_SYS, with why: one line that
 * names the file, for the log.
 */
int login_dir_open(const struct safe_path_rule *rule, const char *tree, const char *name,
    struct login_dir *dir, struct reason *why) MUST_CHECK;
void login_dir_close(struct login_dir *dir);

/* Open the regular file NAME of a directory as above (flags as for open(2)).  refused
 * are the bits its mode must not have. */
int login_dir_file_open(const struct login_dir *dir, const char *name, int flags, mode_t refused,
    int *fd, struct reason *why) MUST_CHECK;

/* All of it: append TREE/DIR/NAME, at most out->max bytes. */
int login_dir_file_read(const struct safe_path_rule *rule, const char *tree, const char *name,
    const char *file, mode_t refused, struct buf *out, struct reason *why) MUST_CHECK;

#endif
