/*
 * Landlock: a process gives up, for itself and its children, what the kernel would let its user
 * do with files, TCP ports and other processes (landlock(7)).  What has been given up never comes
 * back.
 *
 * A kernel older than 5.13, or one that has Landlock switched off, offers none of it, and an
 * older Landlock less than is asked for here: the rest is then not given up.
 */
#ifndef BASE_LANDLOCK_H
#define BASE_LANDLOCK_H

#include <stddef.h>

#include "base/err.h"

/* Rights, to be combined. */
#define LANDLOCK_READ_FILES 0x01U /* open files for reading */
#define LANDLOCK_READ_DIRS 0x02U  /* list directories; to pass through one is never denied */
#define LANDLOCK_EXECUTE 0x04U
#define LANDLOCK_WRITE_FILES 0x08U /* open files for writing, truncate, make new ones */
#define LANDLOCK_CHANGE_DIRS 0x10U /* remove, rename, link; make what is not a regular file */
#define LANDLOCK_IOCTL 0x20U	   /* of devices */
#define LANDLOCK_TCP 0x40U	   /* bind and connect; no rule gives these two back */
#define LANDLOCK_REACH 0x80U	   /* signals and abstract Unix sockets of processes outside */

#define LANDLOCK_READ (LANDLOCK_READ_FILES | LANDLOCK_READ_DIRS)
#define LANDLOCK_FILES                                                                    \
	(LANDLOCK_READ | LANDLOCK_EXECUTE | LANDLOCK_WRITE_FILES | LANDLOCK_CHANGE_DIRS | \
	    LANDLOCK_IOCTL)

struct landlock;

/* The version of this kernel's Landlock; 0: there is none. */
int landlock_version(void);

/* out is the caller's; rights are what landlock_enter() will give up.  0, ERR_NOMEM, or ERR_SYS,
 * where errno says why there is no Landlock here: no error of the caller's, but worth a line in
 * the log. */
int landlock_new(struct landlock **out, unsigned int rights) MUST_CHECK;

/* Keep these rights for what path names, and for all that is below it.  A symbolic link is
 * followed. 0; ERR_SYS: path can't be opened (errno), and so nothing is kept. */
int landlock_allow(struct landlock *l, const char *path, unsigned int rights) MUST_CHECK;

/*
 * Keep these rights for everything but what the n paths name, which are absolute.  Landlock knows
 * no exceptions: in each directory on the way to one, "/" first, everything else that is there
 * now is allowed by name.  What is made in these few directories later is not; nor are the
 * directories themselves, for READ_DIRS and WRITE_FILES.  Of one that can't be listed nothing is
 * allowed but what leads to an exception.  A path that is not there now is no exception. 0;
 * ERR_SYS; ERR_NOMEM; ERR_TOOBIG: one of these directories has too many entries.
 */
int landlock_allow_except(struct landlock *l, const char *const *paths, size_t n,
    unsigned int rights) MUST_CHECK;

/* From now on.  Sets no-new-privileges as well.  0 or ERR_SYS. */
int landlock_enter(const struct landlock *l) MUST_CHECK;

void landlock_free(struct landlock **l); /* takes NULL */

/* After EACCES for a file to be written or created: 1 if the modes of the file, or of its
 * directory, would allow it, so that Landlock is what refuses. */
int landlock_denies_write(const char *path);

#endif
