#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/title.h"
#include "ipc/ipc.h"
#include "errand/dial.h"
#include "master/errand.h"
#include "master/run.h"

#define ERRAND_WHY_MAX 400
#define ERRAND_HOST_SIZE 256
#define ERRAND_WORDS_MAX 128
#define ERRAND_OUTPUT_MAX 65536

static int
answer_dialled(int answer, const char *host, int fd, const struct buf *why, const struct buf *dead)
{
	struct buf b;

	ipc_begin(&b, IPC_DIALLED);
	wire_put_text(&b, host);
	wire_put_string(&b, why->data, why->len);
	buf_put(&b, dead->data, dead->len);
	return ipc_send(answer, &b, fd);
}

void
errand_dial(struct wire *body, int answer)
{
	uint32_t timeout_ms, port_number, n, n_dead = 0;
	char host[ERRAND_HOST_SIZE], port[16];
	int64_t deadline;
	struct buf why, b, names, dead;
	int fd = -1;

	(void)wire_u64(body);
	timeout_ms = wire_u32(body);
	port_number = wire_u32(body);
	n = wire_u32(body);
	deadline = clock_ms() + timeout_ms;
	signal(SIGTERM, SIG_DFL);
	dial_end_with(answer);
	/* a resolver may take longer than asked: this is the end of it */
	alarm(timeout_ms / 1000 + 2);
	snprintf(port, sizeof(port), "%u", port_number);
	buf_init(&why, ERRAND_WHY_MAX);
	buf_init(&names, IPC_HOSTS_MAX * (ERRAND_HOST_SIZE + 4));
	for (; n > 0 && n <= IPC_HOSTS_MAX && fd == -1; n--) {
		wire_text(body, host, sizeof(host));
		if (wire_err(body) != 0)
			break;
		title_set("errand dial %s", host);
		/* one that does not answer leaves time for the next */
		fd = dial_host(host, port, dial_share(deadline, n), &why);
		if (fd != -1)
			break;
		wire_put_text(&names, host);
		n_dead++;
	}
	buf_init(&dead, names.max + 4);
	wire_put_u32(&dead, n_dead);
	buf_put(&dead, names.data, names.len);
	signal(SIGIO, SIG_IGN); /* an answer that is being read makes it, too */
	if (fd != -1)
		_exit(answer_dialled(answer, host, fd, &why, &dead) == 0 ? 0 : 1);
	ipc_begin(&b, IPC_DIAL_FAILED);
	if (why.len == 0)
		buf_putf(&why, "no address");
	wire_put_string(&b, why.data, why.len);
	buf_put(&b, dead.data, dead.len);
	_exit(ipc_send(answer, &b, -1) == 0 ? 0 : 1);
}

/* u32 n, n x string: an array that ends with NULL.  NULL: malformed. */
static char **
read_words(struct wire *body)
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

void
errand_run(struct wire *body, int answer)
{
	struct run_result result;
	char **argv, **env;
	uint32_t timeout_ms;
	struct buf b;

	(void)wire_u64(body);
	timeout_ms = wire_u32(body);
	argv = read_words(body);
	env = argv == NULL ? NULL : read_words(body);
	if (env == NULL || argv[0] == NULL || wire_end(body) != 0 || timeout_ms > 3600 * 1000)
		_exit(1);
	signal(SIGTERM, SIG_DFL);
	/* nothing here waits longer; should it, this is the end of it */
	alarm(timeout_ms / 1000 + 5);
	title_set("errand exec %s", argv[0]);
	run_program(argv, env, NULL, (int)timeout_ms, ERRAND_OUTPUT_MAX, answer, &result);
	ipc_begin(&b, IPC_RAN);
	wire_put_text(&b, result.failure);
	wire_put_u32(&b, (uint32_t)result.status);
	wire_put_string(&b, result.out.data, result.out.len);
	wire_put_text(&b, result.said);
	_exit(ipc_send(answer, &b, -1) == 0 ? 0 : 1);
}
