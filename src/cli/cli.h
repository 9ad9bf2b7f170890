/*
 * The subcommands, one file each.  To add one: write src/cli/NAME.c with a
 * cli_NAME() like those below, declare it here, and give it its line in the
 * table of src/main.c.
 *
 * Each gets its own name as argv[0] and returns one of the CLI_* as the
 * program's exit status.  Each answers --help, on standard output.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stddef.h>

enum cli_status {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,	 /* said on standard error what is wrong with the command line */
	CLI_CONFIG = 78, /* EX_CONFIG: the configuration has errors, each reported */
};

/* A role of the gateway's that the program was executed anew for (role.c); CLI_NO_ROLE: argv[0] is none. */
#define CLI_NO_ROLE (-1)
int cli_role(int argc, char **argv);

int cli_check(int argc, char **argv);
int cli_hash_password(int argc, char **argv);
int cli_init(int argc, char **argv);
int cli_key(int argc, char **argv);
int cli_reload(int argc, char **argv);
int cli_route(int argc, char **argv);
int cli_serve(int argc, char **argv);
int cli_version(int argc, char **argv);

/* Make an ed25519 key in the key store of a configuration, and the store if there is none;
 * "ED25519 SHA256:..." goes to fingerprint.  A CLI_*, the reason said. */
int cli_key_make(const char *conf_dir, const char *name, char *fingerprint, size_t size);

#endif
