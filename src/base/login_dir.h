/*
 * Files in a tree of directories, one for each login: TREE/DIR/NAME.
 *
 * The rule of safe_path.h holds for the tree and everything above it, DIR and NAME.  A symbolic
 * link in place of DIR must lead to a directory in the tree, one in place of NAME to a file in DIR.
 * No directory of the tree may be writable by others, not even if it is sticky, and not even with
 * StrictModes = no.
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
 * Open the directory name in a tree.  0, and the caller closes *dir; ERR_NOTFOUND (no such
 * directory; a missing tree is ERR_SYS), ERR_PERM, ERR_FORMAT, ERR_NOMEM or ERR_SYS, with one line
 * in why that begins with the path.
 */
int login_dir_open(const struct safe_path_rule *rule, const char *tree, const char *name,
    struct login_dir *dir, struct reason *why) MUST_CHECK;
void login_dir_close(struct login_dir *dir);

/* Open the regular file name in a directory (flags as for open(2)); refused are the bits that its
 * mode must not have.  Returns as login_dir_open() does; *fd is the caller's. */
int login_dir_file_open(const struct login_dir *dir, const char *name, int flags, mode_t refused,
    int *fd, struct reason *why) MUST_CHECK;

/* How many directories of one login are searched, and how deep below its own: the keeper serves nobody else
 * meanwhile, and with this many it takes a few milliseconds. */
#define LOGIN_DIR_MAX 64
#define LOGIN_DIR_DEPTH 8

/* Called for a directory, which is open until it returns; name is its path in the tree.  0, or an ERR_* that ends
 * the walk, with its reason in the why of login_dir_walk(). */
typedef int login_dir_visit(void *ctx, const struct login_dir *dir, const char *name);

/*
 * Visit a directory in a tree and all directories below it ("git", "git/github"): each before those in it, else in
 * byte order.  Left out are symbolic links, names that begin with a dot, and directories that cannot be used, with
 * the reason for the first of them in why, which else is empty.
 * 0; an ERR_* of login_dir_open() for the first; ERR_TOOBIG with why: there are more, or they are deeper; or what
 * visit has returned.
 */
int login_dir_walk(const struct safe_path_rule *rule, const char *tree, const char *name,
    login_dir_visit *visit, void *ctx, struct reason *why) MUST_CHECK;

/* Append the file TREE/NAME/FILE, of at most out->max bytes (ERR_TOOBIG), to out. */
int login_dir_file_read(const struct safe_path_rule *rule, const char *tree, const char *name,
    const char *file, mode_t refused, struct buf *out, struct reason *why) MUST_CHECK;

#endif
