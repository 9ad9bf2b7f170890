/*
 * sallyport reload: the running gateway reads its configuration anew.
 */
#include <stddef.h>

#include "cli/cli.h"
#include "cli/control_ask.h"

static int
reload_run(int argc, char **argv)
{
	struct control_request request = { .order = "reload",
		.instead = "send SIGHUP to the master" };
	const struct cli_option options[] = {
		{ "config", 'c', &request.conf_dir, NULL },
		{ "json", 0, NULL, &request.json },
		{ 0 },
	};
	int at = cli_options(argc, argv, options, &cli_reload);

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	return at == argc ? control_ask(&request) : cli_wrong_usage(&cli_reload);
}

const struct cli_command cli_reload = {
	.name = "reload",
	.summary = "make the running gateway reload its configuration",
	.usage = "usage: sallyport reload [-c DIR] [--json]\n",
	.help =
	    "\n"
	    "Make the running gateway reload its configuration.  If there is an error\n"
	    "anywhere, nothing changes.  Running sessions are not affected.  SIGHUP to the\n"
	    "master does the same.\n"
	    "  -c DIR   the configuration of the gateway, which names its ControlSocket\n"
	    "           (default: /etc/sallyport/conf.d if it exists, else ./conf.d)\n"
	    "  --json   print one JSON object: {\"ok\":true,\"routes\":N} with \"notes\":[...]\n"
	    "           if there are any, or\n"
	    "           {\"ok\":false,\"count\":N,\"errors\":[...]} with the lines otherwise on\n"
	    "           standard error\n"
	    "\n"
	    "Exit status: 0 the new configuration is in force, 1 no gateway was reached, 2\n"
	    "wrong usage, 78 errors, each printed, and the old configuration stays in force.\n",
	.run = reload_run,
};
