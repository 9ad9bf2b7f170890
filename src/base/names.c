/*
 * The rules for names that become file names.  login_name_ok() is called for each login before the
 * name is used; key_name_ok() and key_name_check() for names in the configuration, in the key store
 * and on the command line.  path_dir() and path_name() are for code that opens a directory before a file
 * in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/names.h"
#include "base/utf8.h"

int
login_name_ok(const void *name, size_t len)
{
	const uint8_t *p = name;
	enum utf8_kind kind;
	size_t i, n;

	if (len == 0 || len > LOGIN_MAX || p[0] == '-')
		return 0;
	if ((len == 1 && p[0] == '.') || (len == 2 && memcmp(p, "..", 2) == 0))
		return 0;
	for (i = 0; i < len; i += n) {
		n = utf8_get(p + i, len - i, &kind);
		if (n == 0 || p[i] == '/' || kind != UTF8_VISIBLE)
			return 0;
	}
	return 1;
}

int
key_name_ok(const char *name)
{
	size_t len = strspn(name,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	    "._@+-");

	if (len == 0 || len > KEY_NAME_MAX || name[len] != '\0')
		return 0;
	if (name[0] == '.' || name[0] == '-')
		return 0;
	return len < 4 || strcmp(name + len - 4, ".pub") != 0;
}

int
key_name_check(const char *name, struct reason *why)
{
	char shown[80];

	if (key_name_ok(name))
		return 0;
	reason_set(why,
	    "\"%s\" cannot be the name of a key: 1 to %d of A-Z a-z 0-9 . _ @ + -, not starting "
	    "with . or -, not ending in .pub%s",
	    log_vis(shown, sizeof(shown), name, strlen(name)), KEY_NAME_MAX,
	    strchr(name, '/') != NULL ? "; use the name, not a path" : "");
	return ERR_FORMAT;
}

char *
path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? strdup(".") :
			       strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

const char *
path_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}
