/*
 * sallyport: one program for all subcommands (src/cli/cli.h) and for the processes of the gateway.
 */
#include <signal.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/proctitle.h"
#include "cli/cli.h"

int
main(int argc, char **argv)
{
	int status;

	proctitle_init(argc, argv);
	/* the parent may have closed these, or ignored SIGCHLD */
	if (fd_fill_standard() != 0) {
		perror("sallyport: /dev/null");
		return CLI_FAILED;
	}
	(void)signal(SIGCHLD, SIG_DFL);
	/* a log file at its size limit (RLIMIT_FSIZE) must not end the program */
	(void)signal(SIGXFSZ, SIG_IGN);
	if (argc < 2) {
		fprintf(stderr, "sallyport: no command given; `sallyport help` lists them\n");
		return CLI_USAGE;
	}
	status = cli_role(argc - 1, argv + 1);
	if (status != CLI_NO_ROLE)
		return status;
	status = cli_run(argc - 1, argv + 1);
	if (fflush(stdout) != 0 && status == CLI_OK) {
		perror("sallyport: standard output");
		return CLI_FAILED;
	}
	return status;
}
