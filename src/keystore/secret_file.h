/*
 * Files that hold secrets: read only if nobody else can have had a hand in
 * them, written all or not at all.
 */
#ifndef KEYSTORE_SECRET_FILE_H
#define KEYSTORE_SECRET_FILE_H

#include <sys/types.h>

#include "base/reason.h"
#include "base/buf.h"
#include "keystore/keystore.h"

/* A directory to read and write such files in. */
struct secret_dir {
	int fd;
	uid_t uid;	  /* its owner: for root, one more whose files are taken, and who */
	gid_t gid;	  /* gets the ones that are made */
	const char *path; /* for messages; not owned */
};

/* Open a directory where others cannot replace files; path must outlive it.
 * 0, ERR_NOTFOUND, ERR_PERM or ERR_SYS. */
int secret_dir_open(const char *path, struct secret_dir *dir, struct reason *why) MUST_CHECK;
void secret_dir_close(struct secret_dir *dir);

/*
 * Append the whole of a regular file (at most out->max bytes) that belongs to
 * root, to us, or, if we are root, to dir->uid, and whose mode has
 * none of the bits of refused.  ERR_NOTFOUND, ERR_PERM, ERR_FORMAT (not a regular
 * file), ERR_TOOBIG, ERR_SYS.
 */
int secret_file_read(const struct secret_dir *dir, const char *name, mode_t refused,
    struct buf *out, struct reason *why) MUST_CHECK;

#define SECRET_FILE_TEMP_SIZE 32

/* Write a new file under a temporary name, which goes to temp; it is complete and on
 * disk when this returns 0, and gone when it does not. */
int secret_file_stage(const struct secret_dir *dir, const void *p, size_t len, mode_t mode,
    char temp[SECRET_FILE_TEMP_SIZE], struct reason *why) MUST_CHECK;

/* Give a staged file its name; ERR_EXISTS if there is one already, unless replace.
 * On failure the staged file is removed. */
int secret_file_place(const struct secret_dir *dir, const char *temp, const char *name, int replace,
    struct reason *why) MUST_CHECK;

/* Both of them. */
int secret_file_write(const struct secret_dir *dir, const char *name, const void *p, size_t len,
    mode_t mode, int replace, struct reason *why) MUST_CHECK;

#endif
