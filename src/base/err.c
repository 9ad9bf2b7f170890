/*
 * Texts of the error codes, for messages and the log.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"

const char *
err_str(int err)
{
	switch (err) {
	case 0:
		return "success";
	case ERR_NOMEM:
		return "out of memory";
	case ERR_SYS:
		return strerror(errno);
	case ERR_FORMAT:
		return "malformed";
	case ERR_TOOBIG:
		return "too large";
	case ERR_NOTFOUND:
		return "not found";
	case ERR_EXISTS:
		return "already exists";
	case ERR_PERM:
		return "permissions too open";
	case ERR_AUTH:
		return "verification failed";
	case ERR_ALGORITHM:
		return "algorithm not supported";
	case ERR_BADSTATE:
		return "not allowed in this state";
	case ERR_AGAIN:
		return "would block";
	case ERR_EOF:
		return "connection closed";
	case ERR_TIMEOUT:
		return "timed out";
	case ERR_CONFIG:
		return "configuration error";
	case ERR_SSH:
		return "SSH protocol failure";
	case ERR_WEAK:
		return "the RSA key is shorter than 2048 bits";
	case ERR_COSTLY:
		return "the RSA key is larger than 8192 bits, or its exponent is larger than 5 bytes";
	case ERR_NOFILE:
		return strerror(EMFILE);
	}
	return "unknown error";
}
