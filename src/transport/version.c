#include <libssh/libssh.h>

#include "transport/version.h"

/* Linked statically: its headers cannot be of another version than its code. */
const char *
transport_libssh_version(void)
{
	return SSH_STRINGIFY(LIBSSH_VERSION);
}
