/*
 * errand/errand_factor.c: programs that ask, the keeper that answers or goes away, and programs that misbehave.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "errand/errand.h"
#include "errand/factor_lines.h"
#include "errand/run.h"
#include "ipc/messages.h"
#include "emulated.h"

#define LONG_MS 60000
#define SHORT_MS 300

static uint8_t message[IPC_MAX];
static int sock;
static pid_t errand;
static const char *programs = ERRAND_FACTOR_ANY;

/* Have an errand run sh -c SCRIPT, or program if it is not NULL. */
static void
begin_with(const char *program, const char *script, int timeout_ms)
{
	char *argv[] = { (char *)(uintptr_t)(program != NULL ? program : "/bin/sh"),
		(char *)(uintptr_t) "-c", (char *)(uintptr_t)script, NULL };
	char *env[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin", NULL };
	const struct ipc_run run = { .timeout_ms = (uint32_t)timeout_ms,
		.argv = { argv, 3 },
		.env = { env, 1 } };
	struct buf b;
	int pair[2];

	skip_if_emulated();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			     pair),
	    0);
	ipc_begin(&b, IPC_FACTOR);
	ipc_run_put(&b, &run);
	assert_int_equal(ipc_send(pair[0], &b, -1), 0);
	errand = fork();
	if (errand == 0) {
		close(pair[0]);
		errand_factor(pair[1], programs);
	}
	close(pair[1]);
	sock = pair[0];
}

static void
begin(const char *script)
{
	begin_with(NULL, script, LONG_MS);
}

/* The errand's next message; ERR_EOF: it is gone. */
static int
receive(struct ipc_msg *msg)
{
	struct pollfd fd = { sock, POLLIN, 0 };

	assert_int_equal(poll(&fd, 1, LONG_MS), 1);
	return ipc_recv(sock, message, IPC_ERRAND_TO_KEEPER, IPC_PHASE_AUTH, msg);
}

/* It asks, and this is what: "*" before a question without echo. */
static void
asks(const char *what)
{
	struct ipc_factor_ask ask;
	struct ipc_msg msg;
	struct buf b;
	uint32_t i;

	assert_int_equal(receive(&msg), 0);
	assert_int_equal(msg.type, IPC_FACTOR_ASK);
	assert_int_equal(ipc_factor_ask_get(&msg.body, &ask), 0);
	buf_init(&b, IPC_MAX);
	buf_put(&b, ask.info.p, ask.info.len);
	for (i = 0; i < ask.n; i++) {
		buf_putf(&b, "|%s", ask.questions[i].echo ? "" : "*");
		buf_put(&b, ask.questions[i].text.p, ask.questions[i].text.len);
	}
	assert_string_equal(buf_cstr(&b), what);
	buf_free(&b);
}

static void
answer(int n, const char *const *answers)
{
	struct buf b;
	int i;

	ipc_begin(&b, IPC_FACTOR_ANSWERS);
	for (i = 0; i < n; i++)
		wire_put_text(&b, answers[i]);
	assert_int_equal(ipc_send(sock, &b, -1), 0);
}

static void
answer_one(const char *text)
{
	answer(1, &text);
}

/* The errand is gone, and has left nothing behind. */
static void
is_gone(void)
{
	int status;

	fd_close(&sock);
	assert_int_equal(waitpid(errand, &status, 0), errand);
	/* its orphans would be ours: main() has adopted them */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void
ends(const char *failure, int status, const char *said)
{
	struct ipc_msg msg;
	struct ipc_ran ran;

	assert_int_equal(receive(&msg), 0);
	assert_int_equal(msg.type, IPC_RAN);
	assert_int_equal(ipc_ran_get(&msg.body, &ran), 0);
	if (strstr(ran.failure, failure) == NULL || (failure[0] == '\0' && ran.failure[0] != '\0'))
		fail_msg("\"%s\", not \"%s\"", ran.failure, failure);
	if (failure[0] == '\0')
		assert_int_equal(ran.status, status);
	assert_int_equal(ran.out.len, 0);
	assert_string_equal(ran.said, said);
	assert_int_equal(receive(&msg), ERR_EOF);
	is_gone();
}

static void
test_question_and_answer(void **state)
{
	(void)state;
	begin("echo prompt Code:; echo ask; read -r a; [ \"$a\" = '1 2;$(x)' ]");
	asks("|*Code:");
	answer_one("1 2;$(x)");
	ends("", 0, "");
	begin("echo prompt Code:; echo ask; read -r a; [ \"$a\" = 1 ] || exit 1");
	asks("|*Code:");
	answer_one("2");
	ends("", 1, "");
}

static void
test_several_rounds(void **state)
{
	static const char *const two[] = { "a", "" };

	(void)state;
	begin(
	    "printf 'info Hello\\ninfo you\\necho User\\nprompt PIN\\nask\\n'; read -r a; read -r b;"
	    "echo \"info $a.$b.\"; echo ask; echo prompt last; echo ask; read -r c; echo $c >&2;"
	    "exit 3");
	asks("Hello\nyou|User|*PIN");
	answer(2, two);
	asks("a..");
	answer(0, NULL);
	asks("|*last");
	answer_one("z");
	ends("", 3, "z");
}

/* What a program says last is shown before its end counts. */
static void
test_end_waits_for_the_answer(void **state)
{
	(void)state;
	begin("echo info Locked out; echo ask; exit 1");
	asks("Locked out");
	answer(0, NULL);
	ends("", 1, "");
}

static void
test_program_that_asks_nothing(void **state)
{
	(void)state;
	begin("exit 0");
	ends("", 0, "");
	begin("echo prompt unasked; exit 0");
	ends("", 0, "");
	begin("exec >&- 2>&- <&-; exit 1");
	ends("", 1, "");
}

/* All questions and answers of the largest size pass by pipes that take less. */
static void
test_largest_answers(void **state)
{
	static const char *answers[IPC_QUESTIONS_MAX];
	static char text[IPC_QUESTION_MAX + 1];
	int i;

	(void)state;
	memset(text, 'x', IPC_QUESTION_MAX);
	for (i = 0; i < IPC_QUESTIONS_MAX; i++)
		answers[i] = text;
	begin(
	    "for i in 1 2 3 4 5 6 7 8; do echo echo $i; done; echo ask; "
	    "n=0; while [ $n -lt 8 ]; do read -r a; n=$((n + 1)); [ ${#a} = 1024 ] || exit 1; done");
	asks("|1|2|3|4|5|6|7|8");
	answer(IPC_QUESTIONS_MAX, answers);
	ends("", 0, "");
}

/* Programs that do not read their answers, or cannot. */
static void
test_answers_that_nobody_reads(void **state)
{
	(void)state;
	begin("exec <&-; echo echo a; echo ask; echo echo b; echo ask; sleep 0.01; exit 0");
	asks("|a");
	answer_one("1");
	asks("|b");
	answer_one("2");
	ends("", 0, "");
	begin("echo echo a; echo ask; exec sleep 4711");
	asks("|a");
	answer_one("1");
	is_gone();
}

static void
test_lines_that_are_refused(void **state)
{
	static const char *const scripts[][2] = {
		{ "echo nonsense; sleep 4711", "line 1 of its output" },
		{ "echo echo a; echo; sleep 4711", "line 2 of its output" },
		{ "head -c 10000000 /dev/zero; sleep 4711", "line 1 of its output" },
		{ "printf 'echo a\\0\\377\\n'; yes echo b; sleep 4711", "question more than 8" },
		{ "yes info a", "16384 bytes of info" },
		{ "while echo echo a; echo ask; do read -r a; done", "16 times" },
		{ "echo nonsense", "line 1 of its output" },
	};
	struct ipc_msg msg;
	size_t i;
	int r, n;

	(void)state;
	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		begin(scripts[i][0]);
		for (n = 0; i == 5 && n < FACTOR_ROUNDS_MAX; n++) {
			r = receive(&msg);
			assert_int_equal(r, 0);
			assert_int_equal(msg.type, IPC_FACTOR_ASK);
			answer_one("b");
		}
		ends(scripts[i][1], 0, "");
	}
}

static void
test_floods(void **state)
{
	(void)state;
	begin("yes >&2");
	ends("more than 65536 bytes", 0, "y");
	/* a flood behind a question is not read on until it is answered; the limit holds all the same */
	begin("echo echo a; echo ask; yes info b");
	asks("|a");
	ends("more than 65536 bytes", 0, "");
}

static void
test_time_is_limited(void **state)
{
	(void)state;
	begin_with(NULL, "trap '' TERM HUP INT; sleep 4711", SHORT_MS);
	ends("it took too long and was killed", 0, "");
	begin_with(NULL, "while printf i; do sleep 0.01; done", SHORT_MS);
	ends("it took too long and was killed", 0, "");
}

static void
test_ends_of_other_kinds(void **state)
{
	(void)state;
	begin("kill -9 $$");
	ends("killed by signal 9", 0, "");
	begin("echo broken >&2; echo more >&2; exit 70");
	ends("", 70, "broken");
	begin_with("/bin", "", LONG_MS);
	ends("cannot be run: ", 0, "");
	begin_with("/no/such", "", LONG_MS);
	ends("cannot be run: ", 0, "");
}

/* Its exit status counts although a process that it has left behind holds its pipes, and that one is killed. */
static void
test_process_left_behind(void **state)
{
	(void)state;
	begin("sleep 4711 & exit 0");
	ends("", 0, "");
	begin("setsid sleep 4711 & echo echo a; echo ask; read -r a; exit 1");
	asks("|a");
	answer_one("x");
	ends("", 1, "");
}

/* The client has gone away: so has the keeper's socket. */
static void
test_nobody_waits(void **state)
{
	(void)state;
	begin(
	    "trap '' TERM HUP; sleep 4711 & setsid sleep 4711 & echo echo a; echo ask; read -r a");
	asks("|a");
	is_gone();
}

static void
test_answers_that_nobody_asked_for(void **state)
{
	static const char *const two[] = { "1", "2" };

	(void)state;
	begin("sleep 4711");
	answer_one("1");
	ends("answers cannot be read", 0, "");
	begin("echo echo a; echo ask; read -r a; read -r b");
	asks("|a");
	answer(2, two);
	ends("answers cannot be read", 0, "");
	begin("echo echo a; echo ask; read -r a; read -r b");
	asks("|a");
	answer_one("1\n2");
	ends("answers cannot be read", 0, "");
}

static void
test_programs_that_may_be_run(void **state)
{
	(void)state;
	programs = "/bin/dash /bin/sh";
	begin("exit 0");
	ends("", 0, "");
	programs = "/bin/sh2 /bin";
	begin("exit 0");
	ends("not run, as FactorPrograms in [gateway] did not name it at the start", 0, "");
	programs = "";
	begin("exit 0");
	ends("not run, as FactorPrograms", 0, "");
	programs = ERRAND_FACTOR_ANY;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question_and_answer),
		cmocka_unit_test(test_several_rounds),
		cmocka_unit_test(test_end_waits_for_the_answer),
		cmocka_unit_test(test_program_that_asks_nothing),
		cmocka_unit_test(test_largest_answers),
		cmocka_unit_test(test_answers_that_nobody_reads),
		cmocka_unit_test(test_lines_that_are_refused),
		cmocka_unit_test(test_floods),
		cmocka_unit_test(test_time_is_limited),
		cmocka_unit_test(test_ends_of_other_kinds),
		cmocka_unit_test(test_process_left_behind),
		cmocka_unit_test(test_nobody_waits),
		cmocka_unit_test(test_answers_that_nobody_asked_for),
		cmocka_unit_test(test_programs_that_may_be_run),
	};

	run_adopt();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
