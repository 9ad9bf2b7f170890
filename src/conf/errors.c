/*
 * The list of errors in a configuration, each with its file and line.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/conf.h"

/* Errors that are kept: a file with ten million bad lines must not fill the memory. */
#define ERRORS_MAX 10000

void
conf_error(struct conf_errors *errors, const char *file, unsigned int line, const char *fmt, ...)
{
	struct conf_error *v, *e;
	va_list ap;

	if (errors->n > ERRORS_MAX)
		return;
	if ((errors->n & (errors->n - 1)) == 0) {
		v = reallocarray(errors->v, errors->n == 0 ? 1 : errors->n * 2, sizeof(*v));
		if (v == NULL)
			fatal("out of memory");
		errors->v = v;
	}
	e = &errors->v[errors->n];
	e->file = strdup(file);
	e->line = line;
	if (errors->n == ERRORS_MAX) {
		e->text = strdup("too many errors: the rest are not shown");
	} else {
		va_start(ap, fmt);
		if (vasprintf(&e->text, fmt, ap) == -1)
			e->text = NULL;
		va_end(ap);
	}
	if (e->file == NULL || e->text == NULL)
		fatal("out of memory");
	errors->n++;
}

void
conf_errors_print(const struct conf_errors *errors, FILE *to)
{
	char file[1024], text[4096];
	const struct conf_error *e;
	size_t i;

	for (i = 0; i < errors->n; i++) {
		e = &errors->v[i];
		log_vis(file, sizeof(file), e->file, strlen(e->file));
		log_vis(text, sizeof(text), e->text, strlen(e->text));
		if (e->line == 0)
			fprintf(to, "%s: %s\n", file, text);
		else
			fprintf(to, "%s:%u: %s\n", file, e->line, text);
	}
}

void
conf_errors_free(struct conf_errors *errors)
{
	size_t i;

	for (i = 0; i < errors->n; i++) {
		free(errors->v[i].file);
		free(errors->v[i].text);
	}
	free(errors->v);
	*errors = (struct conf_errors){ 0 };
}
