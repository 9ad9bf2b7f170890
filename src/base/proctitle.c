/*
 * Process titles.  Called by each process when it starts, and by sessions after the login.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/proctitle.h"

static char *title_area;
static size_t title_size;

void
proctitle_init(int argc, char **argv)
{
	char *end;
	int i;

	if (argc == 0 || argv[0] == NULL)
		return;
	end = argv[0];
	for (i = 0; i < argc && argv[i] == end; i++)
		end += strlen(argv[i]) + 1;
	for (i = 0; environ[i] != NULL && environ[i] == end; i++)
		end += strlen(environ[i]) + 1;
	title_area = argv[0];
	title_size = (size_t)(end - argv[0]);
	for (i = 0; i < argc; i++)
		argv[i] = strdup(argv[i]);
	for (i = 0; environ[i] != NULL; i++)
		environ[i] = strdup(environ[i]);
}

void
proctitle_unsetenv(const char *name)
{
	char *value = getenv(name), *entry = value == NULL ? NULL : value - strlen(name) - 1;

	unsetenv(name);
	if (title_area != NULL)
		free(entry);
}

void
proctitle_set(const char *fmt, ...)
{
	char text[1024], vis[1024];
	va_list ap;
	int n;

	if (title_area == NULL)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	log_vis(vis, sizeof(vis), text, strlen(text));
	memset(title_area, 0, title_size);
	snprintf(title_area, title_size, "sallyport: %s", vis);
}
