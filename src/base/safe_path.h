/*
 * Opening the files that decide who may log in: lists of keys, keys of authorities, lookup
 * programs, the configuration itself.  The rule is that of sshd's StrictModes:
 *
 * The file, and each directory from / down to it, must belong to root, to the keeper's user or to
 * the owner of conf.d, and nobody else may write to them.  A directory above the file may be sticky
 * instead, like /tmp, where nobody can replace the files of others.  A symbolic link is followed if
 * it belongs to one of the three users; the rule then holds for its target.  Each directory is
 * checked by its descriptor, and the next name is opened relative to that descriptor, so the file
 * checked is the file opened.
 */
#ifndef BASE_SAFE_PATH_H
#define BASE_SAFE_PATH_H

#include <sys/types.h>

#include "base/reason.h"
#include "base/buf.h"
#include "base/err.h"

struct safe_path_rule {
	int off;     /* StrictModes = no: only the type and the mode of the file itself count */
	uid_t user;  /* the keeper's user: RunAs, or the user that started the gateway */
	uid_t owner; /* the owner of conf.d */
};

/* Mode bits that must not be set in files that are trusted, and in files that are secret. */
#define SAFE_PATH_TRUSTED 0022
#define SAFE_PATH_SECRET 0077

/*
 * Open a regular file or, with O_DIRECTORY, a directory.  flags are as for open(2), O_PATH for a
 * file that is only checked; refused are the bits that its mode must not have.  Does not block on a
 * FIFO; a new file gets mode 0644.
 * 0, and *fd is the caller's.  Else *fd is -1: ERR_NOTFOUND, ERR_PERM (the rule), ERR_FORMAT
 * (another type of file) or ERR_SYS (errno is set), with one line in why that begins with the path.
 */
int safe_path_open(const struct safe_path_rule *rule, const char *path, int flags, mode_t refused,
    int *fd, struct reason *why) MUST_CHECK;

/* Append a regular file of at most out->max bytes (ERR_TOOBIG) to out; it must not be writable by
 * others. */
int safe_path_read(const struct safe_path_rule *rule, const char *path, struct buf *out,
    struct reason *why) MUST_CHECK;

/*
 * Open the file name, which must be below the directory dir_fd; the caller has checked that
 * directory, and where is its path, for why.  Like safe_path_open(), but a name or a link that
 * leads out is ERR_PERM, no directory may be writable by others even if it is sticky, and with the
 * rule off the modes of directories count all the same.
 */
int safe_path_beneath(const struct safe_path_rule *rule, int dir_fd, const char *where,
    const char *name, int flags, mode_t refused, int *fd, struct reason *why) MUST_CHECK;

/* Files that were opened although they break the rule. */
struct safe_path_doubts {
	struct safe_path_doubt {
		char *path;   /* of the file */
		char *reason; /* "others may write to it (mode 0666); run: chmod go-w PATH" */
		uid_t uid;    /* the wrong owner, if that is the reason, else (uid_t)-1 */
		int by_all;   /* everybody may write to the file itself, and it is not sticky */
	} * v;
	size_t n;
};

/*
 * Open a file even if it breaks the rule, and add the reasons to doubts, each once: conf reads the
 * configuration so, for StrictModes = no may be in it.  If dir_fd is not -1, it is the directory
 * that the file is in, opened by this function before.  0; or ERR_NOTFOUND, ERR_FORMAT, ERR_NOMEM
 * or ERR_SYS with *fd -1.
 */
int safe_path_open_anyway(const struct safe_path_rule *rule, int dir_fd, const char *path,
    int flags, struct safe_path_doubts *doubts, int *fd, struct reason *why) MUST_CHECK;
void safe_path_doubts_free(struct safe_path_doubts *doubts);

#endif
