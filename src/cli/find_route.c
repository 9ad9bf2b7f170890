/*
 * The lookup chain from beginning to end, for `route LOGIN` and `key public --for`.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/find_route.h"
#include "errand/run.h"

/* The strings with a NULL behind them, as execve(2) takes them. */
static char **
find_route_words(const struct strlist *l)
{
	char **v = calloc(l->n + 1, sizeof(*v));

	if (v != NULL && l->n > 0)
		memcpy(v, l->v, l->n * sizeof(*v));
	return v;
}

int
find_route_open(struct find_route *f, const char *dir)
{
	struct conf_errors errors = { 0 };
	int status = CLI_OK;

	*f = (struct find_route){ 0 };
	as_user_init(&f->as, dir);
	as_user_keeper(&f->as);
	if (conf_load(dir, CONF_ALL, &f->conf, &errors) != 0 ||
	    lookup_new(f->conf, &errors, &f->lookup) != 0) {
		conf_errors_print(&errors, stderr);
		status = CLI_CONFIG;
	}
	conf_errors_free(&errors);
	return status;
}

void
find_route_close(struct find_route *f)
{
	as_user_self();
	route_free(&f->route);
	lookup_free(&f->lookup);
	conf_free(&f->conf);
	as_user_free(&f->as);
}

/* Run a program for the lookup, and hand its answer to the backend. */
static enum lookup_result
find_route_ask(struct find_route *f, const struct lookup_request *request,
    struct lookup_pending *pending, FILE *to)
{
	char **argv = find_route_words(&pending->command.argv);
	char **env = find_route_words(&pending->command.env);
	char **closed = find_route_words(&pending->command.closed);
	char **fixed = find_route_words(&pending->command.fixed);
	enum lookup_result result;
	struct lookup_reply reply;
	struct run_result ran;
	struct run_order order;

	if (argv == NULL || env == NULL || closed == NULL || fixed == NULL)
		fatal("out of memory");
	order = (struct run_order){ .argv = argv,
		.env = env,
		.user = as_user_programs_user(&f->as),
		.confined = { .closed = closed,
		    .fixed = fixed,
		    .own_user = f->as.users.programs != NULL },
		.timeout_ms = pending->command.timeout_ms,
		.max = LOOKUP_REPLY_MAX,
		.watched = -1 };
	as_user_self();
	run_program(&order, &ran);
	as_user_keeper(&f->as);
	if (ran.failure[0] == '\0')
		fprintf(to, "asked      %s: exit status %d, %zu bytes\n", argv[0], ran.status,
		    ran.out.len);
	else
		fprintf(to, "asked      %s: %s\n", argv[0], ran.failure);
	reply = (struct lookup_reply){ ran.failure, ran.status, ran.out.data, ran.out.len,
		ran.said };
	result = lookup_answer(f->lookup, request, pending, &reply, &f->route);
	buf_free(&ran.out);
	free(argv);
	free(env);
	free(closed);
	free(fixed);
	return result;
}

enum lookup_result
find_route(struct find_route *f, const struct lookup_request *request, FILE *to)
{
	struct lookup_pending pending;
	enum lookup_result result;
	struct reason why;

	result = lookup_begin(f->lookup, request, &pending, &f->route);
	while (result == LOOKUP_ASK)
		result = find_route_ask(f, request, &pending, to);
	/* what nobody logs in by, but an administrator asks about */
	if (result == LOOKUP_NOT_FOUND &&
	    lookup_section(f->lookup, request->login, &f->route, &why) == 0 &&
	    f->route->mode == ROUTE_HOP)
		return LOOKUP_FOUND;
	if (result != LOOKUP_FOUND)
		route_free(&f->route);
	return result;
}
