/*
 * Files that decide who gets in: lists of keys, keys of authorities, lookup programs, the
 * configuration itself.  All of them are opened here, by the rule of sshd's StrictModes.
 *
 * The file, and each directory on the way from / to it, belong to root, to the keeper's user or
 * to the owner of conf.d, and nobody else may write to them.  A directory above the one
 * that was asked for may be a sticky one, like /tmp: there nobody replaces what is another's.
 * A symbolic link is followed if it belongs to one of them; the rule then holds for where it
 * leads.  Each directory is judged by its descriptor and the next name is looked up in that
 * descriptor, so what was judged is what is opened.
 */
#ifndef BASE_SAFE_PATH_H
#define BASE_SAFE_PATH_H

#include <sys/types.h>

#include "base/reason.h"
#include "base/buf.h"
#include "base/err.h"

struct safe_path_rule {
	int off;     /* StrictModes = no: the type and the mode of the file alone count */
	uid_t user;  /* the keeper's: that of RunAs, or whoever has started the gateway */
	uid_t owner; /* of conf.d */
};

/* Three paths of some 200 bytes and the rest of the sentence. */
/* Mode bits that must not be set: for what is trusted, and for what is secret. */
#define SAFE_PATH_TRUSTED 0022
#define SAFE_PATH_SECRET 0077

/*
 * Open a regular file, or, with O_DIRECTORY, a directory; flags as for open(2), with O_PATH for
 * a file that is not to be read.  refused are the bits its mode must not have.  Never waits, a
 * new file has mode 0644.  0 with *fd the caller's, or *fd -1 and ERR_NOTFOUND, ERR_PERM (the
 * rule), ERR_FORMAT (another type of file) or ERR_SYS (errno says why), with why: one line
 * that begins with the path.
 */
int safe_path_open(const struct safe_path_rule *rule, const char *path, int flags, mode_t refused,
    int *fd, struct reason *why) MUST_CHECK;

/* Append the whole of a regular file, at most out->max bytes (ERR_TOOBIG). */
int safe_path_read(const struct safe_path_rule *rule, const char *path, struct buf *out,
    struct reason *why) MUST_CHECK;

/*
 * The same for a name that has to stay below dir_fd, which the caller has judged; where is its
 * path, for why.  No directory may be a sticky one, the modes of directories count with the rule
 * off, too, and a name or a link that leads out is ERR_PERM.
 */
int safe_path_beneath(const struct safe_path_rule *rule, int dir_fd, const char *where,
    const char *name, int flags, mode_t refused, int *fd, struct reason *why) MUST_CHECK;

/* What the rule has against files that were opened all the same. */
struct safe_path_doubts {
	struct safe_path_doubt {
		char *path;   /* of the file that was asked for */
		char *reason; /* "others may write to it (mode 0666); run: chmod go-w PATH" */
		uid_t uid;    /* to whom it belongs if that is the reason, else (uid_t)-1 */
		int by_all;   /* the file itself, not sticky, may be written to by everybody */
	} * v;
	size_t n;
};

/*
 * Open what the rule might refuse, for a caller who knows later whether it holds.  What it has
 * against the file is added to doubts, each reason once.  With a dir_fd other than -1 the path is
 * that of a name in this directory, which has been opened so.  0, or ERR_NOTFOUND, ERR_FORMAT or
 * ERR_SYS with *fd -1.
 */
int safe_path_open_anyway(const struct safe_path_rule *rule, int dir_fd, const char *path,
    int flags, struct safe_path_doubts *doubts, int *fd, struct reason *why) MUST_CHECK;
void safe_path_doubts_free(struct safe_path_doubts *doubts);

#endif
