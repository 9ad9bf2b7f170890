/*
 * The lookup backend "exec": a program prints the route of a login.  An errand runs it (or
 * `sallyport route`); this file makes its arguments and environment, and a route of its output.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lookup/plugin.h"

struct exec {
	const struct conf *conf;
	char *command; /* a path and its arguments, split at blanks */
	int timeout_ms;
	int per_key;
	char *run_as; /* used by the master alone, which reads it itself (master/users.c) */
	char *path;   /* absolute path of the program */
};

static const char *const yes_no[] = { "no", "yes", NULL };

static const struct keyword exec_table[] = {
	{ .name = "Command", .type = &keyword_string, .offset = offsetof(struct exec, command) },
	{ .name = "Timeout",
	    .type = &keyword_time,
	    .offset = offsetof(struct exec, timeout_ms),
	    .value = "5s",
	    .min = 1000,
	    .max = 60 * 1000 },
	{ .name = "RunAs", .type = &keyword_string, .offset = offsetof(struct exec, run_as) },
	{ .name = "PerKey",
	    .type = &keyword_choice,
	    .offset = offsetof(struct exec, per_key),
	    .choices = yes_no,
	    .value = "no" },
};

#define NKEYWORDS (sizeof(exec_table) / sizeof(exec_table[0]))

static void
exec_free(void *self)
{
	struct exec *x = self;

	if (x == NULL)
		return;
	keyword_clear(exec_table, NKEYWORDS, x);
	free(x->path);
	free(x);
}

/* Make the program's path absolute, also in the command itself, so that the output of `check --dump` can be
 * used in another directory.  An error is added. */
static void
exec_resolve_command(struct exec *x, const struct conf *conf, const struct conf_entry *e,
    struct conf_errors *errors)
{
	struct reason why;
	char *command;

	if (program_resolve(conf, x->command, &command, &why) != 0) {
		conf_error(errors, e->file, e->line, "Command: %s", why.text);
		return;
	}
	free(x->command);
	x->command = command;
	x->path = program_path(command);
	if (x->path == NULL)
		conf_error(errors, e->file, e->line, "out of memory");
}

static void
exec_parse(struct exec *x, const struct conf *conf, const struct conf_section *section,
    struct conf_errors *errors)
{
	struct keyword_ctx ctx = { .conf = conf };
	const struct conf_entry *e = conf_entry_find(section, "Command");

	keyword_parse(exec_table, NKEYWORDS, section, x, &ctx, errors);
	if (e == NULL) {
		conf_error(errors, section->file, section->line,
		    "[lookup exec] needs Command: the program to run");
		return;
	}
	if (x->command != NULL)
		exec_resolve_command(x, conf, e, errors);
}

static int
exec_new(const struct conf *conf, const struct conf_section *section, struct conf_errors *errors,
    void **self)
{
	struct exec *x = calloc(1, sizeof(*x));
	size_t before = errors->n;
	unsigned int line;
	const char *file;

	if (x == NULL) {
		conf_error(errors, conf->dir, 0, "out of memory");
		return ERR_CONFIG;
	}
	x->conf = conf;
	if (section == NULL) {
		file = conf_where(conf, "lookup", "Order", &line);
		conf_error(errors, file, line,
		    "lookup backend exec needs a section [lookup exec] with Command");
	} else {
		exec_parse(x, conf, section, errors);
	}
	if (errors->n != before) {
		exec_free(x);
		return ERR_CONFIG;
	}
	*self = x;
	return 0;
}

static enum plugin_result
exec_find(void *self, const struct lookup_request *request, struct route **out, struct reason *why)
{
	const struct exec *x = self;

	(void)out;
	if (x->per_key && request->by_key != NULL && *request->by_key == 0)
		*request->by_key = LOOKUP_BY_KEY;
	return program_check(&x->conf->file_rule, x->command, why) == 0 ? PLUGIN_ASK :
									  PLUGIN_FAILED;
}

static int
exec_command(void *self, const struct lookup_request *request, struct lookup_command *command)
{
	const struct exec *x = self;

	command->timeout_ms = x->timeout_ms;
	return program_put(x->command, x->conf->base, request, command);
}

static enum plugin_result
exec_answer(void *self, const struct lookup_request *request, const struct lookup_reply *reply,
    struct route **out, struct reason *why)
{
	const struct exec *x = self;
	struct route_origin origin = { .login = request->login, .source = x->path };
	const char *colon = reply->said[0] == '\0' ? "" : ": ";
	struct route_text t = { 0 };

	if (reply->failure[0] != '\0') {
		reason_set(why, "%.80s: %.100s%s%.60s", x->path, reply->failure, colon,
		    reply->said);
		return PLUGIN_FAILED;
	}
	if (reply->status == 1)
		return PLUGIN_NEXT;
	if (reply->status != 0) {
		reason_set(why, "%.80s: exit status %d%s%.120s", x->path, reply->status, colon,
		    reply->said);
		return PLUGIN_FAILED;
	}
	if (route_text_read(&t, &origin, reply->out, reply->len) != 0) {
		route_text_free(&t);
		reason_set(why, "out of memory");
		return PLUGIN_FAILED;
	}
	return route_text_make(x->conf, &t, &origin, out, why) == 0 ? PLUGIN_FOUND : PLUGIN_FAILED;
}

/* Add an error at the line of Command. */
static void
exec_command_error(const struct conf *conf, struct conf_errors *errors, const char *path,
    const char *why)
{
	const struct conf_entry *e;
	size_t i;

	for (i = 0; i < conf->lookup.n; i++) {
		if (strcmp(conf->lookup.sections[i].name, "exec") != 0)
			continue;
		e = conf_entry_find(&conf->lookup.sections[i], "Command");
		conf_error(errors, e->file, e->line, "Command: %s%s%s", path,
		    path[0] == '\0' ? "" : ": ", why);
	}
}

static void
exec_check(void *self, const struct conf *conf, struct conf_errors *errors)
{
	const struct exec *x = self;
	struct reason why, closed;
	int r = program_check(&x->conf->file_rule, x->command, &why);

	if (r == ERR_SYS && errno == EACCES) {
		(void)access_hint(x->path, X_OK, &closed);
		exec_command_error(conf, errors, x->path, closed.text);
	} else if (r != 0) {
		exec_command_error(conf, errors, "", why.text);
	}
}

static void
exec_check_run(void *self, const struct conf *conf, struct conf_errors *errors)
{
	const struct exec *x = self;
	struct reason closed;

	if (faccessat(AT_FDCWD, x->path, X_OK, AT_EACCESS) == 0 || errno != EACCES)
		return;
	(void)access_hint(x->path, X_OK, &closed);
	exec_command_error(conf, errors, x->path, closed.text);
}

const struct lookup_plugin plugin_exec = {
	.name = "exec",
	.keywords = exec_table,
	.n_keywords = NKEYWORDS,
	.new = exec_new,
	.find = exec_find,
	.command = exec_command,
	.answer = exec_answer,
	.check = exec_check,
	.check_run = exec_check_run,
	.free = exec_free,
};
