/*
 * The rule for names in the key store: for conf, lookup, keystore and the subcommand key.
 */
#include <string.h>

#include "base/key_name.h"
#include "base/log.h"

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
	    "with . or -, not ending in .pub",
	    log_vis(shown, sizeof(shown), name, strlen(name)), KEY_NAME_MAX);
	return ERR_FORMAT;
}
