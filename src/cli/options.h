/*
 * The options of a subcommand, the same way for each of them.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#define CLI_OPTIONS_MAX 12

/* One option: it sets *flag, or takes a value that goes to *value. */
struct cli_option {
	const char *name;
	char letter; /* or 0: the long form alone */
	const char **value;
	int *flag;
};

/*
 * Take the options out of argv; --help and -h are always among them.  table ends with an
 * entry without a name.  Returns where in argv the operands begin (at most argc), 0 if
 * help was asked for and has been printed, usage first; -1 if something is wrong: usage
 * has been printed on standard error.
 */
int cli_options(int argc, char **argv, const struct cli_option *table, const char *usage,
    const char *help);

/* Print it on standard error.  CLI_USAGE. */
int cli_wrong_usage(const char *usage);

#endif
