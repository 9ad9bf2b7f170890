#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/options.h"

/* What getopt gives back for option i of the table. */
#define CODE(i) (256 + (int)(i))

int
cli_wrong_usage(const char *usage)
{
	fputs(usage, stderr);
	return CLI_USAGE;
}

static int
find(const struct cli_option *table, int ch)
{
	int i;

	for (i = 0; table[i].name != NULL; i++)
		if (ch == CODE(i) || ch == table[i].letter)
			return i;
	return -1;
}

int
cli_options(int argc, char **argv, const struct cli_option *table, const char *usage,
    const char *help)
{
	struct option longs[CLI_OPTIONS_MAX + 2] = { { "help", no_argument, NULL, 'h' } };
	char letters[2 * CLI_OPTIONS_MAX + 2] = "h";
	size_t n = 1, i;
	int ch, at;

	for (i = 0; table[i].name != NULL; i++) {
		if (i == CLI_OPTIONS_MAX)
			fatal("too many options");
		longs[i + 1] = (struct option){ table[i].name,
			table[i].value != NULL ? required_argument : no_argument, NULL, CODE(i) };
		if (table[i].letter == 0)
			continue;
		letters[n++] = table[i].letter;
		if (table[i].value != NULL)
			letters[n++] = ':';
	}
	opterr = 0;
	while ((ch = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (ch == 'h') {
			printf("%s%s", usage, help);
			return 0;
		}
		at = find(table, ch);
		if (at == -1) {
			(void)cli_wrong_usage(usage);
			return -1;
		}
		if (table[at].value != NULL)
			*table[at].value = optarg;
		else
			*table[at].flag = 1;
	}
	return optind;
}
