/*
 * Records of the state directory: reading, changing, removing, and what is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "state/state.h"
#include "state_dir.h"
#include "tmp_dir.h"

static int
add_text(void *ctx, struct buf *record)
{
	buf_put(record, ctx, strlen(ctx));
	return 0;
}

static int
refuse_change(void *ctx, struct buf *record)
{
	buf_reset(record);
	return ERR_AUTH;
}

static void
assert_record(struct state *st, const char *name, const char *text)
{
	struct reason why;
	struct buf b;

	buf_init(&b, STATE_RECORD_MAX);
	assert_int_equal(state_read(st, "totp", name, &b, &why), 0);
	assert_string_equal(buf_cstr(&b), text);
	buf_free(&b);
}

/* Reading the record fails so, and its path is in the reason; and nothing changes it. */
static void
assert_refused(struct state *st, const char *name, int expected, const char *text)
{
	struct reason why;
	struct buf b;

	buf_init(&b, STATE_RECORD_MAX);
	assert_int_equal(state_read(st, "totp", name, &b, &why), expected);
	assert_non_null(strstr(why.text, "state/totp"));
	assert_non_null(strstr(why.text, text));
	assert_int_equal(b.len, 0);
	assert_int_equal(state_update(st, "totp", name, set_text, (char[]){ "a b\n" }, &why),
	    expected);
	assert_non_null(strstr(why.text, text));
	buf_free(&b);
}

static void
test_record_is_kept(void **state)
{
	struct state *st = open_state();
	struct reason why;
	struct stat s;
	struct buf b;

	buf_init(&b, STATE_RECORD_MAX);
	assert_int_equal(state_read(st, "totp", "alice", &b, &why), ERR_NOTFOUND);
	assert_int_equal(state_update(st, "totp", "alice", set_text, (char[]){ "step 7\n" }, &why),
	    0);
	assert_record(st, "alice", "step 7\n");
	assert_int_equal(state_update(st, "totp", "alice", add_text, (char[]){ "used 1\n" }, &why),
	    0);
	state_free(&st);

	st = open_state();
	assert_record(st, "alice", "step 7\nused 1\n");
	assert_int_equal(stat("state/totp/alice", &s), 0);
	assert_int_equal(s.st_mode & 07777, 0600);
	assert_int_equal(stat("state/totp", &s), 0);
	assert_int_equal(s.st_mode & 07777, 0700);

	assert_int_equal(state_update(st, "totp", "alice", refuse_change, NULL, &why), ERR_AUTH);
	assert_record(st, "alice", "step 7\nused 1\n");

	assert_int_equal(state_update(st, "totp", "alice", set_text, (char[]){ "" }, &why), 0);
	assert_int_equal(access("state/totp/alice", F_OK), -1);
	assert_int_equal(state_update(st, "totp", "alice", set_text, (char[]){ "" }, &why), 0);
	state_free(&st);
}

static void
test_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".lock", "a/b", "../x", "a b", "-x" };
	struct state *st = open_state();
	struct strlist names = { 0 };
	struct reason why;
	struct buf b;
	size_t i;

	buf_init(&b, STATE_RECORD_MAX);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(state_read(st, "totp", bad[i], &b, &why), ERR_FORMAT);
		assert_int_equal(state_update(st, "totp", bad[i], set_text, (char[]){ "a b\n" },
				     &why),
		    ERR_FORMAT);
	}
	assert_int_equal(state_read(st, "..", "alice", &b, &why), ERR_BADSTATE);
	assert_int_equal(state_list(st, "totp", &names, &why), 0);
	assert_int_equal(names.n, 0);
	assert_int_equal(state_update(st, "totp", "bob", set_text, (char[]){ "a b\n" }, &why), 0);
	assert_int_equal(state_update(st, "totp", "al@x", set_text, (char[]){ "a b\n" }, &why), 0);
	assert_int_equal(state_list(st, "totp", &names, &why), 0);
	assert_int_equal(names.n, 2);
	assert_string_equal(names.v[0], "al@x");
	assert_string_equal(names.v[1], "bob");
	strlist_free(&names);
	state_free(&st);
}

#define GOOD "sallyport-totp 1\nstep 7\n"

static void
test_damaged_records(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"sallyport-totp 1",
		"sallyport-totp 2\nstep 7\n",
		"sallyport-serial 1\nstep 7\n",
		GOOD "x",
		GOOD "\n",
		GOOD " x\n",
		GOOD "x \n",
		GOOD "x\n",
		GOOD "X y\n",
		GOOD "x \ty\n",
		GOOD "x y\r\n",
		GOOD "a23456789-123456789-123456789-123 y\n",
	};
	struct state *st = open_state();
	struct reason why;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_bytes("state/totp/alice", bad[i], strlen(bad[i]), 0600);
		assert_refused(st, "alice", ERR_FORMAT, "/alice: ");
	}
	/* and is begun anew only by a command for that */
	assert_int_equal(state_repair(st, "totp", "alice", add_text, (char[]){ " no\nstep 8\n" },
			     &why),
	    0);
	assert_record(st, "alice", "damaged no\nstep 8\n");
	assert_int_equal(state_repair(st, "totp", "alice", add_text, (char[]){ "used 1\n" }, &why),
	    0);
	assert_record(st, "alice", "damaged no\nstep 8\nused 1\n");
	write_bytes("state/totp/alice", "sallyport-totp 1\n\0x\n", 20, 0600);
	assert_refused(st, "alice", ERR_FORMAT, "damaged");
	write_bytes("state/totp/alice", GOOD, strlen(GOOD), 0600);
	assert_record(st, "alice", "step 7\n");
	state_free(&st);
}

static void
test_other_files_are_refused(void **state)
{
	struct state *st = open_state();
	char *big = malloc(STATE_RECORD_MAX + 1);
	struct reason why;

	write_bytes("state/totp/alice", GOOD, strlen(GOOD), 0640);
	assert_refused(st, "alice", ERR_PERM, "run: chmod 600 ");
	assert_int_equal(rename("state/totp/alice", "state/totp/other"), 0);
	assert_int_equal(symlink("other", "state/totp/alice"), 0);
	assert_refused(st, "alice", ERR_FORMAT, "symbolic link");
	assert_int_equal(unlink("state/totp/alice"), 0);
	assert_int_equal(mkfifo("state/totp/alice", 0600), 0);
	assert_refused(st, "alice", ERR_FORMAT, "not a regular file");
	assert_int_equal(unlink("state/totp/alice"), 0);
	if (geteuid() == 0) {
		write_bytes("state/totp/alice", GOOD, strlen(GOOD), 0600);
		assert_int_equal(chown("state/totp/alice", 12345, -1), 0);
		assert_refused(st, "alice", ERR_PERM, "belongs to user 12345");
	}
	memset(big, 'x', STATE_RECORD_MAX + 1);
	unlink("state/totp/alice");
	write_bytes("state/totp/alice", big, STATE_RECORD_MAX + 1, 0600);
	assert_refused(st, "alice", ERR_TOOBIG, "larger");

	/* and none is written that could not be read */
	memset(big, 'x', STATE_RECORD_MAX);
	big[STATE_RECORD_MAX - 1] = '\0';
	assert_int_equal(state_update(st, "totp", "bob", set_text, big, &why), ERR_TOOBIG);
	assert_int_equal(access("state/totp/bob", F_OK), -1);
	free(big);
	state_free(&st);
}

static void
test_directories(void **state)
{
	struct state *st;
	struct reason why;

	assert_int_equal(state_open("none", 0, &st, &why), ERR_NOTFOUND);
	assert_null(st);
	assert_int_equal(state_open("none/deeper", 1, &st, &why), ERR_SYS);
	assert_non_null(strstr(why.text, "none/deeper: cannot be made"));

	/* opened without create, it stays as it is until something is written */
	assert_int_equal(state_open("state", 0, &st, &why), 0);
	assert_int_equal(access("state/totp", F_OK), -1);
	assert_int_equal(state_check(st, &why), ERR_NOTFOUND);
	assert_int_equal(state_update(st, "totp", "alice", set_text, (char[]){ "a b\n" }, &why), 0);
	assert_record(st, "alice", "a b\n");
	state_free(&st);

	assert_int_equal(chmod("state/totp", 0750), 0);
	assert_int_equal(state_open("state", 1, &st, &why), ERR_PERM);
	assert_non_null(strstr(why.text, "run: chmod 700 state/totp"));
	assert_int_equal(chmod("state/totp", 0700), 0);
	assert_int_equal(rename("state/totp", "state/elsewhere"), 0);
	assert_int_equal(symlink("elsewhere", "state/totp"), 0);
	assert_int_equal(state_open("state", 1, &st, &why), ERR_FORMAT);
	assert_int_equal(unlink("state/totp"), 0);
	assert_int_equal(chmod("state", 0777), 0);
	assert_int_equal(state_open("state", 1, &st, &why), ERR_PERM);
	/* trees of [lookup directory] may lie in it */
	assert_int_equal(chmod("state", 0755), 0);
	write_bytes("state/README", "hello", 5, 0644);
	assert_int_equal(state_open("state", 1, &st, &why), 0);
	assert_int_equal(state_check(st, &why), 0);
	state_free(&st);
}

/* Root's subcommands would give such a file to the keeper's user. */
static void
test_lock_is_a_file_of_its_own(void **state)
{
	struct state *st = open_state();
	struct reason why;
	struct stat s;

	write_bytes("state/other", "x", 1, 0600);
	assert_int_equal(unlink("state/totp/.lock"), 0);
	assert_int_equal(link("state/other", "state/totp/.lock"), 0);
	assert_int_equal(state_update(st, "totp", "alice", set_text, (char[]){ "a b\n" }, &why),
	    ERR_PERM);
	assert_non_null(strstr(why.text, "state/totp/.lock: is not a file of its own"));
	assert_int_equal(unlink("state/totp/.lock"), 0);
	assert_int_equal(mkfifo("state/totp/.lock", 0600), 0);
	assert_int_equal(state_update(st, "totp", "alice", set_text, (char[]){ "a b\n" }, &why),
	    ERR_PERM);
	assert_int_equal(unlink("state/totp/.lock"), 0);
	assert_int_equal(state_update(st, "totp", "alice", set_text, (char[]){ "a b\n" }, &why), 0);
	assert_int_equal(stat("state/totp/.lock", &s), 0);
	assert_int_equal(s.st_mode & 07777, 0600);
	state_free(&st);
}

static void
test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		int result;
		uint64_t number;
	} v[] = {
		{ "0", 0, 0, 0 },
		{ "7", 7, 0, 7 },
		{ "8", 7, ERR_FORMAT, 0 },
		{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, ERR_FORMAT, 0 },
		{ "99", 98, ERR_FORMAT, 0 },
		{ "", 9, ERR_FORMAT, 0 },
		{ "07", 9, ERR_FORMAT, 0 },
		{ "-1", 9, ERR_FORMAT, 0 },
		{ "1 ", 9, ERR_FORMAT, 0 },
	};
	uint64_t number;
	size_t i;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		assert_int_equal(state_number((struct bytes){ (const uint8_t *)v[i].text,
						  strlen(v[i].text) },
				     v[i].max, &number),
		    v[i].result);
		assert_int_equal(number, v[i].number);
	}
}

#define T(name) cmocka_unit_test_setup(name, state_dir_begin)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_record_is_kept),
		T(test_names),
		T(test_damaged_records),
		T(test_other_files_are_refused),
		T(test_directories),
		T(test_lock_is_a_file_of_its_own),
		T(test_numbers),
	};

	return cmocka_run_group_tests(tests, state_dir_setup, tmp_dir_teardown);
}
