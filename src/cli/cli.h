/*
 * The subcommands.  To add one, write src/cli/NAME.c with a struct cli_command cli_NAME like
 * the others, and add NAME to the list below: that is its row in the table.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stddef.h>

/* In the order of `sallyport help`. */
#define CLI_COMMANDS(X)  \
	X(ca)            \
	X(check)         \
	X(init)          \
	X(hash_password) \
	X(key)           \
	X(reload)        \
	X(route)         \
	X(serve)         \
	X(totp)          \
	X(version)       \
	X(help)

enum cli_status {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,	 /* said on standard error what is wrong with the command line */
	CLI_CONFIG = 78, /* EX_CONFIG: the configuration has errors, each reported */
};

struct cli_command {
	const char *name;
	const char *summary; /* its line in `sallyport help` */
	const char *usage;   /* "usage: sallyport NAME ...\n" */
	const char *help;    /* what --help prints below the usage; begins with a blank line */

	/* argv[0] is the name.  One of the CLI_*, the program's exit status. */
	int (*run)(int argc, char **argv);
};

#define CLI_DECLARE(NAME) extern const struct cli_command cli_##NAME;
CLI_COMMANDS(CLI_DECLARE)
#undef CLI_DECLARE

/* Run the subcommand that argv[0] names.  The program's exit status. */
int cli_run(int argc, char **argv);

/* One option: it sets *flag, or takes a value that goes to *value. */
struct cli_option {
	const char *name;
	char letter; /* or 0: the long form alone */
	const char **value;
	int *flag;
};

#define CLI_OPTIONS_MAX 24

/*
 * Take the options out of argv; --help and -h are always among them.  table ends with an
 * entry without a name; NULL: there are no others.  Returns where in argv the operands begin
 * (at most argc), 0 if help was asked for and has been printed; -1 if something is wrong: the
 * usage has been printed on standard error.
 */
int cli_options(int argc, char **argv, const struct cli_option *table, const struct cli_command *c);

/* Print the usage on standard error.  CLI_USAGE. */
int cli_wrong_usage(const struct cli_command *c);

/* The same, below a line that says what is wrong with the words after the command; word: the first of them, or NULL. */
int cli_wrong_words(const struct cli_command *c, const char *word, const char *text);

/* The role, if argv[0] names one, that the master has executed the program anew for
 * (role.c): its exit status.  CLI_NO_ROLE: argv[0] is none. */
#define CLI_NO_ROLE (-1)
int cli_role(int argc, char **argv);

/* Make an ed25519 key in the key store of a configuration, and the store if there is none;
 * "ED25519 SHA256:..." goes to fingerprint.  A CLI_*, the reason said. */
int cli_key_make(const char *conf_dir, const char *name, char *fingerprint, size_t size);

#endif
