/*
 * Landlock (landlock(7)): a process gives up rights to files, TCP ports and other processes, for
 * itself and its children.  Rights given up never come back.
 *
 * A kernel before 5.13, or with Landlock switched off, has none of it; the Landlock of an older
 * kernel lacks some of the rights below, and the process keeps those.
 */
#ifndef BASE_LANDLOCK_H
#define BASE_LANDLOCK_H

#include <stddef.h>

#include "base/err.h"

/* Rights, to be combined with |. */
#define LANDLOCK_READ_FILES 0x01U /* open files for reading */
#define LANDLOCK_READ_DIRS 0x02U  /* list directories; entering one is never denied */
#define LANDLOCK_EXECUTE 0x04U
#define LANDLOCK_WRITE_FILES 0x08U /* open files for writing, truncate them, make new ones */
#define LANDLOCK_CHANGE_DIRS 0x10U /* remove, rename, link; make directories, devices ... */
#define LANDLOCK_IOCTL 0x20U	   /* ioctl(2) on devices */
#define LANDLOCK_TCP 0x40U /* bind and connect TCP sockets; landlock_allow() cannot allow it */
/* Send signals to processes outside of this sandbox, and connect to their abstract Unix sockets;
 * landlock_allow() cannot allow it. */
#define LANDLOCK_REACH 0x80U

#define LANDLOCK_REPLACE_FILES 0x100U /* remove files, and rename them within their directory */

#define LANDLOCK_READ (LANDLOCK_READ_FILES | LANDLOCK_READ_DIRS)
#define LANDLOCK_FILES                                                                    \
	(LANDLOCK_READ | LANDLOCK_EXECUTE | LANDLOCK_WRITE_FILES | LANDLOCK_CHANGE_DIRS | \
	    LANDLOCK_IOCTL | LANDLOCK_REPLACE_FILES)

struct landlock;

/* The version of this kernel's Landlock; 0 if the kernel has none. */
int landlock_version(void);

/* Prepare to give up rights.  *out is the caller's.  0; ERR_NOMEM; ERR_SYS if there is no Landlock:
 * errno says why, and the caller goes on without, after a line in the log. */
int landlock_new(struct landlock **out, unsigned int rights) MUST_CHECK;

/* Keep these rights for path and everything below it.  A symbolic link is followed.
 * 0; ERR_SYS: path cannot be opened (errno), and no right is kept. */
int landlock_allow(struct landlock *l, const char *path, unsigned int rights) MUST_CHECK;

/*
 * Keep these rights for everything except the n paths, which are absolute.  Landlock knows no
 * exceptions, so in each directory above a path, "/" among them, every other entry that exists now
 * is allowed by name.  Entries made there later are not allowed, and these directories themselves
 * can neither be listed (READ_DIRS) nor have new files (WRITE_FILES).  In a directory that this
 * process cannot list, only the entries that lead to paths are looked at.  A path that does not
 * exist now is ignored.
 * 0; ERR_SYS; ERR_NOMEM; ERR_TOOBIG: one of these directories has too many entries.
 */
int landlock_allow_except(struct landlock *l, const char *const *paths, size_t n,
    unsigned int rights) MUST_CHECK;

/* Give the rights up, and set no-new-privileges.  0 or ERR_SYS. */
int landlock_enter(const struct landlock *l) MUST_CHECK;

void landlock_free(struct landlock **l); /* takes NULL */

/* After EACCES on writing or creating a file: 1 if the mode of the file, or of its directory, would
 * have allowed it, so that it must be Landlock that denies it. */
int landlock_denies_write(const char *path);

#endif
