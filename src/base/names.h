/*
 * The rules for login names, and for names of keys and passwords in the key store; and the two parts of a
 * path.
 */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stddef.h>

#include "base/err.h"
#include "base/reason.h"

#define LOGIN_MAX 255
#define KEY_NAME_MAX 64

/*
 * 1 if the len bytes may be a login name: 1 to LOGIN_MAX bytes of UTF-8, of visible characters
 * alone, without '/', not starting with '-', and neither "." nor "..", so that the name can be a
 * file name and an argument.  A space is allowed.
 */
int login_name_ok(const void *name, size_t len);

/* 1 if name is 1 to KEY_NAME_MAX characters of A-Z a-z 0-9 . _ @ + -, does not start with '.' or
 * '-', and does not end in ".pub". */
int key_name_ok(const char *name);

/* The directory that a path is in, "." if it has no '/': malloc()ed, NULL: out of memory.  And the name in
 * that directory, which points into the path.  As dirname(3) and basename(3), which may write to their
 * argument. */
char *path_dir(const char *path);
const char *path_name(const char *path);

/* 0 if key_name_ok(), else ERR_FORMAT with the rule in why. */
int key_name_check(const char *name, struct reason *why) MUST_CHECK;

#endif
