/*
 * Files in a tree that only its owner may have had a hand in: TREE/DIR/NAME.
 *
 * The tree and the directory belong to root, to us or to the owner of the tree, and
 * nobody else may write to them; so do the files.  A symbolic link may lead to
 * another place in the tree (for DIR) or in its directory (for NAME), never out.
 */
#ifndef BASE_BENEATH_H
#define BASE_BENEATH_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

#define BENEATH_WHY_SIZE 256

/* Mode bits that must not be set: for what is trusted, and for what is secret. */
#define BENEATH_TRUSTED 0022
#define BENEATH_SECRET 0077

/*
 * Open the tree and the directory in it.  0 with *fd and the owner of the tree;
 * ERR_NOTFOUND (no such DIR; a missing tree is ERR_SYS), ERR_PERM, ERR_FORMAT or
 * ERR_SYS, with why: one line that names the file, for the log.
 */
int beneath_dir(const char *tree, const char *dir, int *fd, uid_t *owner,
    char why[BENEATH_WHY_SIZE]) MUST_CHECK;

/* Open the regular file NAME of a directory as above (flags as for open(2)).  refused
 * are the bits its mode must not have.  dir is its name, for why. */
int beneath_open(int dir_fd, uid_t owner, const char *dir, const char *name, int flags,
    mode_t refused, int *fd, char why[BENEATH_WHY_SIZE]) MUST_CHECK;

/* All of it: append TREE/DIR/NAME, at most out->max bytes. */
int beneath_read(const char *tree, const char *dir, const char *name, mode_t refused,
    struct buf *out, char why[BENEATH_WHY_SIZE]) MUST_CHECK;

#endif
