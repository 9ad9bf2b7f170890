/*
 * Finds the control socket of a running gateway, gives it an order and prints what it answers:
 * reload.c calls this.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/access_hint.h"
#include "base/buf.h"
#include "base/log.h"
#include "cli/as_user.h"
#include "cli/cli.h"
#include "cli/control_ask.h"
#include "conf/conf.h"
#include "ipc/control_socket.h"

/*
 * The path of the socket; or NULL, with the status and what to say.  Of the configuration only
 * [gateway] has to be readable here: the rest may have the very error that the gateway is to
 * report.
 */
static char *
control_ask_path(const struct control_request *q, int *status, char **text)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	char *path = NULL;
	size_t len;
	FILE *f = open_memstream(text, &len);

	if (f == NULL)
		fatal("out of memory");
	as_user_hints(q->conf_dir);
	(void)!conf_read(q->conf_dir, CONF_GATEWAY, &conf, &errors);
	if (conf != NULL && conf->gateway.control_socket != NULL)
		path = strdup(conf->gateway.control_socket);
	*status = CLI_CONFIG;
	if (path == NULL) {
		conf_errors_print(&errors, f);
	} else if (strcmp(path, "none") == 0) {
		fprintf(f, "sallyport: ControlSocket is none: %s\n", q->instead);
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

/* The exit status; what to print comes in *text, which the caller frees. */
static int
control_ask_at(const struct control_request *q, const char *path, char **text)
{
	char request[CONTROL_REQUEST_MAX];
	int status, r, closed;

	snprintf(request, sizeof(request), "%s%s", q->order, q->json ? " json" : "");
	r = control_socket_ask(path, request, &status, text);
	closed = r == ERR_SYS && errno == EACCES && access_hint_instead() != NULL;
	if (r == 0 && (!q->json || (*text)[0] == '{'))
		return status;
	if (r != 0 &&
	    asprintf(text, "sallyport: %s: %s%s%s\n", path,
		r == ERR_NOTFOUND ? "no gateway is running there" :
		    r == ERR_SYS  ? strerror(errno) :
		    r == ERR_EOF  ? "the gateway did not answer" :
				    err_str(r),
		closed ? ": " : "", closed ? access_hint_instead() : "") == -1)
		fatal("out of memory");
	return CLI_FAILED; /* without an error: a gateway of a version that knows no JSON */
}

static void
control_ask_print_errors(const char *text)
{
	unsigned int lines = 0;
	const char *p;
	struct buf b;

	for (p = text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	buf_init(&b, strlen(text) * 6 + 4096);
	control_socket_put_errors(&b, lines, text);
	if (buf_err(&b) != 0)
		fatal("out of memory");
	fwrite(b.data, 1, b.len, stdout);
	buf_free(&b);
}

int
control_ask(const struct control_request *q)
{
	char *path, *text = NULL;
	int status;

	path = control_ask_path(q, &status, &text);
	if (path != NULL) {
		free(text);
		status = control_ask_at(q, path, &text);
	}
	if (q->json && text[0] != '{')
		control_ask_print_errors(text);
	else
		fputs(text, status == CLI_OK || q->json ? stdout : stderr);
	free(text);
	free(path);
	return status;
}
