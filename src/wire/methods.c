/*
 * The table of login methods.  Used by auth/, and by lookup/ for AuthenticationMethods.
 */
#include <stddef.h>

#include "wire/methods.h"

const struct login_method login_methods[] = {
	{ METHOD_PUBLICKEY, METHOD_ROUTE },
	{ METHOD_PASSWORD, METHOD_ROUTE | METHOD_RELAYED },
	{ METHOD_KBDINT, METHOD_ROUTE | METHOD_RELAYED },
	{ METHOD_TOTP, METHOD_ROUTE | METHOD_DEVICE },
	{ METHOD_FACTOR, METHOD_ROUTE | METHOD_DEVICE },
	{ METHOD_NONE, METHOD_ROUTE | METHOD_ASKED_FOR },
	{ METHOD_HOSTBASED, 0 },
	{ METHOD_GSSAPI, 0 },
	{ NULL, 0 },
};
