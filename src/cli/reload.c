/*
 * sallyport reload: the running gateway reads its configuration anew.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "conf/conf.h"
#include "master/control.h"

static const char usage[] = "usage: sallyport reload [-c DIR]\n";

static const char help[] =
    "\n"
    "Make the running gateway read its configuration anew: all of it, or, if there is an\n"
    "error anywhere, nothing.  Running sessions are not touched.  SIGHUP to the master does\n"
    "the same.\n"
    "  -c DIR   the configuration of the gateway meant: its ControlSocket is asked (default:\n"
    "           /etc/sallyport/conf.d if it exists, else ./conf.d)\n"
    "\n"
    "Exit status: 0 the new configuration is in force, 1 no gateway was reached, 2 wrong\n"
    "usage, 78 errors, each printed, and the old configuration stays in force.\n";

/*
 * Where the socket is.  The configuration may be the very one that has an error, so what
 * is wrong with it is for the gateway to say; but then its [gateway] has to be readable.
 */
static char *
socket_path(const char *dir, int *status)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	char *path = NULL;

	*status = CLI_OK;
	(void)!conf_read(dir, CONF_GATEWAY, &conf, &errors);
	if (conf != NULL && conf->gateway.control_socket != NULL)
		path = strdup(conf->gateway.control_socket);
	if (path == NULL) {
		conf_errors_print(&errors, stderr);
		*status = CLI_CONFIG;
	} else if (strcmp(path, "none") == 0) {
		fprintf(stderr, "sallyport: ControlSocket is none: send SIGHUP to the master\n");
		*status = CLI_FAILED;
	}
	conf_errors_free(&errors);
	conf_free(&conf);
	return path;
}

static int
reload(const char *dir)
{
	char *path, *text;
	int status, r;

	path = socket_path(dir, &status);
	if (status != CLI_OK) {
		free(path);
		return status;
	}
	r = control_ask(path, "reload", &status, &text);
	if (r == 0) {
		fputs(text, status == 0 ? stdout : stderr);
	} else {
		fprintf(stderr, "sallyport: %s: %s\n", path,
		    r == ERR_NOTFOUND ? "no gateway is running there" :
			r == ERR_SYS  ? strerror(errno) :
			r == ERR_EOF  ? "the gateway did not answer" :
					err_str(r));
		status = CLI_FAILED;
	}
	free(text);
	free(path);
	return status;
}

int
cli_reload(int argc, char **argv)
{
	const char *dir = NULL;
	const struct cli_option options[] = { { "config", 'c', &dir, NULL }, { 0 } };
	int at = cli_options(argc, argv, options, usage, help);

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	return at == argc ? reload(dir) : cli_wrong_usage(usage);
}
