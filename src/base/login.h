/*
 * The rule every login name meets at the door.
 */
#ifndef BASE_LOGIN_H
#define BASE_LOGIN_H

#include <stddef.h>

#define LOGIN_MAX 255

/*
 * 1 if the len bytes may be a login name: 1 to LOGIN_MAX bytes of valid UTF-8
 * that can be seen (no control, formatting or separator characters, no NUL),
 * without '/', without a '-' in front, and neither "." nor "..", so that it can be
 * the name of a file.  A space is allowed.
 */
int login_name_ok(const void *name, size_t len);

#endif
