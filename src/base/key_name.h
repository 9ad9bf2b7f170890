/*
 * The rule for names in the key store, which the configuration checks as well as the store
 * itself.
 */
#ifndef BASE_KEY_NAME_H
#define BASE_KEY_NAME_H

#include "base/err.h"
#include "base/reason.h"

#define KEY_NAME_MAX 64

/* 1 if it can be the name of a key or password: 1 to KEY_NAME_MAX of A-Z a-z 0-9 . _ @ + -,
 * not starting with '.' or '-', not ending in ".pub". */
int key_name_ok(const char *name);

/* The same, with the reason.  0 or ERR_FORMAT. */
int key_name_check(const char *name, struct reason *why) MUST_CHECK;

#endif
