/*
 * What the names of logins, and of keys and passwords in the key store, may be.
 */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stddef.h>

#include "base/err.h"
#include "base/reason.h"

#define LOGIN_MAX 255
#define KEY_NAME_MAX 64

/*
 * 1 if the len bytes may be a login name: 1 to LOGIN_MAX bytes of UTF-8 with visible characters
 * only, without '/', not beginning with '-', and neither "." nor "..", so that it can be the name
 * of a file. A space is allowed.
 */
int login_name_ok(const void *name, size_t len);

/* 1 if it may be the name of a key or password: 1 to KEY_NAME_MAX of A-Z a-z 0-9 . _ @ + -, not
 * starting with '.' or '-', not ending in ".pub". */
int key_name_ok(const char *name);

/* 0 if key_name_ok(), or ERR_FORMAT with why. */
int key_name_check(const char *name, struct reason *why) MUST_CHECK;

#endif
