/*
 * base/: buffers, lists, descriptors, secrets, log lines, rates, names of logins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "base/bucket.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/names.h"
#include "base/secret.h"
#include "base/strlist.h"

static void
test_buf_grows_to_its_limit_and_no_further(void **state)
{
	struct buf b;
	char block[100];
	int i;

	(void)state;
	memset(block, 'x', sizeof(block));
	buf_init(&b, 1000);
	for (i = 0; i < 10; i++)
		buf_put(&b, block, sizeof(block));
	assert_int_equal(buf_err(&b), 0);
	assert_int_equal(b.len, 1000);
	buf_put_u8(&b, 'y');
	assert_int_equal(buf_err(&b), ERR_TOOBIG);
	assert_int_equal(b.len, 1000);
	/* the error sticks, even for what would fit */
	buf_consume(&b, 500);
	buf_put_u8(&b, 'y');
	assert_int_equal(b.len, 500);
	assert_int_equal(buf_err(&b), ERR_TOOBIG);
	buf_reset(&b);
	assert_int_equal(buf_err(&b), 0);
	buf_put_u8(&b, 'y');
	assert_int_equal(b.len, 1);
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_int_equal(buf_err(&b), ERR_TOOBIG);
	buf_free(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 1000);
}

static void
test_buf_text(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 300);
	assert_string_equal(buf_cstr(&b), "");
	buf_putf(&b, "%s %d", "port", 22);
	assert_int_equal(b.len, 7);
	assert_string_equal(buf_cstr(&b), "port 22");
	assert_int_equal(b.len, 7);
	buf_consume(&b, 5);
	assert_string_equal(buf_cstr(&b), "22");
	buf_consume(&b, 100);
	assert_int_equal(b.len, 0);
	buf_put(&b, "a\0b", 3);
	assert_null(buf_cstr(&b));
	buf_wipe(&b);
}

static void
test_strlist(void **state)
{
	struct strlist l = { 0 };

	(void)state;
	assert_int_equal(strlist_add_words(&l, "  one\ttwo   three "), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[2], "three");
	assert_true(strlist_has(&l, "two"));
	assert_false(strlist_has(&l, "tw"));
	assert_int_equal(strlist_add(&l, "fourth", 4), 0);
	assert_true(strlist_has(&l, "four"));
	strlist_free(&l);
	assert_int_equal(l.n, 0);
	assert_int_equal(strlist_add_words(&l, " \t "), 0);
	assert_int_equal(l.n, 0);
	strlist_free(&l);
}

static void
test_clock_until(void **state)
{
	(void)state;
	assert_int_equal(clock_until(CLOCK_NEVER, 5), -1);
	assert_int_equal(clock_until(5, 5), 0);
	assert_int_equal(clock_until(4, 5), 0);
	assert_int_equal(clock_until(1005, 5), 1000);
	assert_int_equal(clock_until(INT64_MAX - 1, 5), INT_MAX);
	assert_true(clock_ms() <= clock_ms());
}

static void
test_err_str_knows_every_error(void **state)
{
	int err;

	(void)state;
	for (err = 0; err >= ERR_NOFILE; err--)
		assert_string_not_equal(err_str(err), "unknown error");
	assert_string_equal(err_str(-1000), "unknown error");
}

static const char *
vis(const char *text, size_t len)
{
	static char out[64];

	return log_vis(out, sizeof(out), text, len);
}

static void
test_log_vis_gives_one_harmless_line(void **state)
{
	(void)state;
	assert_string_equal(vis("alice", 5), "alice");
	assert_string_equal(vis("a\nb\r\033[2J\177", 9), "a\\012b\\015\\033[2J\\177");
	assert_string_equal(vis("a\0b", 3), "a\\000b");
	assert_string_equal(vis("\\012", 4), "\\134012");
	assert_string_equal(vis("%s%n", 4), "%s%n");
	assert_string_equal(vis("J\303\266rg \360\237\230\200", 10),
	    "J\303\266rg \360\237\230\200");
	/* not UTF-8: lone, overlong, surrogate, cut short, beyond U+10FFFF */
	assert_string_equal(vis("\377\200", 2), "\\377\\200");
	assert_string_equal(vis("\300\257", 2), "\\300\\257");
	assert_string_equal(vis("\355\240\200", 3), "\\355\\240\\200");
	assert_string_equal(vis("\342\202", 2), "\\342\\202");
	assert_string_equal(vis("\364\220\200\200", 4), "\\364\\220\\200\\200");
	/* C1 control, right-to-left override */
	assert_string_equal(vis("\302\233", 2), "\\302\\233");
	assert_string_equal(vis("\342\200\256", 3), "\\342\\200\\256");
}

/* What was cut is still text: no character is left in halves. */
struct line {
	enum log_level level;
	char text[64];
	int n;
};

static void
keep_line(void *ctx, enum log_level level, const char *text, size_t len)
{
	struct line *line = ctx;

	line->n++;
	line->level = level;
	memcpy(line->text, text, len);
	line->text[len] = '\0';
	errno = EIO;
}

/* A session has lines sent, and they are escaped where they are written. */
static void
test_log_lines_go_to_the_sink_as_they_are(void **state)
{
	struct line line = { 0 };

	(void)state;
	log_set_sink(keep_line, &line);
	errno = ENOMEM;
	log_warn("%s", "one\n\033[2Jtwo");
	assert_int_equal(errno, ENOMEM);
	log_debug("not at this level");
	log_set_sink(NULL, NULL);
	assert_int_equal(line.n, 1);
	assert_int_equal(line.level, LOG_LVL_WARN);
	assert_string_equal(line.text, "one\n\033[2Jtwo");
	assert_true(log_wants(LOG_LVL_INFO) && !log_wants(LOG_LVL_DEBUG));
}

static void
test_bucket(void **state)
{
	struct bucket b = { 0 };
	int64_t now = 1000000, i;

	(void)state;
	for (i = 0; i < BUCKET_SIZE; i++)
		assert_int_equal(bucket_take(&b, now), 1);
	assert_int_equal(bucket_take(&b, now), 0);
	assert_int_equal(bucket_take(&b, now + BUCKET_INTERVAL_MS - 1), 0);
	assert_int_equal(bucket_take(&b, now + BUCKET_INTERVAL_MS), 1);
	assert_int_equal(bucket_take(&b, now + BUCKET_INTERVAL_MS), 0);
	/* however long it has been left alone, it is no more than full */
	now += 1000 * (int64_t)BUCKET_INTERVAL_MS;
	for (i = 0; i < BUCKET_SIZE; i++)
		assert_int_equal(bucket_take(&b, now), 1);
	assert_int_equal(bucket_take(&b, now), 0);
}

static void
test_log_vis_cuts_between_characters(void **state)
{
	char in[120], out[64];
	size_t size, len;

	(void)state;
	for (len = 0; len < sizeof(in); len += 2)
		memcpy(in + len, "\303\266", 2);
	for (size = 0; size <= sizeof(out); size++) {
		memset(out, 'X', sizeof(out));
		if (size == 0)
			log_vis(out, size, in, sizeof(in));
		else
			assert_true(strlen(log_vis(out, size, in, sizeof(in))) < size);
		if (size < sizeof(out))
			assert_int_equal(out[size], 'X');
		if (size < 8)
			continue;
		len = strlen(out);
		assert_true(len >= 3);
		assert_string_equal(out + len - 3, "...");
		assert_int_equal((len - 3) % 2, 0);
	}
}

static void
test_secret(void **state)
{
	struct secret *a, *b, *c, *none = NULL;

	(void)state;
	a = secret_from("hunter2", 7);
	b = secret_from("hunter2", 7);
	c = secret_from("hunter3", 7);
	assert_non_null(a);
	assert_int_equal(secret_len(a), 7);
	assert_true(secret_equal(a, b));
	assert_false(secret_equal(a, c));
	assert_memory_equal(secret_open(a), "hunter2", 7);
	assert_ptr_equal(secret_open(a), secret_open(a)); /* they nest */
	secret_close(a);
	secret_close(a);
	assert_memory_equal(secret_open(a), "hunter2", 7);
	secret_close(a);
	secret_close(a);
	secret_free(&a);
	assert_null(a);
	secret_free(&b);
	secret_free(&c);
	secret_free(&none);
	a = secret_new(0);
	assert_non_null(a);
	secret_free(&a);
}

/* Closed, it cannot even be read. */
static void
test_secret_is_unreadable_while_closed(void **state)
{
	struct secret *s = secret_from("hunter2", 7);
	const volatile uint8_t *p = secret_open(s);
	int status;
	pid_t pid;

	(void)state;
	secret_close(s);
	pid = fork();
	if (pid == 0) {
		/* gone from the fork, and no access anyway; the sanitizers would
		 * report the fault we want */
		signal(SIGSEGV, SIG_DFL);
		_exit(p[0] == 'h');
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	secret_free(&s);
}

static size_t
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
test_fd_message_with_descriptor(void **state)
{
	size_t before = open_descriptors();
	int pair[2], pipes[2], passed;
	char got[16];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(fd_set_nonblock(pair[1]), 0);
	assert_int_equal(fd_recv(pair[1], got, sizeof(got), &passed, 0), ERR_AGAIN);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(fd_send(pair[0], "plain", 5, -1), 0);
	assert_int_equal(fd_send(pair[0], "pipe", 4, pipes[0]), 0);
	assert_int_equal(fd_recv(pair[1], got, sizeof(got), &passed, 0), 5);
	assert_int_equal(passed, -1);
	assert_memory_equal(got, "plain", 5);
	assert_int_equal(fd_recv(pair[1], got, sizeof(got), &passed, 0), 4);
	assert_true(passed >= 0);
	assert_int_equal(fcntl(passed, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fd_write_all(pipes[1], "x", 1), 0);
	assert_int_equal(read(passed, got, 1), 1);
	fd_close(&passed);
	assert_int_equal(passed, -1);
	/* too long, and the descriptor that came with it is not kept */
	assert_int_equal(fd_send(pair[0], "too long for it", 15, pipes[0]), 0);
	assert_int_equal(fd_recv(pair[1], got, 4, &passed, 0), ERR_TOOBIG);
	assert_int_equal(passed, -1);
	fd_close(&pair[0]);
	assert_int_equal(fd_recv(pair[1], got, sizeof(got), &passed, 0), 0);
	assert_int_equal(fd_send(pair[1], "x", 1, -1), ERR_EOF);
	fd_close(&pair[1]);
	fd_close(&pipes[0]);
	fd_close(&pipes[1]);
	assert_int_equal(open_descriptors(), before);
}

/* A message with several descriptors is refused and all are closed: a peer must not use up ours. */
static void
test_fd_several_descriptors_are_refused_and_closed(void **state)
{
	union {
		char bytes[CMSG_SPACE(5 * sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte = 'x', got[16];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	size_t before, n;
	int pair[2], fds[5], passed;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (n = 0; n < 5; n++)
		fds[n] = pair[0];
	before = open_descriptors();
	for (n = 2; n <= 5; n++) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
		assert_int_equal(sendmsg(pair[0], &msg, 0), 1);
		assert_int_equal(fd_recv(pair[1], got, sizeof(got), &passed, 0), ERR_TOOBIG);
		assert_int_equal(passed, -1);
		assert_int_equal(open_descriptors(), before);
	}
	fd_close(&pair[0]);
	fd_close(&pair[1]);
}

static void
test_fd_read_all_up_to_the_limit(void **state)
{
	char path[] = "/tmp/test_base.XXXXXX";
	struct buf b;
	char block[1000];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	memset(block, 'x', sizeof(block));
	assert_int_equal(fd_write_all(fd, block, sizeof(block)), 0);
	lseek(fd, 0, SEEK_SET);
	buf_init(&b, 1000);
	assert_int_equal(fd_read_all(fd, &b), 0);
	assert_int_equal(b.len, 1000);
	buf_free(&b);
	lseek(fd, 0, SEEK_SET);
	buf_init(&b, 999);
	assert_int_equal(fd_read_all(fd, &b), ERR_TOOBIG);
	buf_free(&b);
	fd_close(&fd);
	buf_init(&b, 1000);
	assert_int_equal(fd_read_all(-1, &b), ERR_SYS);
	buf_free(&b);
}

static void
test_fd_close_others_keeps_what_it_is_told(void **state)
{
	int pair[2], more[2], status, keep[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(pipe(more), 0);
	pid = fork();
	if (pid == 0) {
		keep[0] = more[1];
		keep[1] = pair[0];
		fd_close_others(3, keep, 2);
		_exit(fcntl(pair[0], F_GETFD) == -1 || fcntl(more[1], F_GETFD) == -1 ||
		    fcntl(pair[1], F_GETFD) != -1 || fcntl(more[0], F_GETFD) != -1 ||
		    fcntl(0, F_GETFD) == -1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	fd_close(&more[0]);
	fd_close(&more[1]);
}

static int
name_ok(const char *name)
{
	return login_name_ok(name, strlen(name));
}

static void
test_login_names(void **state)
{
	char name[300];

	(void)state;
	assert_true(name_ok("alice"));
	assert_true(name_ok("a"));
	assert_true(name_ok("alice+web"));
	assert_true(name_ok("DOMAIN\\alice"));
	assert_true(name_ok("alice@example.com"));
	assert_true(name_ok("alice smith"));
	assert_true(name_ok("..."));
	assert_true(name_ok(".alice"));
	assert_true(name_ok("%s%n"));
	assert_true(name_ok("J\303\266rg"));
	assert_true(name_ok("\346\227\245\346\234\254"));
	assert_true(name_ok("\360\237\230\200"));

	assert_false(login_name_ok("", 0));
	assert_false(name_ok("-oProxyCommand=id"));
	assert_false(name_ok("-"));
	assert_false(name_ok("."));
	assert_false(name_ok(".."));
	assert_false(name_ok("a/b"));
	assert_false(name_ok("../alice"));
	assert_false(name_ok("alice\n"));
	assert_false(name_ok("al\tice"));
	assert_false(name_ok("\033[2J"));
	assert_false(name_ok("alice\177"));
	assert_false(login_name_ok("ali\0ce", 6));
	assert_false(login_name_ok("\0", 1));
	assert_false(name_ok("\377"));		    /* not UTF-8 */
	assert_false(name_ok("\300\257"));	    /* overlong '/' */
	assert_false(name_ok("\340\200\257"));	    /* overlong '/' */
	assert_false(name_ok("\355\240\200"));	    /* surrogate */
	assert_false(name_ok("\364\220\200\200"));  /* beyond U+10FFFF */
	assert_false(name_ok("a\303"));		    /* cut short */
	assert_false(name_ok("\302\205"));	    /* C1: next line */
	assert_false(name_ok("a\342\200\256b"));    /* right-to-left override */
	assert_false(name_ok("a\342\200\213b"));    /* zero-width space */
	assert_false(name_ok("\357\273\277alice")); /* byte order mark */
	assert_false(name_ok("\357\277\276"));	    /* noncharacter */

	memset(name, 'a', sizeof(name));
	assert_true(login_name_ok(name, 255));
	assert_false(login_name_ok(name, 256));
	name[253] = '\303'; /* the limit is in bytes: a character astride it */
	name[254] = '\266';
	assert_true(login_name_ok(name, 255));
	assert_false(login_name_ok(name, 254));
}

static void
test_good_and_bad_login_names(void **state)
{
	static const char *const good[] = { "a", "alice", "alice+web", "a b", "a-", "J\xc3\xb6rg",
		"\xe6\x97\xa5\xe6\x9c\xac", "...", "a@b:c%d", "\xf0\x9f\x90\x9f" };
	static const char *const bad[] = { "", "-a", "a/b", "/", ".", "..", "a\nb", "a\tb", "\x7f",
		"\x1b[2J", "\xff", "\xc0\xaf", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80", "\xe0\x80\xaf",
		"a\xc2\x9b"
		"b",
		"a\xe2\x80\xae"
		"b",
		"a\xe2\x80\xa8"
		"b",
		"a\xe2\x80\x8b"
		"b",
		"\xef\xbb\xbf"
		"a" };
	char longest[257];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(login_name_ok(good[i], strlen(good[i])), 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(login_name_ok(bad[i], strlen(bad[i])), 0);
	memset(longest, 'a', sizeof(longest));
	longest[255] = '\0';
	assert_int_equal(login_name_ok(longest, strlen(longest)), 1);
	longest[255] = 'a';
	longest[256] = '\0';
	assert_int_equal(login_name_ok(longest, strlen(longest)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_grows_to_its_limit_and_no_further),
		cmocka_unit_test(test_buf_text),
		cmocka_unit_test(test_strlist),
		cmocka_unit_test(test_clock_until),
		cmocka_unit_test(test_err_str_knows_every_error),
		cmocka_unit_test(test_log_vis_gives_one_harmless_line),
		cmocka_unit_test(test_log_vis_cuts_between_characters),
		cmocka_unit_test(test_log_lines_go_to_the_sink_as_they_are),
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_secret_is_unreadable_while_closed),
		cmocka_unit_test(test_fd_message_with_descriptor),
		cmocka_unit_test(test_fd_several_descriptors_are_refused_and_closed),
		cmocka_unit_test(test_fd_read_all_up_to_the_limit),
		cmocka_unit_test(test_fd_close_others_keeps_what_it_is_told),
		cmocka_unit_test(test_login_names),
		cmocka_unit_test(test_good_and_bad_login_names),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
