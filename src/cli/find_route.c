/*
 * The lookup chain from beginning to end, for `route LOGIN` and `key public --for`.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
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

enum lookup_result
find_route(const struct as_user *as, struct lookup *lookup, const struct lookup_request *request,
    FILE *to, struct route **r)
{
	struct lookup_pending pending;
	struct lookup_reply reply;
	struct run_result ran;
	enum lookup_result result;
	struct run_order order;
	char **argv, **env, **closed, **fixed;

	result = lookup_begin(lookup, request, &pending, r);
	while (result == LOOKUP_ASK) {
		argv = find_route_words(&pending.command.argv);
		env = find_route_words(&pending.command.env);
		closed = find_route_words(&pending.command.closed);
		fixed = find_route_words(&pending.command.fixed);
		if (argv == NULL || env == NULL || closed == NULL || fixed == NULL)
			fatal("out of memory");
		as_user_self();
		order = (struct run_order){ .argv = argv,
			.env = env,
			.user = as_user_programs_user(as),
			.confined = { .closed = closed,
			    .fixed = fixed,
			    .own_user = as->users.programs != NULL },
			.timeout_ms = pending.command.timeout_ms,
			.max = LOOKUP_REPLY_MAX,
			.watched = -1 };
		run_program(&order, &ran);
		as_user_keeper(as);
		if (ran.failure[0] == '\0')
			fprintf(to, "asked      %s: exit status %d, %zu bytes\n", argv[0],
			    ran.status, ran.out.len);
		else
			fprintf(to, "asked      %s: %s\n", argv[0], ran.failure);
		reply = (struct lookup_reply){ ran.failure, ran.status, ran.out.data, ran.out.len,
			ran.said };
		result = lookup_answer(lookup, request, &pending, &reply, r);
		buf_free(&ran.out);
		free(argv);
		free(env);
		free(closed);
		free(fixed);
	}
	return result;
}
