/*
 * The errand that runs a lookup program.  A role of cli/role.c, executed by the master or the starter.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/names.h"
#include "base/program.h"
#include "base/strlist.h"
#include "base/proctitle.h"
#include "errand/confine.h"
#include "errand/errand.h"
#include "errand/run.h"
#include "ipc/messages.h"

#define ERRAND_OUTPUT_MAX 65536
#define ERRAND_TIMEOUT_MAX_MS (3600 * 1000)

/* Is argv this command followed by a login, with the environment of lookups and nothing more? */
static int
errand_run_permitted(char *const *argv, char *const *env, const char *base, const char *command)
{
	struct strlist words = { 0 };
	int ok;
	size_t i;

	if (strlist_add_words(&words, command) != 0)
		return 0;
	for (i = 0; i < words.n && argv[i] != NULL && strcmp(argv[i], words.v[i]) == 0; i++)
		;
	ok = words.n > 0 && i == words.n && argv[i] != NULL &&
	    login_name_ok(argv[i], strlen(argv[i])) && argv[i + 1] == NULL;
	strlist_free(&words);
	for (; ok && *env != NULL; env++)
		ok = strncmp(*env, "SALLYPORT_", 10) == 0 || strcmp(*env, PROGRAM_PATH) == 0 ||
		    strcmp(*env, PROGRAM_LANG) == 0 ||
		    (strncmp(*env, "PWD=", 4) == 0 && strcmp(*env + 4, base) == 0);
	return ok;
}

void
errand_run(int sock, const char *base, const char *command)
{
	static uint8_t message[IPC_MAX];
	struct ipc_msg msg;
	struct run_order order = { .max = ERRAND_OUTPUT_MAX, .watched = sock };
	static char *none[] = { NULL };
	struct run_result result;
	struct ipc_run run;
	struct ipc_ran ran;
	struct buf b;

	if (errand_confine_run() != 0 ||
	    ipc_recv(sock, message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg) != 0 ||
	    msg.type != IPC_RUN || ipc_run_get(&msg.body, &run) != 0)
		_exit(1);
	if (run.argv.n == 0 || run.timeout_ms > ERRAND_TIMEOUT_MAX_MS)
		_exit(1);
	order.argv = run.argv.v;
	order.env = run.env.n > 0 ? run.env.v : none;
	if (command != NULL && !errand_run_permitted(order.argv, order.env, base, command)) {
		log_error("RunAs is for the command %s only: another one is not run", command);
		_exit(1);
	}
	signal(SIGTERM, SIG_DFL);
	/* run_program() keeps the time limit; this is in case it does not */
	alarm(run.timeout_ms / 1000 + 5);
	proctitle_set("errand exec %s", order.argv[0]);
	order.confined.closed = run.closed.v;
	order.confined.fixed = run.fixed.v;
	order.confined.own_user = command != NULL;
	order.timeout_ms = (int)run.timeout_ms;
	run_program(&order, &result);
	ipc_begin(&b, IPC_RAN);
	ran.failure = result.failure;
	ran.status = (uint32_t)result.status;
	ran.out = (struct bytes){ result.out.data, result.out.len };
	ran.said = result.said;
	ipc_ran_put(&b, &ran);
	_exit(ipc_send(sock, &b, -1) == 0 ? 0 : 1);
}
