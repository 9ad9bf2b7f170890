/*
 * Error codes of the whole program: functions return 0 or one of these.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

enum err {
	ERR_NOMEM = -1,	    /* out of memory */
	ERR_SYS = -2,	    /* a system call failed: errno says why */
	ERR_FORMAT = -3,    /* malformed input */
	ERR_TOOBIG = -4,    /* over one of the gateway's limits */
	ERR_NOTFOUND = -5,  /* no such thing */
	ERR_EXISTS = -6,    /* already there */
	ERR_PERM = -7,	    /* permissions or ownership too open, or access denied */
	ERR_AUTH = -8,	    /* decryption or signature check failed */
	ERR_ALGORITHM = -9, /* algorithm unknown or not allowed */
	ERR_BADSTATE = -10, /* not allowed now */
	ERR_AGAIN = -11,    /* would block; try again when the descriptor is ready */
	ERR_EOF = -12,	    /* the peer closed */
	ERR_TIMEOUT = -13,  /* a deadline passed */
	ERR_CONFIG = -14,   /* configuration error, already reported */
	ERR_SSH = -15,	    /* the SSH transport failed: its own text says why */
	ERR_WEAK = -16,	    /* an RSA key is too short to protect anything */
	ERR_NOFILE = -17,   /* a descriptor was received, but this process has its maximum open */
	ERR_COSTLY = -18,   /* an RSA key is so large that its use takes too long */
};

/* A short English text for an ERR_*; for ERR_SYS it is strerror(errno).  Static. */
const char *err_str(int err);

#endif
