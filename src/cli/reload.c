/*
 * sallyport reload: the running gateway reads its configuration anew.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "conf/conf.h"
#include "master/control.h"
#include "master/reloaded.h"

static const char usage[] = "usage: sallyport reload [-c DIR] [--json]\n";

static const char help[] =
    "\n"
    "Make the running gateway read its configuration anew: all of it, or, if there is an\n"
    "error anywhere, nothing.  Running sessions are not touched.  SIGHUP to the master does\n"
    "the same.\n"
    "  -c DIR   the configuration of the gateway meant: its ControlSocket is asked (default:\n"
    "           /etc/sallyport/conf.d if it exists, else ./conf.d)\n"
    "  --json   print one JSON object: {\"ok\":true,\"routes\":N}, or {\"ok\":false,\"count\":N,\n"
    "           \"errors\":[...]} with what would else be on standard error\n"
    "\n"
    "Exit status: 0 the new configuration is in force, 1 no gateway was reached, 2 wrong\n"
    "usage, 78 errors, each printed, and the old configuration stays in force.\n";

/*
 * Where the socket is; or NULL, with the status and what to say.  The configuration may be
 * the very one that has an error, so what is wrong with it is for the gateway to say; but
 * then its [gateway] has to be readable.
 */
static char *
socket_path(const char *dir, int *status, char **text)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	char *path = NULL;
	size_t len;
	FILE *f = open_memstream(text, &len);

	if (f == NULL)
		fatal("out of memory");
	(void)!conf_read(dir, CONF_GATEWAY, &conf, &errors);
	if (conf != NULL && conf->gateway.control_socket != NULL)
		path = strdup(conf->gateway.control_socket);
	*status = CLI_CONFIG;
	if (path == NULL) {
		conf_errors_print(&errors, f);
	} else if (strcmp(path, "none") == 0) {
		fprintf(f, "sallyport: ControlSocket is none: send SIGHUP to the master\n");
		*status = CLI_FAILED;
		free(path);
		path = NULL;
	}
	if (fclose(f) != 0)
		fatal("out of memory");
	conf_errors_free(&errors);
	conf_free(&conf);
	return path;
}

/* Ask; what is said comes in *text, which the caller frees.  The exit status. */
static int
ask(const char *path, int json, char **text)
{
	int status, r;

	r = control_ask(path, json ? "reload json" : "reload", &status, text);
	if (r == 0 && (!json || (*text)[0] == '{'))
		return status;
	if (r != 0 &&
	    asprintf(text, "sallyport: %s: %s\n", path,
		r == ERR_NOTFOUND ? "no gateway is running there" :
		    r == ERR_SYS  ? strerror(errno) :
		    r == ERR_EOF  ? "the gateway did not answer" :
				    err_str(r)) == -1)
		fatal("out of memory");
	return CLI_FAILED; /* or it is of a version that knows no JSON */
}

static void
print_json(const char *text)
{
	unsigned int lines = 0;
	const char *p;
	struct buf b;

	for (p = text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	buf_init(&b, strlen(text) * 6 + 4096);
	reloaded_put_json(&b, 0, lines, text);
	if (buf_err(&b) != 0)
		fatal("out of memory");
	fwrite(b.data, 1, b.len, stdout);
	buf_free(&b);
}

static int
reload(const char *dir, int json)
{
	char *path, *text = NULL;
	int status;

	path = socket_path(dir, &status, &text);
	if (path != NULL) {
		free(text);
		status = ask(path, json, &text);
	}
	if (json && text[0] != '{')
		print_json(text);
	else
		fputs(text, status == CLI_OK || json ? stdout : stderr);
	free(text);
	free(path);
	return status;
}

int
cli_reload(int argc, char **argv)
{
	const char *dir = NULL;
	int json = 0;
	const struct cli_option options[] = {
		{ "config", 'c', &dir, NULL },
		{ "json", 0, NULL, &json },
		{ 0 },
	};
	int at = cli_options(argc, argv, options, usage, help);

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	return at == argc ? reload(dir, json) : cli_wrong_usage(usage);
}
