#include <libssh/libssh.h>
#include <sallyport_origin.h>

#include "transport/version.h"

/* Linked statically: its headers cannot be of another version than its code. */
const char *
transport_libssh_version(void)
{
	return SSH_STRINGIFY(LIBSSH_VERSION);
}

const char *
transport_libssh_origin(void)
{
	return LIBSSH_ORIGIN;
}

const char *
transport_libssh_built(void)
{
	return LIBSSH_BUILT;
}
