/*
 * The table of subcommands, for main(); `help` and `version`; and the options of a subcommand,
 * which each of them takes with cli_options().
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <sodium.h>

#include "base/log.h"
#include "cli/cli.h"
#include "transport/leg.h"

#define CLI_ROW(NAME) &cli_##NAME,
static const struct cli_command *const cli_commands[] = { CLI_COMMANDS(CLI_ROW) };
#undef CLI_ROW

#define N_COMMANDS (sizeof(cli_commands) / sizeof(cli_commands[0]))

static const struct cli_command *
cli_find(const char *name)
{
	size_t i;

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	for (i = 0; i < N_COMMANDS; i++) {
		if (strcmp(cli_commands[i]->name, name) == 0)
			return cli_commands[i];
	}
	return NULL;
}

static int
cli_unknown(const char *name)
{
	fprintf(stderr, "sallyport: unknown command \"%s\"; `sallyport help` lists them\n", name);
	return CLI_USAGE;
}

static int
cli_help_run(int argc, char **argv)
{
	const struct cli_command *c = argc == 2 ? cli_find(argv[1]) : NULL;
	size_t i;

	if (argc == 2 && c == NULL)
		return cli_unknown(argv[1]);
	if (c != NULL && c != &cli_help) {
		printf("%s%s", c->usage, c->help);
		return CLI_OK;
	}
	puts("usage: sallyport COMMAND [ARGUMENT ...]\n");
	for (i = 0; i < N_COMMANDS; i++)
		printf("  %-14s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
	puts("\nsallyport help COMMAND, or sallyport COMMAND --help, says more about one.");
	return CLI_OK;
}

const struct cli_command cli_help = {
	.name = "help",
	.summary = "this list, or what one command takes",
	.run = cli_help_run,
};

int
cli_run(int argc, char **argv)
{
	const struct cli_command *c = cli_find(argv[0]);

	if (c != NULL)
		return c->run(argc, argv);
	return cli_unknown(argv[0]);
}

static int
cli_version_run(int argc, char **argv)
{
	int at = cli_options(argc, argv, NULL, &cli_version);

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	if (at != argc)
		return cli_wrong_usage(&cli_version);
	printf("sallyport %s\n", SALLYPORT_VERSION);
	printf("libssh %s, of %s, built %s\n", transport_libssh_version(),
	    transport_libssh_origin(), transport_libssh_built());
	printf("libsodium %s\n", sodium_version_string());
	printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
	if (leg_global_init() == 0 && transport_aes_gcm_version() != NULL)
		printf("libipsec-mb %s\n", transport_aes_gcm_version());
	return CLI_OK;
}

const struct cli_command cli_version = {
	.name = "version",
	.summary = "the versions of sallyport and its libraries",
	.usage = "usage: sallyport version\n",
	.help = "\n"
		"Print the versions of sallyport and of its libraries.  For libssh, which is\n"
		"linked in, also print where its source came from and when it was built.\n",
	.run = cli_version_run,
};

/* --- options --- */

/* What getopt gives back for option i of the table. */
#define OPTION_CODE(i) (256 + (int)(i))

int
cli_wrong_usage(const struct cli_command *c)
{
	fputs(c->usage, stderr);
	return CLI_USAGE;
}

int
cli_wrong_words(const struct cli_command *c, const char *word, const char *text)
{
	char shown[256];

	if (word == NULL)
		fprintf(stderr, "sallyport: %s: %s\n", c->name, text);
	else
		fprintf(stderr, "sallyport: %s %s: %s\n", c->name,
		    log_vis(shown, sizeof(shown), word, strlen(word)), text);
	return cli_wrong_usage(c);
}

static int
cli_option_find(const struct cli_option *table, int ch)
{
	int i;

	for (i = 0; table != NULL && table[i].name != NULL; i++)
		if (ch == OPTION_CODE(i) || ch == table[i].letter)
			return i;
	return -1;
}

int
cli_options(int argc, char **argv, const struct cli_option *table, const struct cli_command *c)
{
	struct option longs[CLI_OPTIONS_MAX + 2] = { { "help", no_argument, NULL, 'h' } };
	char letters[2 * CLI_OPTIONS_MAX + 2] = "h";
	size_t n = 1, i;
	int ch, at;

	for (i = 0; table != NULL && table[i].name != NULL; i++) {
		if (i == CLI_OPTIONS_MAX)
			fatal("too many options");
		longs[i + 1] = (struct option){ table[i].name,
			table[i].value != NULL ? required_argument : no_argument, NULL,
			OPTION_CODE(i) };
		if (table[i].letter == 0)
			continue;
		letters[n++] = table[i].letter;
		if (table[i].value != NULL)
			letters[n++] = ':';
	}
	opterr = 0;
	while ((ch = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (ch == 'h') {
			printf("%s%s", c->usage, c->help);
			return 0;
		}
		at = cli_option_find(table, ch);
		if (at == -1) {
			if (ch == '?')
				fprintf(stderr, "sallyport: %s: wrong option %s\n", c->name,
				    argv[optind - 1]);
			(void)cli_wrong_usage(c);
			return -1;
		}
		if (table[at].value != NULL)
			*table[at].value = optarg;
		else
			*table[at].flag = 1;
	}
	return optind;
}
