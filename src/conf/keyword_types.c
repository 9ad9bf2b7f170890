#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/keyword.h"

/* Longer values are named by their beginning. */
#define SHOWN "\"%.80s\""

static void
clear_text(void *field)
{
	char **p = field;

	free(*p);
	*p = NULL;
}

static void
clear_list(void *field)
{
	strlist_free(field);
}

static void
print_text(const struct keyword *kw, const void *field, FILE *to)
{
	char *const *p = field;

	if (*p != NULL)
		fprintf(to, "%s = %s\n", kw->name, *p);
}

static void
print_words(const struct keyword *kw, const void *field, FILE *to)
{
	const struct strlist *l = field;
	size_t i;

	if (l->n == 0)
		return;
	fprintf(to, "%s =", kw->name);
	for (i = 0; i < l->n; i++)
		fprintf(to, " %s", l->v[i]);
	fputc('\n', to);
}

static int
set_int(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	size_t len = strlen(value);
	long n;

	if ((kw->flags & KEYWORD_NONE) && strcasecmp(value, "none") == 0) {
		*(int *)field = 0;
		return 0;
	}
	n = len > 9 || strspn(value, "0123456789") != len ? -1 : atol(value);
	if (n < kw->min || n > kw->max)
		return keyword_bad(ctx->why, SHOWN " is not a number from %ld to %ld%s", value,
		    kw->min, kw->max, kw->flags & KEYWORD_NONE ? " or none" : "");
	*(int *)field = (int)n;
	return 0;
}

static void
print_int(const struct keyword *kw, const void *field, FILE *to)
{
	int n = *(const int *)field;

	if (n == 0 && (kw->flags & KEYWORD_NONE))
		fprintf(to, "%s = none\n", kw->name);
	else
		fprintf(to, "%s = %d\n", kw->name, n);
}

const struct keyword_type keyword_int = { set_int, print_int, NULL };

static int
set_time(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	int ms;

	if (conf_time(value, &ms) != 0)
		return keyword_bad(ctx->why,
		    SHOWN " is not a time: write 30s, 5m, 1h30m%s, at most 24 days", value,
		    kw->min == 0 ? " or none" : "");
	if (ms < kw->min)
		return keyword_bad(ctx->why, SHOWN " is too short: at least %lds", value,
		    kw->min / 1000);
	if (kw->max != 0 && ms > kw->max)
		return keyword_bad(ctx->why, SHOWN " is too long: at most %lds", value,
		    kw->max / 1000);
	*(int *)field = ms;
	return 0;
}

static void
print_time(const struct keyword *kw, const void *field, FILE *to)
{
	int ms = *(const int *)field;

	if (ms == 0)
		fprintf(to, "%s = none\n", kw->name);
	else
		fprintf(to, "%s = %ds\n", kw->name, ms / 1000);
}

const struct keyword_type keyword_time = { set_time, print_time, NULL };

static int
set_port(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	if (conf_port(value, field) != 0)
		return keyword_bad(ctx->why, SHOWN " is not a port: 1 to 65535", value);
	return 0;
}

static void
print_port(const struct keyword *kw, const void *field, FILE *to)
{
	fprintf(to, "%s = %u\n", kw->name, *(const uint16_t *)field);
}

const struct keyword_type keyword_port = { set_port, print_port, NULL };

/* Which of the choices it is, or -1 with why. */
static int
choice_find(const struct keyword *kw, const char *value, char why[KEYWORD_WHY_SIZE])
{
	size_t i, len;

	for (i = 0; kw->choices[i] != NULL; i++)
		if (strcasecmp(kw->choices[i], value) == 0)
			return (int)i;
	keyword_bad(why, SHOWN " is none of:", value);
	for (i = 0; kw->choices[i] != NULL; i++) {
		len = strlen(why);
		snprintf(why + len, KEYWORD_WHY_SIZE - len, " %s", kw->choices[i]);
	}
	return -1;
}

static int
set_choice(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	int i = choice_find(kw, value, ctx->why);

	if (i == -1)
		return ERR_FORMAT;
	*(int *)field = i;
	return 0;
}

static void
print_choice(const struct keyword *kw, const void *field, FILE *to)
{
	fprintf(to, "%s = %s\n", kw->name, kw->choices[*(const int *)field]);
}

const struct keyword_type keyword_choice = { set_choice, print_choice, NULL };

static int
set_text(char **field, const char *value)
{
	free(*field);
	*field = strdup(value);
	return *field == NULL ? ERR_NOMEM : 0;
}

static int
set_name(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	int i = choice_find(kw, value, ctx->why);

	return i == -1 ? ERR_FORMAT : set_text(field, kw->choices[i]);
}

const struct keyword_type keyword_name = { set_name, print_text, clear_text };

static int
set_string(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	if (kw->check != NULL && kw->check(value, ctx->why) != 0)
		return ERR_FORMAT;
	return set_text(field, value);
}

const struct keyword_type keyword_string = { set_string, print_text, clear_text };

int
keyword_check_path(const char *path, char why[KEYWORD_WHY_SIZE])
{
	if (path[0] == '"' || path[0] == '\'')
		return keyword_bad(why, "a path is written without quotes");
	if (path[0] == '~')
		return keyword_bad(why, "~ is not expanded: write the path out");
	return 0;
}

static int
set_path(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	char **p = field;

	if (keyword_check_path(value, ctx->why) != 0)
		return ERR_FORMAT;
	free(*p);
	if ((kw->flags & KEYWORD_NONE) && strcasecmp(value, "none") == 0)
		*p = strdup("none");
	else
		*p = conf_path(ctx->conf, value);
	return *p == NULL ? ERR_NOMEM : 0;
}

const struct keyword_type keyword_path = { set_path, print_text, clear_text };

static int
set_words(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	struct strlist words = { 0 }, *l = field;
	size_t i;
	int err;

	err = strlist_add_words(&words, value);
	for (i = 0; err == 0 && i < words.n; i++) {
		if (kw->check != NULL)
			err = kw->check(words.v[i], ctx->why);
		if (err == 0 && strlist_has(l, words.v[i]))
			err = keyword_bad(ctx->why, SHOWN " stands there twice", words.v[i]);
		if (err == 0)
			err = strlist_add(l, words.v[i], strlen(words.v[i]));
	}
	strlist_free(&words);
	return err;
}

const struct keyword_type keyword_words = { set_words, print_words, clear_list };

static int
set_paths(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	struct strlist words = { 0 };
	size_t i;
	char *path;
	int err;

	err = strlist_add_words(&words, value);
	for (i = 0; err == 0 && i < words.n; i++) {
		err = keyword_check_path(words.v[i], ctx->why);
		if (err == 0 && kw->check != NULL)
			err = kw->check(words.v[i], ctx->why);
		if (err != 0)
			break;
		path = conf_path(ctx->conf, words.v[i]);
		if (path == NULL)
			err = ERR_NOMEM;
		else if (!ctx->conf->passing && strchr(path, ' ') != NULL)
			err = keyword_bad(ctx->why,
			    SHOWN " lies below a directory with a blank in its name, and in a list "
				  "of paths a blank begins the next: move one of them",
			    path);
		/* once more, with the directory it begins at */
		if (err == 0 && kw->check != NULL)
			err = kw->check(path, ctx->why);
		if (err == 0)
			err = strlist_add(field, path, strlen(path));
		free(path);
	}
	strlist_free(&words);
	return err;
}

const struct keyword_type keyword_paths = { set_paths, print_words, clear_list };

static int
set_line(const struct keyword *kw, void *field, const char *value, struct keyword_ctx *ctx)
{
	if (kw->check != NULL && kw->check(value, ctx->why) != 0)
		return ERR_FORMAT;
	return strlist_add(field, value, strlen(value));
}

static void
print_lines(const struct keyword *kw, const void *field, FILE *to)
{
	const struct strlist *l = field;
	size_t i;

	for (i = 0; i < l->n; i++)
		fprintf(to, "%s = %s\n", kw->name, l->v[i]);
}

const struct keyword_type keyword_lines = { set_line, print_lines, clear_list };
