/*
 * Files that hold secrets: read only if nobody else can have had a hand in
 * them, written all or not at all.
 */
#ifndef KEEPER_SAFEFILE_H
#define KEEPER_SAFEFILE_H

#include <sys/types.h>

#include "base/buf.h"
#include "keeper/keystore.h"

/* A directory to read and write such files in. */
struct safedir {
	int fd;
	uid_t uid;	  /* its owner: for root, one more whose files are taken, and who */
	gid_t gid;	  /* gets the ones that are made */
	const char *path; /* for messages; not owned */
};

/* Open a directory where others cannot replace files; path must outlive it.
 * 0, ERR_NOTFOUND, ERR_PERM or ERR_SYS. */
int safedir_open(const char *path, struct safedir *dir, struct keystore_why *why) MUST_CHECK;
void safedir_close(struct safedir *dir);

/*
 * Append the whole of a regular file (at most out->max bytes) that belongs to
 * root, to us, or, if we are root, to dir->uid, and whose mode has
 * none of the bits of refused.  ERR_NOTFOUND, ERR_PERM, ERR_FORMAT (not a regular
 * file), ERR_TOOBIG, ERR_SYS.
 */
int safefile_read(const struct safedir *dir, const char *name, mode_t refused, struct buf *out,
    struct keystore_why *why) MUST_CHECK;

#define SAFEFILE_TEMP_SIZE 32

/* Write a new file under a temporary name, which goes to temp; it is complete and on
 * disk when this returns 0, and gone when it does not. */
int safefile_stage(const struct safedir *dir, const void *p, size_t len, mode_t mode,
    char temp[SAFEFILE_TEMP_SIZE], struct keystore_why *why) MUST_CHECK;

/* Give a staged file its name; ERR_EXISTS if there is one already, unless replace.
 * On failure the staged file is removed. */
int safefile_place(const struct safedir *dir, const char *temp, const char *name, int replace,
    struct keystore_why *why) MUST_CHECK;

/* Both of them. */
int safefile_write(const struct safedir *dir, const char *name, const void *p, size_t len,
    mode_t mode, int replace, struct keystore_why *why) MUST_CHECK;

#endif
