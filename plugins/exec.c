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
	struct strlist words;
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
	strlist_free(&x->words);
	free(x->path);
	free(x);
}

/*
 * Split the command into words, and make its path absolute, also in the command itself, so that the output
 * of `check --dump` can be used in another directory.  0, or ERR_FORMAT or ERR_NOMEM with the error added.
 */
static int
exec_resolve_command(struct exec *x, const struct conf *conf, const struct conf_entry *e,
    struct conf_errors *errors)
{
	char *command = NULL;

	if (strpbrk(x->command, "\"'") != NULL) {
		conf_error(errors, e->file, e->line,
		    "Command: quotes have no meaning, as there is no shell: words are split at "
		    "blanks; for more, write a script");
		return ERR_FORMAT;
	}
	if (strlist_add_words(&x->words, x->command) != 0 ||
	    (x->path = conf_path(conf, x->words.v[0])) == NULL ||
	    asprintf(&command, "%s%s", x->path, x->command + strlen(x->words.v[0])) == -1) {
		conf_error(errors, e->file, e->line, "out of memory");
		return ERR_NOMEM;
	}
	free(x->command);
	x->command = command;
	if (strpbrk(x->path, " \"'") == NULL)
		return 0;
	conf_error(errors, e->file, e->line,
	    "Command: \"%.80s\" lies below a directory with a blank or a quote in its name: move "
	    "one of them",
	    x->path);
	return ERR_FORMAT;
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
		(void)!exec_resolve_command(x, conf, e, errors);
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

/* Check the program's owner and modes.  0, or an ERR_* with why; with ERR_SYS errno is set, too. */
static int
exec_program_ok(const struct exec *x, struct reason *why)
{
	struct stat st;
	int fd, r;

	r = safe_path_open(&x->conf->file_rule, x->path, O_PATH, SAFE_PATH_TRUSTED, &fd, why);
	if (r == 0 && fstat(fd, &st) == -1)
		r = ERR_SYS;
	if (r == 0 && (st.st_mode & 0111) == 0) {
		reason_set(why, "%.400s: is not executable; run: chmod +x %.400s", x->path,
		    x->path);
		r = ERR_PERM;
	}
	fd_close(&fd);
	return r;
}

static enum plugin_result
exec_find(void *self, const struct lookup_request *request, struct route **out, struct reason *why)
{
	const struct exec *x = self;

	(void)out;
	if (x->per_key && request->by_key != NULL && *request->by_key == 0)
		*request->by_key = LOOKUP_BY_KEY;
	return exec_program_ok(x, why) == 0 ? PLUGIN_ASK : PLUGIN_FAILED;
}

static int
exec_add_variable(struct strlist *env, const char *name, const char *value)
{
	char *text;
	int r;

	if (asprintf(&text, "%s=%s", name, value == NULL ? "" : value) == -1)
		return ERR_NOMEM;
	r = strlist_add(env, text, strlen(text));
	free(text);
	return r;
}

static int
exec_command(void *self, const struct lookup_request *request, struct lookup_command *command)
{
	const struct exec *x = self;
	const struct lookup_certificate *certificate = request->certificate;
	char port[16], local_port[16];
	const char *const env[][2] = {
		{ "PWD", x->conf->base },
		{ "SALLYPORT_LOGIN", request->login },
		{ "SALLYPORT_SESSION", request->session },
		{ "SALLYPORT_CLIENT_ADDRESS", request->client_address },
		{ "SALLYPORT_CLIENT_PORT", port },
		{ "SALLYPORT_LOCAL_ADDRESS", request->local_address },
		{ "SALLYPORT_LOCAL_PORT", local_port },
		{ "SALLYPORT_HOST", request->host },
		{ "SALLYPORT_CLIENT_CERTIFICATE",
		    certificate != NULL ? certificate->fingerprint : "" },
		{ "SALLYPORT_CLIENT_CN", certificate != NULL ? certificate->cn : "" },
		{ "SALLYPORT_METHOD", request->method },
		{ "SALLYPORT_FINGERPRINT", request->fingerprint },
		{ "SALLYPORT_PUBLIC_KEY", request->public_key },
	};
	size_t i;
	int r;

	snprintf(port, sizeof(port), "%u", request->client_port);
	snprintf(local_port, sizeof(local_port), "%u", request->local_port);
	command->timeout_ms = x->timeout_ms;
	r = strlist_add(&command->argv, x->path, strlen(x->path));
	for (i = 1; r == 0 && i < x->words.n; i++)
		r = strlist_add(&command->argv, x->words.v[i], strlen(x->words.v[i]));
	if (r == 0)
		r = strlist_add(&command->argv, request->login, strlen(request->login));
	if (r == 0)
		r = strlist_add(&command->env, PROGRAM_PATH, strlen(PROGRAM_PATH));
	if (r == 0)
		r = strlist_add(&command->env, PROGRAM_LANG, strlen(PROGRAM_LANG));
	for (i = 0; r == 0 && i < sizeof(env) / sizeof(env[0]); i++)
		r = exec_add_variable(&command->env, env[i][0], env[i][1]);
	return r;
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
	int r = exec_program_ok(x, &why);

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
