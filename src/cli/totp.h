/*
 * Inside of `sallyport totp`: totp.c, totp_enroll.c and totp_list.c share this.
 */
#ifndef CLI_TOTP_H
#define CLI_TOTP_H

#include "cli/find_route.h"
#include "cli/key.h"

struct totp_args {
	struct key_args key; /* where the store is: key_store_open() */
	const char *login;   /* operand of enroll */
	const char *name;    /* --name, or the operand of reset: of the secret */
	const char *issuer;
	const char *digits;
	const char *hash;
	int import;
	int replace;
	int no_qr;
	int uri;
	int json;
};

/* The commands: a CLI_*, the reason said. */
int totp_enroll_cmd(const struct totp_args *a);
int totp_list_cmd(const struct totp_args *a);
int totp_reset_cmd(const struct totp_args *a);

/* The name of the secret that the route of a login asks for.  CLI_OK with *name malloc()ed, or a CLI_*, the
 * reason said. */
int totp_name_of_login(const char *conf_dir, const char *login, char **name);

#endif
