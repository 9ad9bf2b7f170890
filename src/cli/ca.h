/*
 * Inside of `sallyport ca`: ca.c has the commands and public, ca_list.c, ca_sign.c and ca_revoke.c the others,
 * ca_file.c the files that they write.
 */
#ifndef CLI_CA_H
#define CLI_CA_H

#include "base/buf.h"
#include "base/reason.h"
#include "cli/key.h"

/* Serial numbers and files of one revoke; a long list is a file of its own, by ssh-keygen -k. */
#define CA_OPERANDS_MAX 1000

struct ca_args {
	struct key_args store; /* which one: for key_store_open() */
	char **operands;
	int n; /* of operands */
	const char *ca;
	const char *principals, *lifetime, *id, *serial, *force_command, *source_address;
	const char *krl;
	int host; /* public: for known_hosts; sign: a host's certificate */
	int json;
	int list;
	int no_pty, no_port, no_agent, no_x11, no_rc, verify_required, no_touch_required;
};

/*
 * Append the public blob of a CA: a NAME of the key store, or a file FILE.pub, whose private half is an
 * agent's.  A CLI_*, the reason said; CLI_OK only for a key that a CA may have.
 */
int ca_public_key(const struct ca_args *a, const char *name, struct buf *blob);
/* 1 if the name is that of such a file: the name of a key has no '/' and does not end in ".pub". */
int ca_is_file(const char *name);

/* Append the key of the first line with one in a file, or with "-" of standard input, and its comment.  A CLI_*,
 * the reason said. */
int ca_read_key(const char *file, struct buf *blob, struct buf *comment);

/* Write a file that everybody may read, in one step, in place of what has its name; "-" is standard output.  0 or
 * ERR_SYS with why. */
int ca_write(const char *file, struct bytes text, struct reason *why) MUST_CHECK;

/* The commands: a CLI_*, the reason said. */
int ca_list_cmd(const struct ca_args *a);
int ca_sign_cmd(const struct ca_args *a);
int ca_revoke_cmd(const struct ca_args *a);

#endif
