#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/proctitle.h"
#include "cli/cli.h"

static int help(int argc, char **argv);

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "check", cli_check, "every error in the configuration" },
	{ "init", cli_init, "make a directory to start from: configuration and host key" },
	{ "hash-password", cli_hash_password, "the PasswordHash line of a password" },
	{ "key", cli_key, "the keys in the key store: make, add, list, remove" },
	{ "reload", cli_reload, "make the running gateway read its configuration anew" },
	{ "route", cli_route, "who answers for a login, where it leads, why not" },
	{ "serve", cli_serve, "run the gateway in the foreground" },
	{ "version", cli_version, "the versions of sallyport and its libraries" },
	{ "help", help, "this list" },
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static int
help(int argc, char **argv)
{
	size_t i;

	puts("usage: sallyport COMMAND [ARGUMENT ...]\n");
	for (i = 0; i < NCOMMANDS; i++)
		printf("  %-14s %s\n", commands[i].name, commands[i].help);
	puts("\nsallyport COMMAND --help says more about one.");
	return CLI_OK;
}

static const struct command *
command_find(const char *name)
{
	size_t i;

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	for (i = 0; i < NCOMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	const struct command *command;
	int status;

	proctitle_init(argc, argv);
	/* whoever started us may have closed these, or not have wanted to hear of its children */
	if (fd_fill_standard() != 0) {
		perror("sallyport: /dev/null");
		return CLI_FAILED;
	}
	(void)signal(SIGCHLD, SIG_DFL);
	/* a log that may not grow is no reason to end, as one that nobody reads is none */
	(void)signal(SIGXFSZ, SIG_IGN);
	if (argc < 2) {
		fprintf(stderr, "sallyport: no command given; `sallyport help` lists them\n");
		return CLI_USAGE;
	}
	status = cli_role(argc - 1, argv + 1);
	if (status != CLI_NO_ROLE)
		return status;
	command = command_find(argv[1]);
	if (command == NULL) {
		fprintf(stderr, "sallyport: unknown command \"%s\"; `sallyport help` lists them\n",
		    argv[1]);
		return CLI_USAGE;
	}
	status = command->run(argc - 1, argv + 1);
	if (fflush(stdout) != 0 && status == CLI_OK) {
		perror("sallyport: standard output");
		return CLI_FAILED;
	}
	return status;
}
