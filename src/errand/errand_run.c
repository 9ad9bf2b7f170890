/*
 * The errand that runs a lookup program.  A role of cli/role.c, executed by the master or the starter.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/login.h"
#include "base/program.h"
#include "base/strlist.h"
#include "base/proctitle.h"
#include "errand/confine.h"
#include "errand/errand.h"
#include "errand/run.h"
#include "ipc/ipc.h"

#define ERRAND_WORDS_MAX 128
#define ERRAND_OUTPUT_MAX 65536
#define ERRAND_TIMEOUT_MAX_MS (3600 * 1000)

/* u32 n, n x string: an array that ends with NULL.  NULL: malformed. */
static char **
errand_read_words(struct wire *body)
{
	uint32_t n = wire_u32(body), i;
	struct bytes word;
	char **words;

	if (n > ERRAND_WORDS_MAX)
		return NULL;
	words = calloc(n + 1, sizeof(*words));
	for (i = 0; words != NULL && i < n; i++) {
		word = wire_string(body);
		if (wire_err(body) != 0)
			return NULL; /* and the process ends */
		words[i] = strndup((const char *)word.p, word.len);
		if (words[i] == NULL)
			return NULL;
	}
	return words;
}

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
	struct wire *body = &msg.body;
	struct run_order order = { .max = ERRAND_OUTPUT_MAX, .watched = sock };
	char **lists[4] = { NULL };
	struct run_result result;
	uint32_t timeout_ms;
	struct buf b;
	size_t i;

	if (errand_confine_run() != 0 ||
	    ipc_recv(sock, message, IPC_KEEPER_TO_ERRAND, IPC_PHASE_ANY, &msg) != 0 ||
	    msg.type != IPC_RUN)
		_exit(1);
	(void)wire_u64(body);
	timeout_ms = wire_u32(body);
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		lists[i] = errand_read_words(body);
		if (lists[i] == NULL)
			_exit(1);
	}
	if (lists[0][0] == NULL || wire_end(body) != 0 || timeout_ms > ERRAND_TIMEOUT_MAX_MS)
		_exit(1);
	if (command != NULL && !errand_run_permitted(lists[0], lists[1], base, command)) {
		log_error("the command of RunAs is %s, and another one is not run", command);
		_exit(1);
	}
	signal(SIGTERM, SIG_DFL);
	/* run_program() keeps the time limit; this is in case it does not */
	alarm(timeout_ms / 1000 + 5);
	proctitle_set("errand exec %s", lists[0][0]);
	order.argv = lists[0];
	order.env = lists[1];
	order.confined.closed = lists[2];
	order.confined.fixed = lists[3];
	order.confined.own_user = command != NULL;
	order.timeout_ms = (int)timeout_ms;
	run_program(&order, &result);
	ipc_begin(&b, IPC_RAN);
	wire_put_text(&b, result.failure);
	wire_put_u32(&b, (uint32_t)result.status);
	wire_put_string(&b, result.out.data, result.out.len);
	wire_put_text(&b, result.said);
	_exit(ipc_send(sock, &b, -1) == 0 ? 0 : 1);
}
