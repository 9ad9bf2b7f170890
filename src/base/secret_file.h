/*
 * Files that hold secrets: read only if no other user can have written or read them, and
 * written whole or not at all.
 */
#ifndef BASE_SECRET_FILE_H
#define BASE_SECRET_FILE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/reason.h"

/* A directory with such files. */
struct secret_dir {
	int fd;
	uid_t uid;	  /* owner of the directory: root takes files of this user as well, */
	gid_t gid;	  /* and gives this user and group the files it makes */
	const char *path; /* for messages; the caller's */
};

/* Open a directory in which other users cannot replace files.  path must outlive dir.  0,
 * ERR_NOTFOUND, ERR_PERM or ERR_SYS. */
int secret_dir_open(const char *path, struct secret_dir *dir, struct reason *why) MUST_CHECK;
void secret_dir_close(struct secret_dir *dir);

/* Append a whole regular file, of at most out->max bytes.  It must belong to root, to the user
 * of this process or, if that is root, to dir->uid, and have none of the mode bits in
 * refused.  ERR_NOTFOUND, ERR_PERM, ERR_FORMAT (not a regular file), ERR_TOOBIG, ERR_SYS. */
int secret_file_read(const struct secret_dir *dir, const char *name, mode_t refused,
    struct buf *out, struct reason *why) MUST_CHECK;

#define SECRET_FILE_TEMP_SIZE 32

/* Write a new file under a temporary name, which goes to temp.  After 0 it is complete and on
 * disk; after a failure it is removed. */
int secret_file_stage(const struct secret_dir *dir, const void *p, size_t len, mode_t mode,
    char temp[SECRET_FILE_TEMP_SIZE], struct reason *why) MUST_CHECK;

/* Give a staged file its name; ERR_EXISTS if the name is taken, unless replace.  After a
 * failure the staged file is removed. */
int secret_file_place(const struct secret_dir *dir, const char *temp, const char *name, int replace,
    struct reason *why) MUST_CHECK;

/* Stage a file and place it. */
int secret_file_write(const struct secret_dir *dir, const char *name, const void *p, size_t len,
    mode_t mode, int replace, struct reason *why) MUST_CHECK;

#endif
