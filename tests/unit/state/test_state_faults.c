/*
 * A record is the old or the new one, whatever fails, and whenever the process that writes it ends;
 * and changes of several processes at once are all made.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "faults.h"
#include "state/state.h"
#include "state_dir.h"
#include "tmp_dir.h"

#define OLD "step 1\n"
#define NEW "step 2\nused 3\n"
#define SKIPPED 77 /* exit status of a child that cannot do its test */

static int
test_begin(void **state)
{
	faults_set(FAULTS_FAIL, 0);
	return state_dir_begin(state);
}

static int
write_record(struct state *st, const char *text, struct reason *why)
{
	return state_update(st, "totp", "alice", set_text, (void *)(uintptr_t)text, why);
}

/* The record as text, "" if there is none; it can always be read. */
static const char *
record(struct state *st)
{
	static char text[256];
	struct reason why;
	struct buf b;
	int r;

	buf_init(&b, sizeof(text) - 1);
	r = state_read(st, "totp", "alice", &b, &why);
	if (r != 0 && r != ERR_NOTFOUND)
		fail_msg("%s", why.text);
	snprintf(text, sizeof(text), "%s", buf_cstr(&b));
	buf_free(&b);
	return text;
}

/* Files that are neither a record nor the lock. */
static size_t
count_temps(void)
{
	DIR *list = opendir("state/totp");
	const struct dirent *e;
	size_t n = 0;

	while ((e = readdir(list)) != NULL)
		n += strncmp(e->d_name, ".new-", 5) == 0;
	closedir(list);
	return n;
}

static void
test_every_call_fails_in_turn(void **state)
{
	static const char *const texts[] = { NEW, "" };
	struct state *st = open_state();
	struct reason why;
	unsigned int i, n, failed;
	int r;

	for (i = 0; i < 2; i++) {
		for (n = 1, failed = 0;; n++) {
			assert_int_equal(write_record(st, OLD, &why), 0);
			faults_set(FAULTS_FAIL, n);
			r = write_record(st, texts[i], &why);
			if (faults_seen() < n)
				break;
			if (r != 0) {
				failed++;
				assert_int_equal(r, ERR_SYS);
				assert_non_null(strstr(why.text, "state/totp"));
				assert_non_null(strstr(why.text, strerror(ENOSPC)));
			}
			/* the call may be one whose failure does not count */
			if (strcmp(faults_name(), "fsync") != 0)
				assert_string_equal(record(st), r == 0 ? texts[i] : OLD);
			else if (strcmp(record(st), texts[i]) != 0)
				assert_string_equal(record(st), OLD);
			assert_int_equal(count_temps(), 0);
			faults_set(FAULTS_FAIL, 0);
		}
		assert_int_equal(r, 0);
		assert_true(failed >= 3); /* the lock, the file and the directory at least */
		faults_set(FAULTS_FAIL, 0);
	}
	state_free(&st);
}

static void
test_short_writes(void **state)
{
	struct state *st = open_state();
	struct reason why;

	faults_set(FAULTS_SHORT_WRITE, 0);
	assert_int_equal(write_record(st, NEW, &why), 0);
	assert_true(faults_seen() > strlen(NEW));
	assert_string_equal(record(st), NEW);
	state_free(&st);
}

/* Exit status of a child that writes the new record and ends at a call. */
static int
write_and_die(struct state *st, enum faults what, unsigned int n)
{
	struct reason why;
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		faults_set(what, n);
		_exit(write_record(st, NEW, &why) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_process_ends_at_any_call(void **state)
{
	static const enum faults when[] = { FAULTS_DIE, FAULTS_DIE_AFTER };
	struct state *st = open_state();
	unsigned int i, n, old, new, status;
	struct reason why;

	for (i = 0; i < 2; i++) {
		for (n = 1, old = new = 0;; n++) {
			assert_int_equal(write_record(st, OLD, &why), 0);
			status = (unsigned int)write_and_die(st, when[i], n);
			if (status == 0)
				break;
			assert_int_equal(status, FAULTS_DEAD);
			if (strcmp(record(st), OLD) == 0)
				old++;
			else
				new ++;
			if (strcmp(record(st), OLD) != 0)
				assert_string_equal(record(st), NEW);
			/* the lock is free again */
			assert_int_equal(write_record(st, NEW, &why), 0);
		}
		assert_true(old > 0 && new > 0);
	}
	/* what is left of them goes at the next start */
	assert_true(count_temps() > 0);
	state_free(&st);
	st = open_state();
	assert_int_equal(count_temps(), 0);
	assert_string_equal(record(st), NEW);
	state_free(&st);
}

/* --- file systems that are full or read-only: mounts of a child's own --- */

static void
child_fills_tmpfs(void)
{
	static char block[4096];
	struct reason why;
	struct state *st;
	int fd, r;

	if (mount("tmpfs", "state", "tmpfs", 0, "size=64k,mode=700") == -1)
		_exit(SKIPPED);
	st = open_state();
	if (write_record(st, OLD, &why) != 0)
		_exit(1);
	fd = open("state/filler", O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	r = write_record(st, NEW, &why);
	if (r != ERR_SYS || strstr(why.text, strerror(ENOSPC)) == NULL ||
	    strcmp(record(st), OLD) != 0 || count_temps() != 0)
		_exit(2);
	if (state_check(st, &why) != ERR_SYS)
		_exit(3);
	close(fd);
	unlink("state/filler");
	if (write_record(st, NEW, &why) != 0 || strcmp(record(st), NEW) != 0)
		_exit(4);
	_exit(0);
}

static void
child_mounts_read_only(void)
{
	struct reason why;
	struct state *st;

	if (mount("tmpfs", "state", "tmpfs", 0, "size=64k,mode=700") == -1)
		_exit(SKIPPED);
	st = open_state();
	if (write_record(st, OLD, &why) != 0)
		_exit(1);
	if (mount(NULL, "state", NULL, MS_REMOUNT | MS_RDONLY, NULL) == -1)
		_exit(SKIPPED);
	if (write_record(st, NEW, &why) != ERR_SYS || strstr(why.text, strerror(EROFS)) == NULL)
		_exit(2);
	if (strcmp(record(st), OLD) != 0 || state_check(st, &why) != ERR_SYS)
		_exit(3);
	/* a gateway that starts there can read, and says at a login that it cannot write */
	state_free(&st);
	if (state_open("state", 1, &st, &why) != 0 || strcmp(record(st), OLD) != 0)
		_exit(4);
	_exit(0);
}

static void
run_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) == -1 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
			_exit(SKIPPED);
		body();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
test_full_file_system(void **state)
{
	run_child(child_fills_tmpfs);
}

static void
test_read_only_file_system(void **state)
{
	run_child(child_mounts_read_only);
}

/* --- several processes --- */

#define CHILDREN 4
#define CHANGES 50

static int
count_up(void *ctx, struct buf *record)
{
	struct bytes rest = buf_bytes(record), word, value;
	uint64_t n = 0;

	if (state_line(&rest, &word, &value) == 1 && state_number(value, 1000000, &n) != 0)
		return ERR_FORMAT;
	buf_reset(record);
	buf_putf(record, "count %u\n", (unsigned int)n + 1);
	return 0;
}

/* A busy machine may make a process wait longer for the lock than the keeper would. */
static int
count_up_patiently(struct state *st)
{
	struct reason why;
	int i, r = ERR_TIMEOUT;

	for (i = 0; i < 100 && r == ERR_TIMEOUT; i++)
		r = state_update(st, "totp", "alice", count_up, NULL, &why);
	return r;
}

static void
test_several_processes(void **state)
{
	struct state *st = open_state();
	char expected[32];
	int i, j, status;
	pid_t pid;

	for (i = 0; i < CHILDREN; i++) {
		pid = fork();
		assert_int_not_equal(pid, -1);
		if (pid != 0)
			continue;
		for (j = 0; j < CHANGES; j++)
			if (count_up_patiently(st) != 0)
				_exit(1);
		_exit(0);
	}
	for (i = 0; i < CHILDREN; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	snprintf(expected, sizeof(expected), "count %d\n", CHILDREN * CHANGES);
	assert_string_equal(record(st), expected);
	state_free(&st);
}

static void
test_lock_is_not_waited_for_forever(void **state)
{
	struct state *st = open_state();
	struct reason why;
	int fd;

	assert_int_equal(write_record(st, OLD, &why), 0);
	fd = open("state/totp/.lock", O_RDWR);
	assert_int_not_equal(fd, -1);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(write_record(st, NEW, &why), ERR_TIMEOUT);
	assert_non_null(strstr(why.text, "state/totp/.lock: another process"));
	assert_string_equal(record(st), OLD); /* readers need no lock */
	close(fd);
	assert_int_equal(write_record(st, NEW, &why), 0);
	state_free(&st);
}

/* Root, who resets a user's factor, leaves the directory's owner able to go on. */
static void
test_records_of_root_stay_usable_to_the_owner(void **state)
{
	struct reason why;
	struct state *st;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown("state", 12345, 12346), 0);
	assert_int_equal(chmod(".", 0755), 0);
	st = open_state();
	assert_int_equal(write_record(st, OLD, &why), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (setgid(12346) == -1 || setuid(12345) == -1 ||
		    state_open("state", 1, &st, &why) != 0 || strcmp(record(st), OLD) != 0 ||
		    write_record(st, NEW, &why) != 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(record(st), NEW);
	assert_int_equal(write_record(st, OLD, &why), 0);
	state_free(&st);
}

#define T(name) cmocka_unit_test_setup(name, test_begin)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_every_call_fails_in_turn),
		T(test_short_writes),
		T(test_process_ends_at_any_call),
		T(test_full_file_system),
		T(test_read_only_file_system),
		T(test_several_processes),
		T(test_lock_is_not_waited_for_forever),
		T(test_records_of_root_stay_usable_to_the_owner),
	};

	return cmocka_run_group_tests(tests, state_dir_setup, tmp_dir_teardown);
}
